if(NOT LARDER_STATIC_PLUGINS)
    target_link_libraries(test_loader_http PRIVATE plugin_loader_http_static) # else the core brings it
endif()
target_compile_definitions(test_loader_http PRIVATE TEST_AGENT="larder/${PROJECT_VERSION}")
