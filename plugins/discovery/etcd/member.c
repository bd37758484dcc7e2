#include "member.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ADDRESSES_MAX 16
#define TEXT_MAX      255 /* bytes of an address, a transport's name or a zone */

static json_t *encode_addresses(const struct larder_address *addresses, size_t count)
{
    json_t *object = json_object();
    for (size_t i = 0; i < count && object != NULL; i++) {
        if (json_object_set_new(object, addresses[i].transport, json_string(addresses[i].address)) != 0) {
            json_decref(object);
            return NULL;
        }
    }
    return object;
}

char *etcd_member_encode(const struct larder_member *member, const struct larder_address *addresses, bool leaving,
                         const char *boot, const struct etcd_process *process)
{
    json_t *value = json_pack("{s:o, s:I, s:s, s:b, s:s, s:o}", "addresses",
                              encode_addresses(addresses, member->address_count), "weight", (json_int_t)member->weight,
                              "zone", member->zone != NULL ? member->zone : "", "leaving", leaving, "boot", boot,
                              "process", etcd_process_encode(process));
    char *text = value != NULL ? json_dumps(value, JSON_COMPACT) : NULL;
    json_decref(value);
    return text;
}

bool etcd_member_name(const char *name, size_t size)
{
    static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";
    return size >= 1 && size <= LARDER_MEMBER_NAME_MAX && strspn(name, allowed) == size;
}

const char *etcd_member_boot(const json_t *document)
{
    const char *boot = json_string_value(json_object_get(document, "boot"));
    return boot != NULL ? boot : "";
}

/* Text that can stand in an address or a log: 1 to TEXT_MAX printable bytes. */
static bool is_text(const char *text)
{
    size_t length = text != NULL ? strnlen(text, TEXT_MAX + 1) : 0;
    for (size_t i = 0; i < length; i++)
        if ((unsigned char)text[i] <= 0x20 || text[i] == 0x7f)
            return false;
    return length >= 1 && length <= TEXT_MAX;
}

static bool refuse(char *reason, const char *text)
{
    snprintf(reason, ETCD_REASON, "%s", text);
    return false;
}

static bool decode_addresses(struct larder_member *member, json_t *object, char *reason)
{
    size_t count = json_object_size(object);
    if (!json_is_object(object) || count > ADDRESSES_MAX)
        return refuse(reason, "addresses: wanted an object with up to 16 addresses by transport");
    struct larder_address *addresses = calloc(count + 1, sizeof *addresses);
    if (addresses == NULL)
        return false;
    member->addresses = addresses;
    const char *transport;
    json_t *address;
    json_object_foreach(object, transport, address)
    {
        if (!is_text(transport) || !is_text(json_string_value(address)))
            return refuse(reason, "addresses: wanted texts of 1 to 255 bytes without spaces");
        addresses[member->address_count++] = (struct larder_address){transport, json_string_value(address)};
    }
    return true;
}

static bool decode_fields(struct larder_member *member, const json_t *document, char *reason)
{
    const json_t *weight = json_object_get(document, "weight"), *zone = json_object_get(document, "zone");
    const json_t *leaving = json_object_get(document, "leaving");
    json_int_t share = weight != NULL ? json_integer_value(weight) : 1;
    if (!json_is_object(document))
        return refuse(reason, "wanted an object");
    if (share < 1 || share > LARDER_WEIGHT_MAX)
        return refuse(reason, "weight: wanted 1 to 100");
    if (zone != NULL && (!json_is_string(zone) || (json_string_length(zone) > 0 && !is_text(json_string_value(zone)))))
        return refuse(reason, "zone: wanted a text of up to 255 bytes without spaces");
    if (leaving != NULL && !json_is_boolean(leaving))
        return refuse(reason, "leaving: wanted true or false");
    member->weight = (uint32_t)share;
    member->zone = json_string_value(zone);
    member->leaving = json_is_true(leaving);
    return decode_addresses(member, json_object_get(document, "addresses"), reason);
}

json_t *etcd_member_decode(struct larder_member *member, const char *value, size_t size, char *reason)
{
    json_error_t error;
    reason[0] = '\0';
    if (!etcd_member_name(member->name, strlen(member->name))) {
        refuse(reason, "the name: wanted 1 to 64 of [A-Za-z0-9._-]");
        return NULL;
    }
    json_t *document = json_loadb(value, size, 0, &error);
    if (document == NULL) {
        /* jansson leaves the reason out in some places when memory is short. */
        if (error.text[0] != '\0' && json_error_code(&error) != json_error_out_of_memory)
            snprintf(reason, ETCD_REASON, "%.120s", error.text);
        return NULL;
    }
    if (decode_fields(member, document, reason))
        return document;
    free((struct larder_address *)member->addresses);
    *member = (struct larder_member){.name = member->name};
    json_decref(document);
    return NULL;
}
