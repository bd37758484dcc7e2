/* gRPC's codes, and what Larder's statuses are among them. */
#ifndef TRANSPORT_GRPC_STATUS_H
#define TRANSPORT_GRPC_STATUS_H

#include <stddef.h>

#include "larder/status.h"

/* The numbers of grpc-status on the wire. */
enum grpc_code {
    GRPC_OK = 0,
    GRPC_CANCELLED = 1,
    GRPC_UNKNOWN = 2,
    GRPC_INVALID_ARGUMENT = 3,
    GRPC_DEADLINE_EXCEEDED = 4,
    GRPC_NOT_FOUND = 5,
    GRPC_ALREADY_EXISTS = 6,
    GRPC_PERMISSION_DENIED = 7,
    GRPC_RESOURCE_EXHAUSTED = 8,
    GRPC_FAILED_PRECONDITION = 9,
    GRPC_ABORTED = 10,
    GRPC_OUT_OF_RANGE = 11,
    GRPC_UNIMPLEMENTED = 12,
    GRPC_INTERNAL = 13,
    GRPC_UNAVAILABLE = 14,
    GRPC_DATA_LOSS = 15,
    GRPC_UNAUTHENTICATED = 16,
    GRPC_CODE_COUNT = 17
};

/* GRPC_UNKNOWN for a number that is no status. */
enum grpc_code grpc_code_of(enum larder_status status);

/*
 * The status that comes nearest to a code in the answer to a call; for numbers that are no code, and for codes that
 * say nothing of the reason, LARDER_UNAVAILABLE.
 */
enum larder_status grpc_status_of(int code);

/* "NOT_FOUND"; the text is static. "UNKNOWN" for numbers that are no code. */
const char *grpc_code_name(int code);

/*
 * The symbolic name of a status, "NO_GROUP", which travels as the trailer "larder-status" and tells apart what has one
 * code; and back. The text is static. "UNKNOWN" for a number that is no status; LARDER_STATUS_COUNT for a name that is
 * none.
 */
const char *grpc_status_name(enum larder_status status);
enum larder_status grpc_status_named(const char *name, size_t size);

#endif
