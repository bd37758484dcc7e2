/* Addresses of peers: HOST:PORT and [IPV6]:PORT. */
#include "address.h"

#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What may stand in the Host or :authority of a request, and in a name that is looked up. */
#define NAME_BYTES    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-"
#define ADDRESS_BYTES NAME_BYTES ":%"

/* True when the text is a port, 1 to 65535, in digits alone. */
static bool is_port(const char *text)
{
    size_t digits = strspn(text, "0123456789");
    if (digits == 0 || digits > 5 || text[digits] != '\0')
        return false;
    long port = strtol(text, NULL, 10);
    return port >= 1 && port <= 65535;
}

/* Splits off the host. NULL: neither form; else where the port begins. */
static const char *split(const char *text, const char **host, size_t *size)
{
    bool bracketed = text[0] == '[';
    *host = bracketed ? text + 1 : text;
    *size = strspn(*host, bracketed ? ADDRESS_BYTES : NAME_BYTES);
    const char *rest = *host + *size;
    if (*size == 0 || *size >= sizeof((struct tp_address *)0)->host)
        return NULL;
    if (bracketed && *rest++ != ']')
        return NULL;
    return *rest == ':' ? rest + 1 : NULL;
}

/* Looks up; with AI_NUMERICHOST nothing but the text itself is looked at. */
static int look_up(const struct tp_address *address, int flags, struct addrinfo **found)
{
    const struct addrinfo hints = {
        .ai_flags = flags | AI_NUMERICSERV, .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    return getaddrinfo(address->host, address->port, &hints, found);
}

bool tp_address_parse(const char *text, struct tp_address *address, char *reason)
{
    const char *host;
    size_t size;
    const char *port = split(text, &host, &size);
    if (port == NULL || !is_port(port)) {
        snprintf(reason, TP_REASON, "address of a peer: got \"%.200s\", wanted HOST:PORT or [IPV6]:PORT", text);
        return false;
    }
    snprintf(address->text, sizeof address->text, "%s", text);
    snprintf(address->host, sizeof address->host, "%.*s", (int)size, host);
    snprintf(address->port, sizeof address->port, "%.5s", port);
    struct addrinfo *found;
    address->numeric = look_up(address, AI_NUMERICHOST, &found) == 0;
    if (address->numeric)
        freeaddrinfo(found);
    else if (text[0] == '[') {
        snprintf(reason, TP_REASON, "address of a peer: got \"%.200s\", whose brackets hold no IPv6 address", text);
        return false;
    }
    return true;
}

int tp_address_resolve(const struct tp_address *address, struct tp_addresses *found)
{
    found->count = 0;
    struct addrinfo *list;
    int error = look_up(address, address->numeric ? AI_NUMERICHOST : 0, &list);
    if (error != 0)
        return error;
    for (struct addrinfo *one = list; one != NULL && found->count < TP_ADDRESSES; one = one->ai_next) {
        if (one->ai_addrlen > sizeof found->at[0].place)
            continue;
        memcpy(&found->at[found->count].place, one->ai_addr, one->ai_addrlen);
        found->at[found->count++].size = one->ai_addrlen;
    }
    freeaddrinfo(list);
    return found->count > 0 ? 0 : EAI_NONAME;
}
