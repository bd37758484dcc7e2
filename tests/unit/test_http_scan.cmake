# The parts that know nothing of sockets.
set(http ${CMAKE_SOURCE_DIR}/plugins/transport/http)
target_sources(test_http_scan PRIVATE ${http}/scan.c ${http}/head.c ${http}/chunks.c ${http}/text.c)
target_link_libraries(test_http_scan PRIVATE http_llhttp)
