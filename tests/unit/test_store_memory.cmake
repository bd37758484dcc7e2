target_link_libraries(${name} PRIVATE plugin_eviction_lru_static plugin_eviction_fifo_static)
# Every allocation of the store and of the modules goes through the test, which counts it and lets it fail.
target_link_options(${name} PRIVATE
    -Wl,--wrap=malloc -Wl,--wrap=calloc -Wl,--wrap=realloc -Wl,--wrap=reallocarray -Wl,--wrap=free)
