# membarrier(2) goes through the test: see epoch_modes.h.
target_link_options(${name} PRIVATE -Wl,--wrap=syscall)
