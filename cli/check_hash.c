/* Checks of a hash module. */
#include <inttypes.h>
#include <pthread.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "check_board.h"
#include "check_list.h"
#include "check_memory.h"
#include "check_random.h"

#define LONGEST 600 /* bytes: longer than any block a hash works in, so that each of its ways is gone */
#define THREADS 4

static uint64_t digest(const struct check_subject *subject, const void *data, size_t length, uint64_t seed)
{
    struct check_lane *lane = check_lane();
    check_enter(lane, CHECK_DIGEST, 0, length, 0);
    uint64_t result = subject->hash->digest(data, length, seed);
    check_leave(lane);
    return result;
}

static void fill(unsigned char *bytes, size_t size, uint64_t seed)
{
    for (size_t i = 0; i < size; i++)
        bytes[i] = (unsigned char)check_random(&seed);
}

void check_hash_same(const struct check_subject *subject)
{
    unsigned char bytes[LONGEST], copy[LONGEST];
    unsigned other = 0;
    fill(bytes, sizeof bytes, subject->seed);
    memcpy(copy, bytes, sizeof copy);
    for (size_t length = 0; length <= LONGEST; length++) {
        uint64_t first = digest(subject, bytes, length, subject->seed);
        other += digest(subject, bytes, length, subject->seed + 1) != first;
        uint64_t second = digest(subject, copy, length, subject->seed);
        if (second != first)
            check_fail("digest() of the same %zu bytes and seed came back with %#" PRIx64 ", and then with %#" PRIx64
                       ", wanted the same",
                       length, first, second);
    }
    if (memcmp(bytes, copy, sizeof copy) != 0)
        check_fail("digest() wrote into the data, wanted it only read");
    if (other < LONGEST / 2)
        check_fail("digest() came back with the same for another seed, %u times of %d, wanted another digest",
                   LONGEST + 1 - other, LONGEST + 1);
}

void check_hash_empty(const struct check_subject *subject)
{
    void *nothing = mmap(NULL, (size_t)sysconf(_SC_PAGESIZE), PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    uint64_t without = digest(subject, NULL, 0, subject->seed);
    uint64_t with = digest(subject, nothing, 0, subject->seed);
    if (without != with)
        check_fail("digest() of length 0 came back with %#" PRIx64 " without data, and with %#" PRIx64
                   " with a pointer to some, wanted the same",
                   without, with);
}

/* The data end where the page does, and the next page is none. */
void check_hash_unaligned(const struct check_subject *subject)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    unsigned char bytes[LONGEST];
    char *pages = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (pages == MAP_FAILED || mprotect(pages + page, page, PROT_NONE) != 0)
        check_fail("the check itself is out of memory");
    fill(bytes, sizeof bytes, subject->seed);
    for (size_t length = 1; length <= LONGEST; length++) {
        uint64_t wanted = digest(subject, bytes, length, subject->seed);
        for (size_t before_end = 0; before_end < 16; before_end++) {
            char *place = pages + page - before_end - length;
            memcpy(place, bytes, length);
            uint64_t got = digest(subject, place, length, subject->seed);
            if (got != wanted)
                check_fail("digest() of the same %zu bytes came back with %#" PRIx64 ", and with %#" PRIx64
                           " at an address that ends in %#x, wanted the same",
                           length, wanted, got, (unsigned)((uintptr_t)place & 15));
        }
    }
}

void check_hash_differs(const struct check_subject *subject)
{
    unsigned char bytes[64];
    fill(bytes, sizeof bytes, subject->seed);
    for (size_t length = 1; length <= sizeof bytes; length++) {
        uint64_t before = digest(subject, bytes, length, subject->seed);
        for (size_t i = 0; i < length; i++) {
            bytes[i] ^= 1;
            if (digest(subject, bytes, length, subject->seed) == before)
                check_fail("digest() of %zu bytes came back with %#" PRIx64
                           ", and with the same after byte %zu had changed, wanted another",
                           length, before, i);
            bytes[i] ^= 1;
        }
    }
}

/* ------------------------------------------------------------------------------------------------ threads, memory */

struct worker {
    pthread_t thread;
    const struct check_subject *subject;
    unsigned lane;
    uint64_t sum;
};

static void *work(void *arg)
{
    struct worker *worker = arg;
    unsigned char bytes[LONGEST];
    check_lane_use(worker->lane);
    fill(bytes, sizeof bytes, worker->subject->seed);
    for (unsigned round = 0; round < 500; round++)
        for (size_t length = 0; length < LONGEST; length += 7)
            worker->sum = check_mix(worker->sum + digest(worker->subject, bytes, length, round));
    return NULL;
}

void check_hash_threads(const struct check_subject *subject)
{
    struct worker alone = {.subject = subject}, workers[THREADS];
    work(&alone);
    for (unsigned i = 0; i < THREADS; i++) {
        workers[i] = (struct worker){.subject = subject, .lane = i};
        if (pthread_create(&workers[i].thread, NULL, work, &workers[i]) != 0)
            check_fail("the check itself cannot start a thread");
    }
    for (unsigned i = 0; i < THREADS; i++)
        pthread_join(workers[i].thread, NULL);
    for (unsigned i = 0; i < THREADS; i++)
        if (workers[i].sum != alone.sum)
            check_fail("digest() came back with other digests on %d threads at the same time than on one, wanted the "
                       "same",
                       THREADS);
}

void check_hash_memory(const struct check_subject *subject)
{
    struct worker alone = {.subject = subject};
    work(&alone);
    if (check_memory_now().calls > 0)
        check_fail("digest() allocated %" PRIu64 " times, wanted never: it cannot fail", check_memory_now().calls);
}
