/* Copies of requests and replies with all the bytes they point at: what travels between nodes shares no memory. */
#ifndef SIM_PARCEL_H
#define SIM_PARCEL_H

#include "larder/plugin/request.h"

struct larder_request sim_request_copy(const struct larder_request *request);
void sim_request_free(struct larder_request *request); /* of a copy; zeroes it */

/* The copy owns its bytes through its release(), the message's too. */
struct larder_reply sim_reply_copy(const struct larder_reply *reply);

#endif
