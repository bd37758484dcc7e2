include(${CMAKE_CURRENT_SOURCE_DIR}/unit/store_policies.cmake)
