# The client alone, without the module around it.
file(GLOB client ${CMAKE_SOURCE_DIR}/plugins/transport/http/client*.c)
target_sources(test_http_client PRIVATE ${client} ${CMAKE_SOURCE_DIR}/plugins/transport/http/peer_form.c)
target_link_libraries(test_http_client PRIVATE transport_common http_llhttp)
