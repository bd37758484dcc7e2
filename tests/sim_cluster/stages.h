/* The parts of a run. Private to the scenario. */
#ifndef SIM_STAGES_H
#define SIM_STAGES_H

#include "world.h"

#define SIM_CALM_MS 2500 /* what a request may take in a calm time */

struct scenario {
    struct sim_world *world;
    uint64_t down_since[SIM_NODES];
    uint64_t stopped_until[SIM_NODES];
    uint64_t away_until;             /* the registry */
    bool writing;                    /* clients write, too, while members come and leave */
    uint64_t heard_at[SIM_NODES];    /* when a node last knew the latest list that any knows */
    unsigned next_key;               /* the next key that nobody has asked for yet */
    uint64_t settling_ns, settlings; /* how long it took until all was in order after faults, and how often */
    uint64_t slowest_ns;
    uint64_t moved, had_to_move; /* copies of entries, when members came and left */
    uint64_t writes, writes_ns;  /* with write_acks: all, and how long they took, while all started anew in turn */
};

/*
 * One request with nothing else under way, which may take `most_calls` requests between nodes, all that goes on after its
 * answer included.
 */
struct sim_request *sim_alone(struct scenario *scenario, enum larder_operation operation, unsigned key,
                              unsigned most_calls);

/* Tells the checker if all members of the registry's list have what they are to hold. */
void sim_look_for_order(struct sim_world *world);

/* Until everything is in order; false: it is not in time, or something is broken. */
bool sim_await_order(struct scenario *scenario);

/* Ends all faults and starts all nodes that belong, and waits for order. */
bool sim_settle_down(struct scenario *scenario);

/* A calm time after faults: everything must work. */
void sim_calm(struct scenario *scenario);

/* What an answered request must have got in a calm time. */
bool sim_expect(const struct sim_request *request, enum larder_status status);
void sim_expect_value(const struct sim_request *request, const struct sim_value *wanted);

/* A hot key, kept near where it is not owned; in a calm time. */
void sim_near(struct scenario *scenario);

/* Members come and leave, or start anew in turn, while nothing fails: nothing is missed, no more is moved than has to be. */
void sim_elastic(struct scenario *scenario);

/* The last one who was caught up is told to leave: it stays until another one is. Strict. */
void sim_parting(struct scenario *scenario);

/* A member writes on while the others act under a list without it. Strict. */
void sim_lapsed(struct scenario *scenario);

/* Copies arrive when newer ones are past their time; in a calm time. Strict. */
void sim_late(struct scenario *scenario);

/* What was deleted stays so, as long as who has it still cannot be told; in a calm time. Strict. */
void sim_apart(struct scenario *scenario);

/* Faults of every kind, by chance; the promises that hold all the same are checked by the modules and the checker. */
void sim_storm(struct scenario *scenario);

/* One thing goes wrong, or is well again; see faults.c. */
void sim_some_fault(struct scenario *scenario);
/* What the network and the origin do to messages and loads, drawn anew. */
void sim_some_weather(struct scenario *scenario);
/* What has to happen by itself after a while: stopped machines go on, dead members leave the list. */
void sim_pass_time(struct scenario *scenario);
void sim_end_faults(struct scenario *scenario);

/* What a client may ask while anything may fail; see workload.c. */
enum larder_operation sim_some_operation(struct sim_world *world);
void sim_ask_something(struct sim_world *world);
/* One node is asked for one key so often that it keeps a near copy of it. */
void sim_ask_hot(struct sim_world *world);
/* Asks for every key that is written, at every node. */
void sim_read_all(struct sim_world *world, uint64_t timeout_ms);

#endif
