/* Addresses of peers: HOST:PORT and [IPV6]:PORT. */
#ifndef TRANSPORT_COMMON_ADDRESS_H
#define TRANSPORT_COMMON_ADDRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

#define TP_ADDRESS_MAX 263 /* bytes: a name of 255, brackets or none, a port */
#define TP_ADDRESSES   8   /* of one name, tried in order */
#define TP_REASON      512 /* bytes of a line that tells why something failed, NUL included */

/* Where a peer is. */
struct tp_address {
    char text[TP_ADDRESS_MAX + 1]; /* as given, for messages and for the peer itself */
    char host[256];                /* without brackets */
    char port[6];
    bool numeric; /* nothing has to be looked up */
};

struct tp_addresses {
    size_t count;
    struct {
        struct sockaddr_storage place;
        socklen_t size;
    } at[TP_ADDRESSES];
};

/* False, with the reason in `reason` (of TP_REASON bytes), when the text is no address. */
bool tp_address_parse(const char *text, struct tp_address *address, char *reason);

/* 0, or the error of getaddrinfo(). Blocks unless the address is numeric. */
int tp_address_resolve(const struct tp_address *address, struct tp_addresses *found);

#endif
