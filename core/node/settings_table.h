/* The tables of all settings: checks, defaults and the reference are made from them. */
#ifndef LDR_NODE_SETTINGS_TABLE_H
#define LDR_NODE_SETTINGS_TABLE_H

#include "larder/plugin/plugin.h"

/* The whole document, and its sections. Each ends with a row whose name is NULL. */
extern const struct larder_param ldr_settings_table[];
extern const struct larder_param ldr_settings_node[];
extern const struct larder_param ldr_settings_cluster[];
extern const struct larder_param ldr_settings_group_table[];

#endif
