# The policies that count hits, built so that clearing a hit does nothing.
foreach(policy clock sieve s3fifo)
    add_library(sticky_${policy} OBJECT ${CMAKE_SOURCE_DIR}/plugins/eviction/${policy}.c)
    target_include_directories(sticky_${policy} PRIVATE ${CMAKE_SOURCE_DIR}/include)
    target_compile_definitions(sticky_${policy} PRIVATE LARDER_HITS_STICK LARDER_PLUGIN_STATIC=_sticky_${policy})
    target_link_libraries(${name} PRIVATE sticky_${policy})
endforeach()
include(unit/eviction_policies.cmake)
