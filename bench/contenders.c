#include "bench/contender.h"

#include <stddef.h>

const struct contender *const contenders[] = {
#ifdef BENCH_CLOCK
    &contender_larder_clock,
#endif
    &contender_larder_lru,   &contender_larder_api, &contender_rocksdb_hyper,
    &contender_rocksdb_lru,  &contender_glib,       &contender_sharded,
    &contender_floor,        &contender_harness,    NULL,
};
