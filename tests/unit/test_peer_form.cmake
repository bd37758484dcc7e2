target_sources(test_peer_form PRIVATE ${CMAKE_SOURCE_DIR}/plugins/transport/http/peer_form.c)
