# Every allocation of the cluster goes through the test, which lets the n-th fail.
foreach(function malloc calloc strdup)
    target_link_options(test_cluster_memory PRIVATE -Wl,--wrap=${function})
endforeach()
