# Every allocation goes through the test, which lets some fail.
set(grpc ${CMAKE_SOURCE_DIR}/plugins/transport/grpc)
target_sources(test_grpc_call_form PRIVATE ${grpc}/call_form.c ${grpc}/message.c ${grpc}/arena.c)
target_link_libraries(test_grpc_call_form PRIVATE grpc_messages)
target_link_options(test_grpc_call_form PRIVATE -Wl,--wrap=malloc)
