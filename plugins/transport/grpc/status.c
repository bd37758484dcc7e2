/* Two tables. */
#include "status.h"

#include <string.h>

static const struct {
    const char *name;
    enum grpc_code code;
} statuses[LARDER_STATUS_COUNT] = {
    [LARDER_OK] = {"OK", GRPC_OK},
    [LARDER_NOT_FOUND] = {"NOT_FOUND", GRPC_NOT_FOUND},
    [LARDER_INVALID] = {"INVALID", GRPC_INVALID_ARGUMENT},
    [LARDER_TOO_LARGE] = {"TOO_LARGE", GRPC_RESOURCE_EXHAUSTED},
    [LARDER_NO_ROOM] = {"NO_ROOM", GRPC_RESOURCE_EXHAUSTED},
    [LARDER_NO_MEMORY] = {"NO_MEMORY", GRPC_RESOURCE_EXHAUSTED},
    [LARDER_PRECONDITION] = {"PRECONDITION", GRPC_FAILED_PRECONDITION},
    [LARDER_DEADLINE] = {"DEADLINE", GRPC_DEADLINE_EXCEEDED},
    [LARDER_UNAVAILABLE] = {"UNAVAILABLE", GRPC_UNAVAILABLE},
    [LARDER_BUSY] = {"BUSY", GRPC_RESOURCE_EXHAUSTED},
    [LARDER_LOAD_FAILED] = {"LOAD_FAILED", GRPC_UNAVAILABLE}, /* what HTTP's 502 is to gRPC */
    [LARDER_NO_GROUP] = {"NO_GROUP", GRPC_NOT_FOUND},
    [LARDER_EXISTS] = {"EXISTS", GRPC_ALREADY_EXISTS},
    [LARDER_REFUSED] = {"REFUSED", GRPC_UNAVAILABLE},
    [LARDER_UNSUPPORTED] = {"UNSUPPORTED", GRPC_UNIMPLEMENTED},
    [LARDER_IO] = {"IO", GRPC_INTERNAL},
};

static const struct {
    const char *name;
    enum larder_status status;
} codes[GRPC_CODE_COUNT] = {
    [GRPC_OK] = {"OK", LARDER_OK},
    [GRPC_CANCELLED] = {"CANCELLED", LARDER_UNAVAILABLE},
    [GRPC_UNKNOWN] = {"UNKNOWN", LARDER_UNAVAILABLE},
    [GRPC_INVALID_ARGUMENT] = {"INVALID_ARGUMENT", LARDER_INVALID},
    [GRPC_DEADLINE_EXCEEDED] = {"DEADLINE_EXCEEDED", LARDER_DEADLINE},
    [GRPC_NOT_FOUND] = {"NOT_FOUND", LARDER_NOT_FOUND},
    [GRPC_ALREADY_EXISTS] = {"ALREADY_EXISTS", LARDER_EXISTS},
    [GRPC_PERMISSION_DENIED] = {"PERMISSION_DENIED", LARDER_REFUSED},
    [GRPC_RESOURCE_EXHAUSTED] = {"RESOURCE_EXHAUSTED", LARDER_BUSY},
    [GRPC_FAILED_PRECONDITION] = {"FAILED_PRECONDITION", LARDER_PRECONDITION},
    [GRPC_ABORTED] = {"ABORTED", LARDER_UNAVAILABLE},
    [GRPC_OUT_OF_RANGE] = {"OUT_OF_RANGE", LARDER_INVALID},
    [GRPC_UNIMPLEMENTED] = {"UNIMPLEMENTED", LARDER_UNSUPPORTED},
    [GRPC_INTERNAL] = {"INTERNAL", LARDER_IO},
    [GRPC_UNAVAILABLE] = {"UNAVAILABLE", LARDER_UNAVAILABLE},
    [GRPC_DATA_LOSS] = {"DATA_LOSS", LARDER_IO},
    [GRPC_UNAUTHENTICATED] = {"UNAUTHENTICATED", LARDER_REFUSED},
};

enum grpc_code grpc_code_of(enum larder_status status)
{
    return (unsigned)status < LARDER_STATUS_COUNT ? statuses[status].code : GRPC_UNKNOWN;
}

enum larder_status grpc_status_of(int code)
{
    return (unsigned)code < GRPC_CODE_COUNT ? codes[code].status : LARDER_UNAVAILABLE;
}

const char *grpc_code_name(int code)
{
    return codes[(unsigned)code < GRPC_CODE_COUNT ? code : GRPC_UNKNOWN].name;
}

const char *grpc_status_name(enum larder_status status)
{
    return (unsigned)status < LARDER_STATUS_COUNT ? statuses[status].name : "UNKNOWN";
}

enum larder_status grpc_status_named(const char *name, size_t size)
{
    for (int status = 0; status < LARDER_STATUS_COUNT; status++)
        if (strlen(statuses[status].name) == size && memcmp(statuses[status].name, name, size) == 0)
            return (enum larder_status)status;
    return LARDER_STATUS_COUNT;
}
