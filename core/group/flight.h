/*
 * Flights: one piece of work for a key, however many wait for it.
 *
 * The first get that misses begins a flight; those that come while it is under way wait for it. The flight has a deadline
 * of its own, each waiter has its own too: one that gives up leaves the others and the work alone. A flight completes
 * once; a result that comes after its deadline is dropped.
 *
 * A write overtakes the flight of its key: later gets do not join it, and what it brings is not stored. Those who wait
 * for a load that a set overtakes get what was set.
 */
#ifndef LDR_GROUP_FLIGHT_H
#define LDR_GROUP_FLIGHT_H

#include "core/group/context.h"
#include "core/group/near_ask.h"

struct ldr_group;
struct ldr_waiter;

struct ldr_flight {
    /* Set before begin() is called, and fixed. */
    struct ldr_flights *flights;
    struct ldr_group *group;  /* a counted reference; a part of what the flight is found by */
    struct larder_slice name; /* the group's name as asked for; lies behind the struct, like the key */
    struct larder_slice key;
    uint64_t deadline;
    bool stand_in; /* this node answers in the place of an owner that cannot be reached */
    bool ahead;    /* the store has a value, of the version below: nobody waits, and it is to be loaded anew */
    struct larder_version replaces;

    /* For whoever does the work. */
    struct larder_version version; /* drawn before the origin is asked */
    uint64_t begun;                /* when the loader was called */
    uint64_t serial, epoch;        /* strict: of the list under which this node is the owner; else 0 */
    enum larder_source source;     /* of what may be stored when the work comes to look */
    unsigned tried;                /* which of the members that hold the key was asked last */
    unsigned sent;                 /* requests to peers, so far */
    struct ldr_peer *asked;        /* the last one, where there are others to be asked, too: a counted reference */
    struct larder_request request; /* the call to a peer */
    struct ldr_near_ask near;      /* whether its answer is kept */
    struct larder_load load;       /* the call of a loader module */
    struct larder_task task;       /* the call of a loader callback */

    /* The table's own, under the lock of the flight's shard. */
    struct ldr_flight *next;
    struct ldr_waiter *waiters;
    size_t waiting; /* of them */
    struct larder_timer timer;
    uint64_t hash;
    unsigned references;
    bool away;      /* it waits for a peer; see struct ldr_flight_ask */
    bool linked;    /* in the table */
    bool overtaken; /* a write of the key came after it began */
    bool completed;
};

/* The flights of one node. `seed` keys the table. NULL when out of memory. */
struct ldr_flights *ldr_flights_open(struct ldr_context *context, uint64_t seed);

/* No flight may be under way any more; see ldr_flights_abort(). NULL is fine. */
void ldr_flights_close(struct ldr_flights *flights);

/* Completes every flight with UNAVAILABLE. The work under way still holds its references. */
void ldr_flights_abort(struct ldr_flights *flights);

/* How many flights hold memory, their work under way included. */
size_t ldr_flights_pending(struct ldr_flights *flights);

/* What to wait for, and until when. */
struct ldr_flight_ask {
    struct ldr_group *group;
    struct larder_slice name, key;
    /*
     * A get of a peer joins no flight that itself waits for a peer (that one was begun with `away`): where two nodes see
     * the ring differently, each would wait for the other until the deadline.
     */
    bool of_peer, away;
    bool alone;               /* nobody joins it, it joins none, and what it brings is not stored */
    uint64_t since;           /* when the waiter asked */
    uint64_t deadline;        /* of the waiter */
    uint64_t flight_deadline; /* of a flight that this begins */
    size_t most;              /* who would join as many is answered BUSY; 0: no limit */
    larder_reply_fn done;     /* called exactly once, by `deadline`; NULL: nobody waits */
    void (*again)(void *arg); /* in its place, when what came is not for this waiter; NULL: all is */
    void *arg;
    /*
     * Begins the work of a new flight, on the calling thread and without a lock. It must lead to exactly one
     * ldr_flight_finish(), inline or later.
     */
    void (*begin)(struct ldr_flight *flight, void *arg);
    void *begin_arg;
};

/* Joins the flight of the key, or begins one. True: it joined, or there was one and nobody wants to wait. */
bool ldr_flight_ask(struct ldr_flights *flights, const struct ldr_flight_ask *ask);

/*
 * The work is done, or not needed any more: every waiter gets the reply (values are shared, not copied). Takes the reply
 * and the work's reference to the flight.
 */
void ldr_flight_finish(struct ldr_flight *flight, struct larder_reply *reply);

/* The same for those who asked by a time; the others are to ask again. */
void ldr_flight_finish_until(struct ldr_flight *flight, struct larder_reply *reply, uint64_t until);

/* Whether the flight has not been completed yet, nor all aborted: what would only be dropped need not be begun. */
bool ldr_flight_wanted(struct ldr_flight *flight);

/* As if a write had overtaken it. */
void ldr_flight_overtake(struct ldr_flight *flight);

/*
 * Runs store(flight, arg) under the lock that keeps writes of the key out, unless a write has overtaken the flight or its
 * deadline has passed. For storing what was loaded.
 */
void ldr_flight_store(struct ldr_flight *flight, void (*store)(struct ldr_flight *flight, void *arg), void *arg);

/*
 * Runs a write of a key under that same lock. When it returns LARDER_OK or LARDER_NOT_FOUND, the flight of the key, if
 * any, is overtaken.
 */
enum larder_status ldr_flights_write(struct ldr_flights *flights, const struct ldr_group *group,
                                     struct larder_slice name, struct larder_slice key,
                                     enum larder_status (*write)(void *arg), void *arg);

/*
 * A flight of the key that a write has overtaken and that is not completed, with a reference that ldr_flight_finish()
 * takes: for answering those who wait with what was written. NULL: none. Flights that wait for a peer are left alone.
 */
struct ldr_flight *ldr_flights_overtaken(struct ldr_flights *flights, const struct ldr_group *group,
                                         struct larder_slice name, struct larder_slice key);

/* Overtakes the flights of a key: it was written elsewhere. */
void ldr_flights_overtake_key(struct ldr_flights *flights, const struct ldr_group *group, struct larder_slice name,
                              struct larder_slice key);

/* Overtakes every flight of the group that is under way. Before its entries are cleared. */
void ldr_flights_overtake(struct ldr_flights *flights, const struct ldr_group *group);

#endif
