include(unit/eviction_policies.cmake)
