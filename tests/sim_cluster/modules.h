/* The tables of the modules in memory: all are called "memory", but for the client of the registry. */
#ifndef SIM_MODULES_H
#define SIM_MODULES_H

#include "larder/plugin/discovery.h"
#include "larder/plugin/eviction.h"
#include "larder/plugin/hash.h"
#include "larder/plugin/loader.h"
#include "larder/plugin/transport.h"

extern const struct larder_transport larder_plugin_table_sim_transport;
extern const struct larder_discovery larder_plugin_table_sim_discovery;
extern const struct larder_discovery larder_plugin_table_sim_leases;
extern const struct larder_loader larder_plugin_table_sim_loader;

/* Modules of the library, linked in. */
extern const struct larder_hash larder_plugin_table__hash_xxhash;
extern const struct larder_eviction larder_plugin_table__eviction_lru;

#endif
