target_link_libraries(${name} PRIVATE plugin_eviction_lru_static plugin_eviction_fifo_static
    plugin_eviction_clock_static)
