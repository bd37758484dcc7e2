target_link_libraries(${name} PRIVATE plugin_eviction_lru_static plugin_eviction_fifo_static
    plugin_eviction_clock_static)
pkg_check_modules(ZSTD REQUIRED IMPORTED_TARGET libzstd)
target_link_libraries(${name} PRIVATE PkgConfig::ZSTD)
