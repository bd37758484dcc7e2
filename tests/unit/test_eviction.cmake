include(unit/eviction_policies.cmake)
pkg_check_modules(ZSTD REQUIRED IMPORTED_TARGET libzstd)
target_link_libraries(${name} PRIVATE PkgConfig::ZSTD)
