# Headers, pkg-config file, CMake package, man pages, and how installed programs find the library. The targets install
# themselves. The tree can be moved as a whole after the installation: nothing in it names its own place.
include(CMakePackageConfigHelpers)

install(DIRECTORY include/larder DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} FILES_MATCHING PATTERN "*.h")
set(larder_docs ${CMAKE_INSTALL_DATADIR}/doc/larder)
install(FILES LICENSE README.md docs/writing-an-eviction-module.md DESTINATION ${larder_docs})
install(DIRECTORY proto DESTINATION ${CMAKE_INSTALL_DATADIR}/larder) # for those who make a gRPC client
install(DIRECTORY examples DESTINATION ${larder_docs} PATTERN CMakeLists.txt EXCLUDE)
install(FILES docs/man/larderd.1 docs/man/larder.1 DESTINATION ${CMAKE_INSTALL_MANDIR}/man1)

file(RELATIVE_PATH larder_pc_to_prefix /prefix/${CMAKE_INSTALL_LIBDIR}/pkgconfig /prefix)
string(REGEX REPLACE "/$" "" larder_pc_to_prefix ${larder_pc_to_prefix})
configure_file(cmake/larder.pc.in ${CMAKE_BINARY_DIR}/larder.pc @ONLY)
install(FILES ${CMAKE_BINARY_DIR}/larder.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)

set(larder_package ${CMAKE_INSTALL_LIBDIR}/cmake/larder)
set(larder_plugin_directory ${CMAKE_INSTALL_LIBDIR}/larder/plugins)
configure_package_config_file(cmake/larder-config.cmake.in ${CMAKE_BINARY_DIR}/larder-config.cmake
    INSTALL_DESTINATION ${larder_package} PATH_VARS larder_plugin_directory)
write_basic_package_version_file(${CMAKE_BINARY_DIR}/larder-config-version.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_BINARY_DIR}/larder-config.cmake ${CMAKE_BINARY_DIR}/larder-config-version.cmake
    DESTINATION ${larder_package})
install(EXPORT larder NAMESPACE larder:: FILE larder-targets.cmake DESTINATION ${larder_package})

# Programs look for the library where they were installed together; `programs` builds them with their modules, and
# nothing else.
file(RELATIVE_PATH larder_bin_to_lib /prefix/${CMAKE_INSTALL_BINDIR} /prefix/${CMAKE_INSTALL_LIBDIR})
add_custom_target(programs)
foreach(program larderd larder_cli)
    if(TARGET ${program})
        set_target_properties(${program} PROPERTIES INSTALL_RPATH "$ORIGIN/${larder_bin_to_lib}")
        add_dependencies(programs ${program})
    endif()
endforeach()
get_property(larder_modules GLOBAL PROPERTY LARDER_MODULES)
foreach(module ${larder_modules})
    add_dependencies(programs plugin_${module})
endforeach()
