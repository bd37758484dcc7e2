/*
 * Reclamation for readers that take no lock: what was unlinked is freed once every thread that might still read it has
 * left its section.
 *
 *     writer: publish the new object (release), then ldr_epoch_retire(old)
 *     reader: ldr_epoch_enter(d); load (acquire); read; ldr_epoch_exit(d);
 *
 * Sections may nest, must not block, and pin nothing beyond their end. There are two domains, so that a thread that waits
 * for one (a store that needs memory back) may be inside a section of the other (the request it works on). The records of
 * threads are the one process-wide state of the core.
 *
 * Entering writes only the thread's own line and costs no barrier: a thread announces the epoch it has seen, as in
 * quiescent-state-based reclamation (P. McKenney and J. Slingwine, 1998; T. Hart and others, IPDPS 2006), whenever it
 * enters a section and the epoch has moved. A thread that has stopped entering sections would hold the epoch back for
 * ever: such a one is parked by whoever needs the epoch to move, with membarrier(2) in place of the barrier that it left
 * out, and announces itself with a barrier of its own when it comes back. Where the system has no membarrier, every
 * section begins with a barrier. Why that is enough is told in epoch.c.
 */
#ifndef LDR_BASE_EPOCH_H
#define LDR_BASE_EPOCH_H

#include <stdalign.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum ldr_epoch_domain {
    LDR_EPOCH_NODE,  /* groups, views, plugins */
    LDR_EPOCH_STORE, /* what readers of a store see; not in use while the store takes a lock */
    LDR_EPOCH_DOMAINS
};

/* Any thread at any time, also from destructors of thread-specific data. Not in signal handlers. */
static inline void ldr_epoch_enter(enum ldr_epoch_domain domain);
static inline void ldr_epoch_exit(enum ldr_epoch_domain domain);

/*
 * A number that no other living thread has, 1 to LDR_EPOCH_LANES - 1, from a thread's first section until it ends; what its
 * predecessor with this number did comes before what it does. 0: the thread has none, as it was in no section yet or as
 * there are more threads. For counting without contention; see lanes.h.
 */
#define LDR_EPOCH_LANES 32
static inline uint32_t ldr_epoch_lane(void);

/* ---- objects, freed by a callback (LDR_EPOCH_NODE) */

/* Lies inside the object to be freed. */
struct ldr_retired {
    struct ldr_retired *next;
    uint64_t epoch;
    void (*free)(struct ldr_retired *retired);
};

/*
 * Hands the object over: free() is called, by this or a later call of any thread, when no reader can see it. For what
 * changes seldom: it takes a lock, and may take a system call.
 */
void ldr_epoch_retire(struct ldr_retired *retired, void (*free)(struct ldr_retired *retired));

/*
 * Waits until everything retired so far is freed. For closing a node and for tests; not inside a section or a free(). It
 * blocks as long as other threads stay inside theirs.
 */
void ldr_epoch_barrier(void);

/* ---- for owners that keep what they retire in lists of their own (LDR_EPOCH_STORE) */

/*
 * The tag of what this thread has unlinked so far, or under a lock that it holds. At least 1; never falls from one holder
 * of a lock to the next. Costs a full barrier, so that one for several is better.
 */
uint64_t ldr_epoch_tag(enum ldr_epoch_domain domain);

/* Whether nobody can still read what was unlinked before a tag was asked for. One load. */
static inline bool ldr_epoch_passed(enum ldr_epoch_domain domain, uint64_t tag);

/*
 * Tries to move the epoch on; two moves after it was asked for, a tag has passed. True when it moved; false, too, when
 * another thread is trying just now. With `force`, threads outside any section that have not announced themselves are
 * parked, which may take a system call; without it they hold the epoch back (the caller does not). Inside a section of
 * this domain it moves at most once, so that one must not wait for a tag there. Looks at every thread; never blocks.
 */
bool ldr_epoch_advance(enum ldr_epoch_domain domain, bool force);

/* ---- private, here for the inline functions */

/* What a thread shows of itself in one domain. */
struct ldr_epoch_mark {
    _Atomic uint64_t seen;   /* the epoch announced; 0: none, parked. Written by the thread and by those who park it */
    _Atomic uint32_t inside; /* open sections, the inner ones too; written by the thread only */
};

/* One a thread, in the thread's own storage, so that entering needs no memory. */
struct ldr_epoch_thread {
    alignas(64) struct ldr_epoch_mark marks[LDR_EPOCH_DOMAINS];
    struct ldr_epoch_thread *next, **link; /* guarded by the lock in epoch.c */
    _Atomic uint32_t barrier;              /* the thread's own, like what follows */
    uint32_t lane;
    bool listed, ended;
};

/* Written by whoever moves the epoch, read by all: nothing else is in its line. */
struct ldr_epoch_clock {
    alignas(64) _Atomic uint64_t now;
};

/* Part of `inside` when the thread is not in the list; see epoch.c. */
#define LDR_EPOCH_GUEST (UINT32_C(1) << 31)

extern struct ldr_epoch_clock ldr_epoch_clocks[LDR_EPOCH_DOMAINS] __attribute__((visibility("hidden")));
extern _Thread_local struct ldr_epoch_thread ldr_epoch_self
    __attribute__((visibility("hidden"), tls_model("initial-exec")));

void ldr_epoch_announce(enum ldr_epoch_domain domain) __attribute__((cold));
void ldr_epoch_leave_guest(enum ldr_epoch_domain domain) __attribute__((cold));

static inline void ldr_epoch_enter(enum ldr_epoch_domain domain)
{
    struct ldr_epoch_mark *mark = &ldr_epoch_self.marks[domain];
    uint32_t inside = atomic_load_explicit(&mark->inside, memory_order_relaxed);
    atomic_store_explicit(&mark->inside, inside + 1, memory_order_relaxed);
    if (inside != 0)
        return;
    atomic_signal_fence(memory_order_seq_cst); /* the compiler must keep the order, too, in which membarrier finds us */
    uint64_t now = atomic_load_explicit(&ldr_epoch_clocks[domain].now, memory_order_acquire);
    if (now != atomic_load_explicit(&mark->seen, memory_order_relaxed))
        ldr_epoch_announce(domain);
}

/* Release: all that was read in the section comes before the free() of whoever sees that it has ended. */
static inline void ldr_epoch_exit(enum ldr_epoch_domain domain)
{
    struct ldr_epoch_mark *mark = &ldr_epoch_self.marks[domain];
    uint32_t inside = atomic_load_explicit(&mark->inside, memory_order_relaxed) - 1;
    if (inside == LDR_EPOCH_GUEST)
        ldr_epoch_leave_guest(domain);
    else
        atomic_store_explicit(&mark->inside, inside, memory_order_release);
}

static inline uint32_t ldr_epoch_lane(void)
{
    return ldr_epoch_self.lane;
}

/* Acquire: the sections that had to end come before what the caller does with their objects. */
static inline bool ldr_epoch_passed(enum ldr_epoch_domain domain, uint64_t tag)
{
    return atomic_load_explicit(&ldr_epoch_clocks[domain].now, memory_order_acquire) >= tag + 2;
}

#endif
