# Every allocation of its own goes through the test, which lets some fail; those of zlib do not.
target_sources(test_grpc_gzip PRIVATE ${CMAKE_SOURCE_DIR}/plugins/transport/grpc/gzip.c)
target_link_libraries(test_grpc_gzip PRIVATE PkgConfig::ZLIB)
target_link_options(test_grpc_gzip PRIVATE -Wl,--wrap=realloc)
