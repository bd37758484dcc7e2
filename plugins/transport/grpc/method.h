/* What can be called, and how each is done: from a message to the node's request, and from its reply to a message. */
#ifndef TRANSPORT_GRPC_METHOD_H
#define TRANSPORT_GRPC_METHOD_H

#include "call.h"
#include "message.h"

struct grpc_method {
    const char *path; /* "/larder.v1.Cache/Get" */
    /*
     * NULL, or: it takes a stream of requests, each of which becomes a call that the stream's own carries, and answers each when it
     * can. `message`, which is inflated, is the carrier's reader's, or `owned`. Instead of decode().
     */
    void (*take)(struct grpc_call *carrier, struct larder_slice message);
    /* Fills the request from the message, whose bytes live as long as the call; or refuses the call. */
    void (*decode)(struct grpc_call *call, struct larder_slice message);
    /*
     * Makes `head` and `value` from the reply, which is OK unless `tells_status` is set, in memory of the call's arena. False: no memory. May
     * refuse the call instead.
     */
    bool (*encode)(struct grpc_call *call);
    bool tells_status; /* the answer's message says what became of it: the call itself is OK */
    bool from_peer;    /* takes messages of any size that a value may have */
    bool many;         /* takes more memory than its message */
    bool streaming;    /* answers with a stream of messages */
};

/* NULL: there is none. */
const struct grpc_method *grpc_method_find(struct larder_slice path);

/* Unpacks the message into the call's arena; or refuses the call and returns NULL. See grpc_message_unpack(). */
const ProtobufCMessage *grpc_unpack(struct grpc_call *call, const ProtobufCMessageDescriptor *type,
                                    struct larder_slice message, uint32_t value_field, struct larder_slice *value);

/* Packs the call's answer; see grpc_message_pack(). */
bool grpc_pack(struct grpc_call *call, const ProtobufCMessage *message, uint32_t value_field,
               struct larder_slice value);

/* The name of a client's group: "default" when it is empty. */
struct larder_slice grpc_group(ProtobufCBinaryData name);

/* The methods; each pair in the file of its service. */
#define GRPC_METHOD(name)                                                                                              \
    void grpc_decode_##name(struct grpc_call *call, struct larder_slice message);                                      \
    bool grpc_encode_##name(struct grpc_call *call)
GRPC_METHOD(get); /* cache.c */
GRPC_METHOD(set);
GRPC_METHOD(delete);
GRPC_METHOD(touch);
GRPC_METHOD(batch_get); /* batch.c */
GRPC_METHOD(batch_set);
GRPC_METHOD(group_stats); /* documents.c */
GRPC_METHOD(ring);
GRPC_METHOD(check); /* health.c */
GRPC_METHOD(watch);
#undef GRPC_METHOD
void grpc_take_call(struct grpc_call *carrier, struct larder_slice message); /* peer.c */
bool grpc_encode_call(struct grpc_call *call);

#endif
