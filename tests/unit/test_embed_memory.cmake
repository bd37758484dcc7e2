target_link_options(${name} PRIVATE -Wl,--wrap=malloc,--wrap=calloc)
