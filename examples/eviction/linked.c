/* A policy linked into a program of its own, so that nothing has to be installed beside it: gdsf.c, built with a name. */
#include <larder/larder.h>
#include <larder/plugin/eviction.h>
#include <stdio.h>

extern const struct larder_eviction larder_plugin_table_gdsf;

int main(void)
{
    struct larder_config *config = larder_config_new();
    larder_config_add_plugin(config, &larder_plugin_table_gdsf.head);
    struct larder_node *node = larder_node_open(config);
    larder_config_free(config);
    struct larder_group *users = larder_group_open(
        node, "users", &(struct larder_group_options){.max_bytes = 1 << 20, .eviction = "gdsf"});
    enum larder_status status = larder_set(users, "tom", 3, "630", 3, 0, 0);
    puts(status == LARDER_OK ? "tom is kept by gdsf" : larder_last_error());
    larder_group_close(users);
    larder_node_close(node);
    return status == LARDER_OK ? 0 : 1;
}
