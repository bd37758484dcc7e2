#include "bench/wire_groups.h"

static bool start_http(struct wire_server servers[WIRE_SERVERS], const struct wire_place *place, uint32_t keys,
                       size_t value_size)
{
    (void)keys;
    return wire_start_larder(&servers[0], place) && wire_start_nginx(&servers[1], place, value_size);
}

static bool start_grpc(struct wire_server servers[WIRE_SERVERS], const struct wire_place *place, uint32_t keys,
                       size_t value_size)
{
    return wire_start_larder(&servers[0], place) && wire_start_grpc_cpp(&servers[1], place, keys, value_size);
}

static bool start_pair_grpc(struct wire_server servers[WIRE_SERVERS], const struct wire_place *place, uint32_t keys,
                            size_t value_size)
{
    (void)keys;
    (void)value_size;
    return wire_start_pair(servers, place, "grpc");
}

static bool start_pair_http(struct wire_server servers[WIRE_SERVERS], const struct wire_place *place, uint32_t keys,
                            size_t value_size)
{
    (void)keys;
    (void)value_size;
    return wire_start_pair(servers, place, "http");
}

#define HTTP_1            "HTTP GET, 100 B, 1 in flight; ratio to nginx's \"return 200\""
#define HTTP_16           "HTTP GET, 100 B, 16 in flight; ratio to 1 in flight"
#define GRPC(size, depth) "gRPC Get, " size ", " depth " in flight; ratio to a server on gRPC C++"
#define PEER(by)                                                                                                       \
    "gRPC Get, 100 B, 10 in flight, two nodes that talk " by ", CPU of both; ratio to keys of the node asked"

static const struct wire_cell http_cells[] = {
    {"http-get-1", HTTP_1, "larder", 1, 0, &wire_http_get, 1, WIRE_ALL},
    {"http-get-1", HTTP_1, "nginx", -1, 1, &wire_http_get, 1, WIRE_ALL},
    {"http-get-16", HTTP_16, "larder", 0, 0, &wire_http_get, 16, WIRE_ALL},
    {"http-get-16", HTTP_16, "nginx", 1, 1, &wire_http_get, 16, WIRE_ALL},
};

static const struct wire_cell grpc_cells[] = {
    {"grpc-get-1", GRPC("100 B", "1"), "larder", 1, 0, &wire_grpc_get, 1, WIRE_ALL},
    {"grpc-get-1", GRPC("100 B", "1"), "grpc-c++", -1, 1, &wire_grpc_get, 1, WIRE_ALL},
    {"grpc-get-10", GRPC("100 B", "10"), "larder", 3, 0, &wire_grpc_get, 10, WIRE_ALL},
    {"grpc-get-10", GRPC("100 B", "10"), "grpc-c++", -1, 1, &wire_grpc_get, 10, WIRE_ALL},
};

static const struct wire_cell grpc_4k_cells[] = {
    {"grpc-get-4k-1", GRPC("4 KiB", "1"), "larder", 1, 0, &wire_grpc_get, 1, WIRE_ALL},
    {"grpc-get-4k-1", GRPC("4 KiB", "1"), "grpc-c++", -1, 1, &wire_grpc_get, 1, WIRE_ALL},
    {"grpc-get-4k-10", GRPC("4 KiB", "10"), "larder", 3, 0, &wire_grpc_get, 10, WIRE_ALL},
    {"grpc-get-4k-10", GRPC("4 KiB", "10"), "grpc-c++", -1, 1, &wire_grpc_get, 10, WIRE_ALL},
};

static const struct wire_cell peer_grpc_cells[] = {
    {"peer-grpc-10", PEER("gRPC"), "own key", -1, 0, &wire_grpc_get, 10, WIRE_OWN},
    {"peer-grpc-10", PEER("gRPC"), "peer's key", 0, 0, &wire_grpc_get, 10, WIRE_OTHERS},
};

static const struct wire_cell peer_http_cells[] = {
    {"peer-http-10", PEER("HTTP"), "own key", -1, 0, &wire_grpc_get, 10, WIRE_OWN},
    {"peer-http-10", PEER("HTTP"), "peer's key", 0, 0, &wire_grpc_get, 10, WIRE_OTHERS},
};

#define CELLS(cells) cells, (int)(sizeof cells / sizeof *cells)

const struct wire_group wire_groups[] = {
    {"http", 100, 1, false, start_http, CELLS(http_cells)},
    {"grpc", 100, 1, false, start_grpc, CELLS(grpc_cells)},
    {"grpc-4k", 4096, 16, false, start_grpc, CELLS(grpc_4k_cells)},
    {"peer-grpc", 100, 4, true, start_pair_grpc, CELLS(peer_grpc_cells)},
    {"peer-http", 100, 4, true, start_pair_http, CELLS(peer_http_cells)},
};
const size_t wire_group_count = sizeof wire_groups / sizeof *wire_groups;
