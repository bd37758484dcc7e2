# The client alone, without the module around it.
pkg_check_modules(NGHTTP2 REQUIRED IMPORTED_TARGET libnghttp2)
set(grpc ${CMAKE_SOURCE_DIR}/plugins/transport/grpc)
file(GLOB client ${grpc}/client*.c)
foreach(name arena call_form message reader status)
    list(APPEND client ${grpc}/${name}.c)
endforeach()
target_sources(test_grpc_client PRIVATE ${client})
target_link_libraries(test_grpc_client PRIVATE transport_common grpc_messages PkgConfig::NGHTTP2)
