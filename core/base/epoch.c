/*
 * Why nothing is freed that somebody can read. "Announced s" means: wrote s to its mark, after it had loaded s from the
 * clock; then a full barrier; then found s in the clock once more.
 *
 * 1. A thread reads in a section only what it finds after having announced the s that its section began with: either it
 *    does so at the beginning, or its mark and the clock said s already.
 * 2. While a section that began with s is open, the clock does not go beyond s + 1. Whoever moves it from s + 1 has a
 *    full barrier between learning s + 1 and looking at the marks. The thread's second look found s, hence its barrier
 *    came first, hence s is seen in its mark. Being behind, the thread is asked whether it is outside (3); it is not.
 * 3. Whether a thread that is behind is outside is asked after membarrier(2), which puts a barrier somewhere into what
 *    the thread is doing. If its entering lies before that, `inside` is seen. If it lies after, then so does its load
 *    of the clock, which differs from its mark, so that it will announce itself: its section begins with a later epoch,
 *    to which (2) applies anew. A thread found outside may therefore be counted as not there (parked) until it
 *    announces itself. Without membarrier the thread always takes the way of announcing, the barrier of which does the
 *    same.
 * 4. A tag r is loaded after a full barrier that follows the unlinking. A section that began with s > r has a barrier
 *    after its load of s, which comes after that of r, and so sees the object unlinked. One with s <= r may see it, and
 *    keeps the clock below r + 2 by (2). At r + 2 the object can be freed. Nothing is asked of the thread that unlinks:
 *    it may be in a section, parked, or unknown here.
 *
 * What ThreadSanitizer and the standard call "happens before" needs no barrier: whoever moves the clock acquires each
 * mark, or `inside` being 0, from the thread that released it after its last read, and releases the clock; those who
 * move it follow one another under the lock; passed() acquires the clock.
 */
#include "core/base/epoch.h"

#include <pthread.h>
#include <stddef.h>
#ifdef __linux__
#include <linux/membarrier.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

#define PARKED UINT64_C(0)
/* Part of every mark where there is no membarrier, so that no mark ever equals the clock. */
#define ALWAYS_ANNOUNCE (UINT64_C(1) << 63)

struct ldr_epoch_clock ldr_epoch_clocks[LDR_EPOCH_DOMAINS] = {{.now = 1}, {.now = 1}};
_Thread_local struct ldr_epoch_thread ldr_epoch_self __attribute__((tls_model("initial-exec")));

/* The process-wide state of reclamation, together with the clocks and the list of retired objects. */
static struct {
    /* Sections of threads that could not be listed: none may be open when the clock moves. */
    _Atomic uint64_t guests[LDR_EPOCH_DOMAINS];
    pthread_mutex_t lock;
    struct ldr_epoch_thread *threads; /* guarded by the lock: from a thread's first section until it ends */
    uint32_t lanes;                   /* guarded by the lock: a bit for each that a thread has; 0 is nobody's */
    pthread_once_t once;              /* guards what follows */
    pthread_key_t key;
    bool have_key;
    uint64_t mark_bits; /* 0 or ALWAYS_ANNOUNCE */
} state = {.lock = PTHREAD_MUTEX_INITIALIZER, .lanes = 1, .once = PTHREAD_ONCE_INIT};

/*
 * All loads and stores of this thread before it come before all after it. On x86 every exchange does that, for less than
 * a fence; and ThreadSanitizer knows no fences.
 */
static inline void full_barrier(void)
{
#if defined(__x86_64__) || defined(__i386__)
    atomic_exchange_explicit(&ldr_epoch_self.barrier, 0, memory_order_seq_cst);
#else
    atomic_thread_fence(memory_order_seq_cst);
#endif
}

/* ---- membarrier */

static bool register_membarrier(void)
{
#ifdef __linux__
    return syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0) == 0;
#else
    return false;
#endif
}

/* A full barrier in every thread of the process. Registered anew for a child that a fork has left without. */
static bool barrier_in_all(void)
{
#ifdef __linux__
    return syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0) == 0 ||
           (register_membarrier() && syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0) == 0);
#else
    return false;
#endif
}

/* ---- the list of threads */

/* The thread ends. Its mark must not let it enter unseen, should a later destructor do so. */
static void forget(void *arg)
{
    struct ldr_epoch_thread *thread = arg;
    pthread_mutex_lock(&state.lock);
    *thread->link = thread->next;
    if (thread->next != NULL)
        thread->next->link = thread->link;
    if (thread->lane != 0)
        state.lanes &= ~(UINT32_C(1) << thread->lane);
    pthread_mutex_unlock(&state.lock);
    thread->lane = 0;
    for (int domain = 0; domain < LDR_EPOCH_DOMAINS; domain++)
        atomic_store_explicit(&thread->marks[domain].seen, PARKED, memory_order_relaxed);
    thread->listed = false;
    thread->ended = true;
}

static void set_up(void)
{
    state.have_key = pthread_key_create(&state.key, forget) == 0;
    state.mark_bits = register_membarrier() ? 0 : ALWAYS_ANNOUNCE;
}

_Static_assert(LDR_EPOCH_LANES == 32, "each has a bit");

/* With the lock held: so what the last thread of this lane did is seen. */
static void take_lane(struct ldr_epoch_thread *thread)
{
    if (state.lanes == UINT32_MAX)
        return;
    thread->lane = (uint32_t)__builtin_ctz(~state.lanes);
    state.lanes |= UINT32_C(1) << thread->lane;
}

