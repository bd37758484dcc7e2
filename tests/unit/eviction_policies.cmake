# The policies that eviction_kit.h names.
foreach(policy lru fifo clock 2q lfu sieve s3fifo arc wtinylfu)
    target_link_libraries(${name} PRIVATE plugin_eviction_${policy}_static)
endforeach()
