# Every allocation of the heap and of the slabs goes through the test, which lets the n-th fail.
target_link_options(${name} PRIVATE -Wl,--wrap=calloc -Wl,--wrap=malloc -Wl,--wrap=free -Wl,--wrap=mmap -Wl,--wrap=munmap)
