include(unit/config_catalog.cmake)
