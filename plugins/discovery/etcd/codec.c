#include "codec.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

char *etcd_base64(const void *data, size_t size)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const unsigned char *in = data;
    char *text = size <= SIZE_MAX / 2 ? malloc((size + 2) / 3 * 4 + 1) : NULL;
    if (text == NULL)
        return NULL;
    char *out = text;
    for (size_t left = size; left > 0;) {
        size_t take = left < 3 ? left : 3;
        uint32_t group = (uint32_t)in[0] << 16 | (take > 1 ? (uint32_t)in[1] << 8 : 0) | (take > 2 ? in[2] : 0u);
        *out++ = digits[group >> 18];
        *out++ = digits[group >> 12 & 63];
        *out++ = take > 1 ? digits[group >> 6 & 63] : '=';
        *out++ = take > 2 ? digits[group & 63] : '=';
        in += take;
        left -= take;
    }
    *out = '\0';
    return text;
}

static int value_of(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

/* The bytes of `length` digits without padding. False: some are no digits. */
static bool decode(const char *text, size_t length, char *out)
{
    uint32_t bits = 0;
    for (size_t i = 0; i < length; i++) {
        int value = value_of(text[i]);
        if (value < 0)
            return false;
        bits = bits << 6 | (uint32_t)value;
        if (i % 4 != 0)
            *out++ = (char)(bits >> (6 - 2 * (i % 4)));
    }
    return true;
}

char *etcd_unbase64(const char *text, size_t length, size_t *size)
{
    size_t digits = length;
    while (digits > 0 && length - digits < 2 && text[digits - 1] == '=')
        digits--;
    if (length % 4 != 0)
        return NULL;
    *size = digits / 4 * 3 + (digits % 4 > 0 ? digits % 4 - 1 : 0);
    char *data = malloc(*size + 1);
    if (data == NULL)
        return NULL;
    if (!decode(text, digits, data)) {
        free(data);
        return NULL;
    }
    data[*size] = '\0';
    return data;
}

int64_t etcd_number(const json_t *object, const char *name)
{
    const json_t *value = json_object_get(object, name);
    if (json_is_integer(value))
        return json_integer_value(value);
    const char *text = json_string_value(value);
    if (text == NULL || (*text != '-' && (*text < '0' || *text > '9')))
        return 0;
    char *end;
    errno = 0;
    long long number = strtoll(text, &end, 10);
    return *end == '\0' && errno == 0 ? number : 0;
}

uint64_t etcd_revision(const json_t *answer)
{
    int64_t revision = etcd_number(json_object_get(answer, "header"), "revision");
    return revision > 0 ? (uint64_t)revision : 0;
}

const json_t *etcd_array(const json_t *object, const char *name)
{
    const json_t *value = json_object_get(object, name);
    return json_is_array(value) ? value : NULL;
}

const json_t *etcd_response(const json_t *answer, size_t index, const char *kind)
{
    return json_object_get(json_array_get(json_object_get(answer, "responses"), index), kind);
}

/* Bytes of the object under that name; none when they are left out. */
static char *read_bytes(const json_t *object, const char *name, size_t *size)
{
    const json_t *value = json_object_get(object, name);
    if (value == NULL)
        return etcd_unbase64("", 0, size);
    return json_is_string(value) ? etcd_unbase64(json_string_value(value), json_string_length(value), size) : NULL;
}

bool etcd_kv_read(struct etcd_kv *kv, const json_t *object)
{
    *kv = (struct etcd_kv){0};
    if (!json_is_object(object))
        return false;
    int64_t created = etcd_number(object, "create_revision"), modified = etcd_number(object, "mod_revision");
    kv->created = created > 0 ? (uint64_t)created : 0;
    kv->modified = modified > 0 ? (uint64_t)modified : 0;
    kv->lease = etcd_number(object, "lease");
    kv->key = read_bytes(object, "key", &kv->key_size);
    kv->value = read_bytes(object, "value", &kv->value_size);
    if (kv->key != NULL && kv->value != NULL && kv->modified > 0)
        return true;
    etcd_kv_free(kv);
    return false;
}

bool etcd_kv_first(struct etcd_kv *kv, const json_t *range)
{
    return etcd_kv_read(kv, json_array_get(json_object_get(range, "kvs"), 0));
}

void etcd_kv_free(struct etcd_kv *kv)
{
    free(kv->key);
    free(kv->value);
    *kv = (struct etcd_kv){0};
}
