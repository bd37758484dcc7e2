# The real hash modules, linked in: their placement is part of the promise.
target_link_libraries(test_ring PRIVATE plugin_hash_crc32_static plugin_hash_murmur3_static plugin_hash_xxhash_static)
