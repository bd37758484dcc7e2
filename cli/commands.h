/* The commands, each in a file of its name. */
#ifndef CLI_COMMANDS_H
#define CLI_COMMANDS_H

#include "options.h"

enum exit_code command_get(const struct options *options);
enum exit_code command_set(const struct options *options);
enum exit_code command_del(const struct options *options);
enum exit_code command_touch(const struct options *options);
enum exit_code command_groups(const struct options *options);
enum exit_code command_stats(const struct options *options);
enum exit_code command_cluster(const struct options *options);
enum exit_code command_top(const struct options *options);
enum exit_code command_cluster_leave(const struct options *options);
enum exit_code command_plugin_list(const struct options *options);
enum exit_code command_plugin_info(const struct options *options);
enum exit_code command_plugin_check(const struct options *options);
enum exit_code command_bench(const struct options *options);
enum exit_code command_sim(const struct options *options);

#endif
