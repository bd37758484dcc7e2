# transport_host(NAME): NAME_host, a server with the transport NAME and no node behind it.
function(transport_host name)
    set(folder ${CMAKE_CURRENT_FUNCTION_LIST_DIR})
    add_executable(${name}_host ${folder}/host.c ${folder}/map.c ${folder}/fail.c)
    target_compile_definitions(${name}_host PRIVATE TRANSPORT=larder_plugin_table__transport_${name})
    target_link_libraries(${name}_host PRIVATE larder_core)
    target_link_options(${name}_host PRIVATE -Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc)
    if(NOT LARDER_STATIC_PLUGINS)
        target_link_libraries(${name}_host PRIVATE plugin_transport_${name}_static) # else the core brings it
    endif()
endfunction()
