# Every allocation of the "http" loader goes through the test, which lets some fail; those of libcurl do not.
if(NOT LARDER_STATIC_PLUGINS)
    target_link_libraries(test_loader_memory PRIVATE plugin_loader_http_static) # else the core brings it
endif()
foreach(function malloc calloc realloc strdup asprintf)
    target_link_options(test_loader_memory PRIVATE -Wl,--wrap=${function})
endforeach()
