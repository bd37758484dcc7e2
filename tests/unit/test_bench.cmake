target_sources(test_bench PRIVATE ${CMAKE_SOURCE_DIR}/bench/workload.c ${CMAKE_SOURCE_DIR}/bench/latency.c)
