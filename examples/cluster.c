/*
 * Three nodes in one process, a cluster over HTTP on loopback: what is set on one is read on another, and many callers
 * on all of them cause one load of a key.
 */
#ifndef _GNU_SOURCE
#define _POSIX_C_SOURCE 200809L /* with -std=c17: nanosleep() */
#endif
#include <arpa/inet.h>
#include <larder/larder.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { NODES = 3, CALLERS = 20, TIMEOUT_MS = 5000 };

struct member {
    struct larder_node *node;
    struct larder_group *users;
};

/* What the callers wait for: an answer each. */
struct answers {
    sem_t arrived;
    atomic_int right;
};

static void sleep_ms(long ms)
{
    nanosleep(&(struct timespec){.tv_nsec = ms * 1000000}, NULL);
}

/* Finds ports that are free now; they are told to all nodes before any of them listens. */
static int pick_ports(int ports[NODES])
{
    int sockets[NODES], picked = 0, opened = 0;
    for (; opened < NODES; opened++) {
        struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
        socklen_t length = sizeof address;
        sockets[opened] = socket(AF_INET, SOCK_STREAM, 0);
        if (sockets[opened] < 0)
            break;
        if (bind(sockets[opened], (struct sockaddr *)&address, length) == 0 &&
            getsockname(sockets[opened], (struct sockaddr *)&address, &length) == 0)
            ports[picked++] = ntohs(address.sin_port);
    }
    while (opened > 0)
        close(sockets[--opened]);
    return picked == NODES;
}

/* The origin, slow enough for every caller to come while the first load is still under way. */
static enum larder_status load_user(void *arg, const void *key, size_t key_size, uint64_t timeout_ms,
                                    struct larder_loaded *loaded)
{
    (void)timeout_ms;
    atomic_fetch_add((atomic_int *)arg, 1);
    sleep_ms(100);
    return larder_loaded_set(loaded, key, key_size, 0);
}

/* Opens node `self` of the cluster and its group. The configuration could as well be a file: larder_config_read(). */
static int open_member(struct member *member, int self, const int ports[NODES], atomic_int *loads)
{
    char text[1024];
    int length = snprintf(text, sizeof text,
                          "node: {name: n%d, log_level: warn}\n"
                          "transports: [{plugin: http, listen: \"127.0.0.1:%d\"}]\n"
                          "cluster:\n"
                          "  peer_transport: http\n"
                          "  discovery:\n"
                          "    plugin: static\n"
                          "    members:\n"
                          "      - {name: n0, http: \"127.0.0.1:%d\"}\n"
                          "      - {name: n1, http: \"127.0.0.1:%d\"}\n"
                          "      - {name: n2, http: \"127.0.0.1:%d\"}\n",
                          self, ports[self], ports[0], ports[1], ports[2]);
    struct larder_config *config = larder_config_new();
    if (config && larder_config_parse(config, text, (size_t)length, "cluster.c") == LARDER_OK)
        member->node = larder_node_open(config);
    larder_config_free(config);
    const struct larder_group_options options = {.max_bytes = 1 << 20, .load = load_user, .load_arg = loads};
    if (member->node)
        member->users = larder_group_open(member->node, "users", &options);
    return member->users != NULL;
}

static int wait_until_ready(struct larder_node *node)
{
    for (int tries = 0; tries < 500; tries++) {
        if (larder_node_ready(node) == LARDER_OK)
            return 1;
        sleep_ms(10);
    }
    return 0;
}

static void answered(void *arg, enum larder_status status, struct larder_value *value)
{
    struct answers *answers = arg;
    if (status == LARDER_OK && larder_value_size(value) == 5 && memcmp(larder_value_data(value), "alice", 5) == 0)
        atomic_fetch_add(&answers->right, 1);
    larder_value_release(value);
    sem_post(&answers->arrived);
}

/* Set on one node, read on every other. */
static int share(struct member members[NODES])
{
    char value[8];
    size_t size;
    if (larder_set(members[0].users, "tom", 3, "630", 3, 0, TIMEOUT_MS) != LARDER_OK)
        return 0;
    for (int i = 0; i < NODES; i++) {
        if (larder_get_copy(members[i].users, "tom", 3, TIMEOUT_MS, value, sizeof value, &size) != LARDER_OK ||
            size != 3 || memcmp(value, "630", 3) != 0)
            return 0;
    }
    printf("set on n0, read on all %d nodes: %.3s\n", NODES, value);
    return 1;
}

/* Many callers on all nodes ask for a key that nobody has. */
static int load_once(struct member members[NODES], atomic_int *loads)
{
    struct answers answers = {.right = 0};
    sem_init(&answers.arrived, 0, 0);
    for (int i = 0; i < NODES * CALLERS; i++)
        larder_get_async(members[i % NODES].users, "alice", 5, TIMEOUT_MS, answered, &answers);
    for (int i = 0; i < NODES * CALLERS; i++)
        sem_wait(&answers.arrived);
    sem_destroy(&answers.arrived);
    printf("%d callers on %d nodes: %d right answers, %d load\n", NODES * CALLERS, NODES, atomic_load(&answers.right),
           atomic_load(loads));
    return atomic_load(&answers.right) == NODES * CALLERS && atomic_load(loads) == 1;
}

int main(void)
{
    int ports[NODES], fine = pick_ports(ports);
    atomic_int loads = 0;
    struct member members[NODES] = {0};
    for (int i = 0; fine && i < NODES; i++)
        fine = open_member(&members[i], i, ports, &loads);
    for (int i = 0; fine && i < NODES; i++)
        fine = wait_until_ready(members[i].node);
    fine = fine && share(members) && load_once(members, &loads);
    if (!fine)
        fprintf(stderr, "cluster: it did not work: %s\n", larder_last_error());
    for (int i = 0; i < NODES; i++) {
        larder_group_close(members[i].users);
        larder_node_close(members[i].node);
    }
    return fine ? 0 : 1;
}
