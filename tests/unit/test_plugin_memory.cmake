# Every allocation of the catalog and of the static discovery goes through the test, which lets the n-th fail.
add_dependencies(test_plugin_memory broken_modules plugin_hash_crc32)
target_link_libraries(test_plugin_memory PRIVATE plugin_discovery_static_static)
target_compile_definitions(test_plugin_memory PRIVATE TEST_MODULES="${CMAKE_BINARY_DIR}/tests/modules")
foreach(function malloc calloc realloc reallocarray strdup strndup realpath asprintf scandir open_memstream)
    target_link_options(test_plugin_memory PRIVATE -Wl,--wrap=${function})
endforeach()
