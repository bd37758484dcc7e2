/* A cache inside one process: a group with a loader, which is asked once for a key that is read twice. */
#include <inttypes.h>
#include <larder/larder.h>
#include <stdio.h>

/* The origin: whatever is slow to reach. Runs on a thread of the node. */
static enum larder_status load_user(void *arg, const void *key, size_t key_size, uint64_t timeout_ms,
                                    struct larder_loaded *loaded)
{
    char value[64];
    (void)arg, (void)timeout_ms;
    int length = snprintf(value, sizeof value, "profile of %.*s", (int)key_size, (const char *)key);
    return larder_loaded_set(loaded, value, (size_t)length, 0);
}

/* Reads one key and prints it. */
static int show(struct larder_group *users, const char *key, size_t key_size)
{
    struct larder_value *value;
    if (larder_get(users, key, key_size, 1000, &value) != LARDER_OK) {
        fprintf(stderr, "%s: %s\n", key, larder_last_error());
        return 0;
    }
    printf("%s: %.*s\n", key, (int)larder_value_size(value), (const char *)larder_value_data(value));
    larder_value_release(value); /* the bytes stay until here, whatever is evicted meanwhile */
    return 1;
}

int main(void)
{
    const struct larder_group_options options = {
        .max_bytes = 1 << 20, .eviction = "lru", .ttl_ms = 60000, .load = load_user};
    struct larder_statistics stats = {0};
    struct larder_node *node = larder_node_open(NULL); /* no configuration: no sockets */
    struct larder_group *users = node ? larder_group_open(node, "users", &options) : NULL;
    if (!users) {
        fprintf(stderr, "%s\n", larder_last_error());
        larder_node_close(node);
        return 1;
    }
    int shown = show(users, "tom", 3) && show(users, "tom", 3);
    larder_group_stats(users, &stats);
    printf("%" PRIu64 " gets, %" PRIu64 " hits, %" PRIu64 " loads\n", stats.gets, stats.hits, stats.loads);
    larder_group_close(users);
    larder_node_close(node);
    return shown && stats.gets == 2 && stats.hits == 1 && stats.loads == 1 ? 0 : 1;
}
