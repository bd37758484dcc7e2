include(unit/eviction_policies.cmake)
# Every request for memory goes through the test, which counts what is held and lets requests fail.
target_link_options(${name} PRIVATE -Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc,--wrap=aligned_alloc,--wrap=free)
