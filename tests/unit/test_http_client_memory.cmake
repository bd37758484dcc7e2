# The client alone; every allocation of it goes through the test, which lets some fail.
file(GLOB client ${CMAKE_SOURCE_DIR}/plugins/transport/http/client*.c)
target_sources(test_http_client_memory PRIVATE ${client} ${CMAKE_SOURCE_DIR}/plugins/transport/http/peer_form.c)
target_link_libraries(test_http_client_memory PRIVATE transport_common http_llhttp)
foreach(function malloc calloc realloc strdup)
    target_link_options(test_http_client_memory PRIVATE -Wl,--wrap=${function})
endforeach()