/* False: nobody would take the thread off the list again: it is ending, or there is no key or no memory for its value. */
static bool enlist(struct ldr_epoch_thread *thread)
{
    if (thread->ended || pthread_once(&state.once, set_up) != 0 || !state.have_key ||
        pthread_setspecific(state.key, thread) != 0)
        return false;
    pthread_mutex_lock(&state.lock);
    thread->next = state.threads;
    thread->link = &state.threads;
    if (state.threads != NULL)
        state.threads->link = &thread->next;
    state.threads = thread;
    take_lane(thread);
    pthread_mutex_unlock(&state.lock);
    thread->listed = true;
    return true;
}

/*
 * Threads that are not listed count their sections in one place. Either whoever moves the clock sees the count, or this
 * barrier comes after the one of that move, in which case all that was unlinked before that is seen to be.
 */
static void enter_guest(enum ldr_epoch_domain domain)
{
    atomic_store_explicit(&ldr_epoch_self.marks[domain].inside, LDR_EPOCH_GUEST + 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&state.guests[domain], 1, memory_order_relaxed);
    full_barrier();
}

void ldr_epoch_leave_guest(enum ldr_epoch_domain domain)
{
    atomic_store_explicit(&ldr_epoch_self.marks[domain].inside, 0, memory_order_relaxed);
    atomic_fetch_sub_explicit(&state.guests[domain], 1, memory_order_release);
}

/* The rest of entering when the clock is not what the mark says. After a round or two the clock moves once at most. */
void ldr_epoch_announce(enum ldr_epoch_domain domain)
{
    struct ldr_epoch_thread *self = &ldr_epoch_self;
    if (!self->listed && !enlist(self)) {
        enter_guest(domain);
        return;
    }
    uint64_t now = atomic_load_explicit(&ldr_epoch_clocks[domain].now, memory_order_acquire), announced;
    do {
        announced = now;
        atomic_store_explicit(&self->marks[domain].seen, now | state.mark_bits, memory_order_release);
        full_barrier();
        now = atomic_load_explicit(&ldr_epoch_clocks[domain].now, memory_order_acquire);
    } while (now != announced);
}

/* ---- moving the clock; with the lock held */

static bool behind(uint64_t seen, uint64_t now)
{
    return seen != PARKED && (seen & ~ALWAYS_ANNOUNCE) != now;
}

/* The caller knows without a barrier that it is outside. */
static void park_self(enum ldr_epoch_domain domain, uint64_t now)
{
    struct ldr_epoch_mark *mark = &ldr_epoch_self.marks[domain];
    if (atomic_load_explicit(&mark->inside, memory_order_relaxed) == 0 &&
        behind(atomic_load_explicit(&mark->seen, memory_order_relaxed), now))
        atomic_store_explicit(&mark->seen, PARKED, memory_order_release);
}

enum standing {
    UP_TO_DATE,
    IDLE,  /* some are behind and seem to be outside */
    INSIDE /* one is behind and inside: no use in parking others */
};

static enum standing survey(enum ldr_epoch_domain domain, uint64_t now)
{
    enum standing standing = UP_TO_DATE;
    for (struct ldr_epoch_thread *thread = state.threads; thread != NULL; thread = thread->next) {
        struct ldr_epoch_mark *mark = &thread->marks[domain];
        if (!behind(atomic_load_explicit(&mark->seen, memory_order_acquire), now))
            continue;
        if (atomic_load_explicit(&mark->inside, memory_order_relaxed) != 0)
            return INSIDE;
        standing = IDLE;
    }
    return standing;
}

/*
 * Parks those who are behind and outside; false when one is inside. A thread that announces itself meanwhile wins: the
 * exchange fails, and what counts is what it has written. It may write, late, the very epoch that it was seen with, and
 * be parked in spite of being inside: its second look at the clock, which has moved since, makes it announce itself anew.
 */
static bool park(enum ldr_epoch_domain domain, uint64_t now)
{
    if (state.mark_bits != ALWAYS_ANNOUNCE && !barrier_in_all())
        return false;
    for (struct ldr_epoch_thread *thread = state.threads; thread != NULL; thread = thread->next) {
        struct ldr_epoch_mark *mark = &thread->marks[domain];
        uint64_t seen = atomic_load_explicit(&mark->seen, memory_order_acquire);
        if (!behind(seen, now))
            continue;
        if (atomic_load_explicit(&mark->inside, memory_order_acquire) != 0)
            return false;
        if (!atomic_compare_exchange_strong_explicit(&mark->seen, &seen, PARKED, memory_order_acq_rel,
                                                     memory_order_acquire) &&
            behind(seen, now))
            return false;
    }
    return true;
}

bool ldr_epoch_advance(enum ldr_epoch_domain domain, bool force)
{
    if (pthread_mutex_trylock(&state.lock) != 0)
        return false;
    _Atomic uint64_t *clock = &ldr_epoch_clocks[domain].now;
    uint64_t now = atomic_load_explicit(clock, memory_order_relaxed); /* written under the lock only */
    park_self(domain, now);
    full_barrier();
    bool clear = atomic_load_explicit(&state.guests[domain], memory_order_acquire) == 0;
    if (clear) {
        enum standing standing = survey(domain, now);
        clear = standing == UP_TO_DATE || (standing == IDLE && force && park(domain, now));
    }
    if (clear)
        atomic_store_explicit(clock, now + 1, memory_order_release);
    pthread_mutex_unlock(&state.lock);
    return clear;
}

uint64_t ldr_epoch_tag(enum ldr_epoch_domain domain)
{
    full_barrier();
    return atomic_load_explicit(&ldr_epoch_clocks[domain].now, memory_order_relaxed);
}
