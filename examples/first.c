/* The smallest program that uses Larder: a cache in this process, without configuration and without sockets. */
#include <larder/larder.h>
#include <stdio.h>

int main(void)
{
    struct larder_node *node = larder_node_open(NULL);
    struct larder_group *users = larder_group_open(
        node, "users", &(struct larder_group_options){.max_bytes = 64 << 20, .eviction = "lru", .ttl_ms = 60000});
    struct larder_value *value;
    larder_set(users, "tom", 3, "630", 3, 0, 0);
    if (larder_get(users, "tom", 3, 0, &value) == LARDER_OK) {
        printf("tom: %.*s\n", (int)larder_value_size(value), (const char *)larder_value_data(value));
        larder_value_release(value);
    } else {
        fprintf(stderr, "%s\n", larder_last_error());
    }
    larder_group_close(users);
    larder_node_close(node);
}
