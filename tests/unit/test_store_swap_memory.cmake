include(${CMAKE_CURRENT_SOURCE_DIR}/unit/store_policies.cmake)
include(${CMAKE_CURRENT_SOURCE_DIR}/unit/counted_memory.cmake)
