# Every allocation goes through the test, which lets some fail.
target_sources(test_grpc_reader PRIVATE ${CMAKE_SOURCE_DIR}/plugins/transport/grpc/reader.c)
target_link_options(test_grpc_reader PRIVATE -Wl,--wrap=realloc)
