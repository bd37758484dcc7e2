# The policies that store_shapes.h goes through.
target_link_libraries(${name} PRIVATE plugin_eviction_lru_static plugin_eviction_fifo_static)
if(TARGET plugin_eviction_clock_static)
    target_link_libraries(${name} PRIVATE plugin_eviction_clock_static)
    target_compile_definitions(${name} PRIVATE TEST_HAS_CLOCK)
endif()
