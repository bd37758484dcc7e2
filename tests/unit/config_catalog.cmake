# For tests that include config_catalog.h: its modules take the place of those on the disk.
target_link_options(${name} PRIVATE
    -Wl,--wrap=ldr_catalog_open,--wrap=ldr_catalog_close,--wrap=ldr_catalog_find,--wrap=ldr_catalog_each)
