add_dependencies(test_module broken_modules plugin_hash_crc32)
target_compile_definitions(test_module PRIVATE TEST_MODULES="${CMAKE_BINARY_DIR}/tests/modules")
