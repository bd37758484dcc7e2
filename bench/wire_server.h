/* The servers that are measured: processes of their own on one processor, with files in a directory of the run's own. */
#ifndef BENCH_WIRE_SERVER_H
#define BENCH_WIRE_SERVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct wire_place {
    char directory[64];
    int server_cpu, load_cpu; /* the same when there is only one */
};

/* Makes the directory and moves this process to the load's processor. False: it said why not. */
bool wire_place_open(struct wire_place *place);
void wire_place_close(struct wire_place *place); /* removes the directory */

struct wire_server {
    pid_t pid; /* 0: not started */
    uint16_t http, grpc;
};

/* Each starts a server and waits until it takes connections. False: it said why not. */

/* A node of its own. */
bool wire_start_larder(struct wire_server *server, const struct wire_place *place);
/* Two members that call each other over `transport`; the second is told apart by its name only. */
bool wire_start_pair(struct wire_server servers[2], const struct wire_place *place, const char *transport);
/* Answers everything with 200 and so many bytes. */
bool wire_start_nginx(struct wire_server *server, const struct wire_place *place, size_t value_size);
/* Our service on gRPC C++'s callback server, around a std::unordered_map that holds the keys. */
bool wire_start_grpc_cpp(struct wire_server *server, const struct wire_place *place, uint32_t keys, size_t value_size);

void wire_stop(struct wire_server *server); /* one that was not started is fine */

/* ns of CPU time that it has used, kernel and user. */
uint64_t wire_cpu_ns(const struct wire_server *server);

#endif
