target_link_options(${name} PRIVATE -Wl,--wrap=ldr_store_open -Wl,--wrap=ldr_store_set_exact_hits
    -Wl,--wrap=ldr_store_stats)
