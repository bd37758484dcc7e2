/*
 * A whole node behind a transport: each input is what one client sends before it ends its side. Whatever it is, the node
 * answers or closes, and serves the next.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "larder/larder.h"
#include "target.h"

static struct sockaddr_in place; /* where the node listens */

static void listen_on_loopback(void)
{
    static const char text[] = "{node: {log_level: error}, transports: [{plugin: " TRANSPORT
                               ", listen: \"127.0.0.1:0\", workers: 1}], groups: [{name: default, max_bytes: 1MiB}]}";
    struct larder_config *config = larder_config_new();
    FUZZ_EXPECT(config != NULL && larder_config_add_plugin_path(config, PLUGINS) == LARDER_OK);
    FUZZ_EXPECT(larder_config_parse(config, text, strlen(text), "fuzz") == LARDER_OK);
    struct larder_node *node = larder_node_open(config);
    if (node == NULL) {
        fprintf(stderr, "%s\n", larder_last_error());
        abort();
    }
    char address[64];
    unsigned port;
    FUZZ_EXPECT(larder_node_address(node, 0, address, sizeof address) == LARDER_OK);
    FUZZ_EXPECT(sscanf(address, "127.0.0.1:%u", &port) == 1);
    place = (struct sockaddr_in){
        .sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    larder_config_free(config);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (place.sin_port == 0)
        listen_on_loopback();
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    FUZZ_EXPECT(fd >= 0);
    /* A close with a reset leaves no port waiting for its time to pass. */
    struct linger at_once = {1, 0};
    struct timeval patience = {60, 0};
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    FUZZ_EXPECT(connect(fd, (const struct sockaddr *)&place, sizeof place) == 0);
    char answer[65536];
    ssize_t got = send(fd, data, size, MSG_NOSIGNAL);
    shutdown(fd, SHUT_WR);
    while (got >= 0 && (got = recv(fd, answer, sizeof answer, 0)) > 0)
        continue;
    /* Closed, in whatever way: but not silent. */
    FUZZ_EXPECT(got == 0 || errno != EAGAIN);
    close(fd);
    return 0;
}
