set(http ${CMAKE_SOURCE_DIR}/plugins/transport/http)
target_sources(test_http_text PRIVATE ${http}/text.c ${http}/fields.c ${http}/target.c)
