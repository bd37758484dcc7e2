include(${CMAKE_CURRENT_SOURCE_DIR}/unit/store_policies.cmake)
target_link_libraries(${name} PRIVATE plugin_hash_crc32_static plugin_hash_murmur3_static)
