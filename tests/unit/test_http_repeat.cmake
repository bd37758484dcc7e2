set(http ${CMAKE_SOURCE_DIR}/plugins/transport/http)
target_sources(test_http_repeat PRIVATE ${http}/repeat.c ${http}/scan.c ${http}/head.c)
target_link_libraries(test_http_repeat PRIVATE http_llhttp)
