include(unit/grpc_client.cmake)
# Every allocation of the client and its libraries goes through the test, which lets some fail.
foreach(function malloc calloc realloc strdup nghttp2_session_client_new nghttp2_session_callbacks_new sendmsg)
    target_link_options(test_grpc_client_memory PRIVATE -Wl,--wrap=${function})
endforeach()
