set(grpc ${CMAKE_SOURCE_DIR}/plugins/transport/grpc)
target_sources(test_grpc_status PRIVATE ${grpc}/status.c)
target_link_libraries(test_grpc_status PRIVATE grpc_messages)
