target_link_libraries(test_loader_http PRIVATE plugin_loader_http_static)
target_compile_definitions(test_loader_http PRIVATE TEST_AGENT="larder/${PROJECT_VERSION}")
