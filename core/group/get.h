/* A flight of a get to a peer, as the files see it that call the peer and that answer in its place. */
#ifndef LDR_GROUP_GET_H
#define LDR_GROUP_GET_H

#include <stdint.h>

struct ldr_flight;
struct ldr_peer;

/* Who is asked, and how long the answer is to be kept, in ms; 0: not at all. */
struct ldr_get_target {
    struct ldr_peer *peer;
    int64_t near_ms;
};

/*
 * Begins the work of a flight: asks the peer of `arg`, a struct ldr_get_target, and takes the reference to it. When it cannot
 * be reached or says nothing, the others that hold the key are asked, and at last this node answers, if it has a store.
 */
void ldr_get_call(struct ldr_flight *flight, void *arg);

/*
 * The owner cannot be reached: this node answers in its place; for a short time, unless it holds the key. Finishes the flight,
 * now or later.
 */
void ldr_get_stand_in(struct ldr_flight *flight);

#endif
