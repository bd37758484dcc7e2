include(unit/grpc_client.cmake)
