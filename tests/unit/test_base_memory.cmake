# What core/base asks of the system goes through the test, which lets the n-th call fail.
foreach(function calloc realloc strdup pthread_create getrandom)
    target_link_options(test_base_memory PRIVATE -Wl,--wrap=${function})
endforeach()
