target_link_libraries(${name} PRIVATE plugin_hash_xxhash_static plugin_eviction_lru_static)
target_link_options(${name} PRIVATE -Wl,--wrap=malloc,--wrap=calloc,--wrap=aligned_alloc)
