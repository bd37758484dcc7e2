# larder_module(KIND NAME SOURCES file... [LIBRARIES target...] [INCLUDES directory...])
#
# One module: plugins/KIND/NAME.so in the build tree, LIBDIR/larder/plugins/KIND/NAME.so when installed. With
# LARDER_STATIC_PLUGINS its objects also become part of liblarder.
function(larder_module kind name)
    cmake_parse_arguments(MODULE "" "" "SOURCES;LIBRARIES;INCLUDES" ${ARGN})
    set(target plugin_${kind}_${name})
    add_library(${target} MODULE ${MODULE_SOURCES})
    set_target_properties(${target} PROPERTIES
        PREFIX "" OUTPUT_NAME ${name} LIBRARY_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/plugins/${kind})
    target_include_directories(${target} PRIVATE ${CMAKE_SOURCE_DIR}/include ${CMAKE_SOURCE_DIR} ${MODULE_INCLUDES})
    target_link_libraries(${target} PRIVATE ${MODULE_LIBRARIES})
    if(NOT LARDER_SANITIZE)
        target_link_options(${target} PRIVATE -Wl,--no-undefined)
    endif()
    install(TARGETS ${target} LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR}/larder/plugins/${kind})

    # The same sources under a name of their own, for programs that link modules in: tests, and static builds.
    add_library(${target}_static OBJECT EXCLUDE_FROM_ALL ${MODULE_SOURCES})
    target_compile_definitions(${target}_static PRIVATE LARDER_PLUGIN_STATIC=_${kind}_${name})
    target_include_directories(${target}_static PRIVATE ${CMAKE_SOURCE_DIR}/include ${CMAKE_SOURCE_DIR} ${MODULE_INCLUDES})
    target_link_libraries(${target}_static PUBLIC ${MODULE_LIBRARIES})
    set_property(GLOBAL APPEND PROPERTY LARDER_MODULES ${kind}_${name})
endfunction()

# Every .c file directly in the calling folder is a module of its own without libraries; every sub-folder has a
# CMakeLists.txt that calls larder_module().
function(larder_modules_here kind)
    file(GLOB files RELATIVE ${CMAKE_CURRENT_SOURCE_DIR} CONFIGURE_DEPENDS *.c)
    foreach(file ${files})
        get_filename_component(name ${file} NAME_WE)
        larder_module(${kind} ${name} SOURCES ${file})
    endforeach()
    file(GLOB folders RELATIVE ${CMAKE_CURRENT_SOURCE_DIR} CONFIGURE_DEPENDS */CMakeLists.txt)
    foreach(folder ${folders})
        get_filename_component(folder ${folder} DIRECTORY)
        if(NOT folder STREQUAL "common")
            add_subdirectory(${folder})
        endif()
    endforeach()
endfunction()
