add_dependencies(test_catalog broken_modules plugin_hash_crc32)
target_compile_definitions(test_catalog PRIVATE TEST_MODULES="${CMAKE_BINARY_DIR}/tests/modules")
