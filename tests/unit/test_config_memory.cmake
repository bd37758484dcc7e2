include(unit/config_catalog.cmake)
target_link_options(${name} PRIVATE
    -Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc,--wrap=reallocarray,--wrap=strdup,--wrap=strndup)
# Linked before the shared library, so that its allocations are wrapped, too. Without the archive they do not fail.
find_library(YAML_ARCHIVE libyaml.a)
if(YAML_ARCHIVE)
    target_link_libraries(${name} PRIVATE ${YAML_ARCHIVE})
endif()
