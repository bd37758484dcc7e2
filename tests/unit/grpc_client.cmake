# The client alone, without the module around it.
pkg_check_modules(NGHTTP2 REQUIRED IMPORTED_TARGET libnghttp2)
set(grpc ${CMAKE_SOURCE_DIR}/plugins/transport/grpc)
file(GLOB client CONFIGURE_DEPENDS ${grpc}/client*.c)
foreach(part arena call_form message reader status)
    list(APPEND client ${grpc}/${part}.c)
endforeach()
target_sources(${name} PRIVATE ${client})
target_link_libraries(${name} PRIVATE transport_common grpc_messages PkgConfig::NGHTTP2)
