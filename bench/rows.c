#include "bench/rows.h"

#define OURS  (1u << CONTENDER_OURS)
#define PEERS (1u << CONTENDER_PEER)
#define FLOOR (1u << CONTENDER_FLOOR | 1u << CONTENDER_NONE)
#define REAL  (OURS | PEERS)
#define ALL   (OURS | PEERS | FLOOR)

#define GETS(threads_)                                                                                                 \
    {                                                                                                                  \
        .threads = (threads_), .batch = 1, .get_percent = 100                                                          \
    }
#define MIX(threads_, gets)                                                                                            \
    {                                                                                                                  \
        .threads = (threads_), .batch = 1, .get_percent = (gets)                                                       \
    }
#define BATCH(threads_, count)                                                                                         \
    {                                                                                                                  \
        .threads = (threads_), .batch = (count), .get_percent = 100                                                    \
    }
#define HOT(threads_, writer_)                                                                                         \
    {                                                                                                                  \
        .threads = (threads_), .batch = 1, .get_percent = 100, .hot = true, .writer = (writer_)                        \
    }
#define TIMED(threads_, gets)                                                                                          \
    {                                                                                                                  \
        .threads = (threads_), .batch = 1, .get_percent = (gets), .timed = true                                        \
    }

/*
 * Gets and sets are not measured on the same caches: what writes leave behind (RocksDB's HyperClockCache keeps entries
 * that were erased while they were read, and passes them by in every later lookup) is not to be seen in the others' rows.
 */
static const struct row rows_a[] = {
    {"a-get-1", "100 B, all fits, gets alone, 1 thread", ALL, GETS(1)},
    {"a-get-2", "100 B, all fits, gets alone, 2 threads", ALL, GETS(2)},
    {"a-get-4", "100 B, all fits, gets alone, 4 threads", ALL, GETS(4)},
    {"a-batch8-1", "100 B, all fits, gets in batches of 8, 1 thread", ALL, BATCH(1, 8)},
    {"a-batch8-2", "100 B, all fits, gets in batches of 8, 2 threads", ALL, BATCH(2, 8)},
    {"a-batch16-1", "100 B, all fits, gets in batches of 16, 1 thread", ALL, BATCH(1, 16)},
    {"a-batch16-2", "100 B, all fits, gets in batches of 16, 2 threads", ALL, BATCH(2, 16)},
    {"hot-1", "100 B, all gets of one key, 1 reader", REAL, HOT(1, false)},
    {"hot-2", "100 B, all gets of one key, 2 readers", REAL, HOT(2, false)},
    {"latency-get", "100 B, all fits, single gets, 2 threads", ALL, TIMED(2, 100)},
};

static const struct row rows_a_mixed[] = {
    {"a-95-1", "100 B, all fits, 95 % gets, 1 thread", REAL, MIX(1, 95)},
    {"a-95-2", "100 B, all fits, 95 % gets, 2 threads", REAL, MIX(2, 95)},
    {"a-95-4", "100 B, all fits, 95 % gets, 4 threads", REAL, MIX(4, 95)},
    {"a-80-1", "100 B, all fits, 80 % gets, 1 thread", REAL, MIX(1, 80)},
    {"a-80-2", "100 B, all fits, 80 % gets, 2 threads", REAL, MIX(2, 80)},
    {"a-80-4", "100 B, all fits, 80 % gets, 4 threads", REAL, MIX(4, 80)},
    {"latency-set", "100 B, all fits, single sets, 2 threads", REAL, TIMED(2, 0)},
    {"hot-rw", "100 B, all gets of one key, 1 reader while a writer sets it", REAL, HOT(2, true)},
};

static const struct row rows_b[] = {
    {"b-get-1", "100 B, 10 % fits, gets and a set after a miss, 1 thread", REAL, GETS(1)},
    {"b-get-2", "100 B, 10 % fits, gets and a set after a miss, 2 threads", REAL, GETS(2)},
    {"b-get-4", "100 B, 10 % fits, gets and a set after a miss, 4 threads", REAL, GETS(4)},
    {"b-95-1", "100 B, 10 % fits, 95 % gets, 1 thread", REAL, MIX(1, 95)},
    {"b-95-2", "100 B, 10 % fits, 95 % gets, 2 threads", REAL, MIX(2, 95)},
    {"b-95-4", "100 B, 10 % fits, 95 % gets, 4 threads", REAL, MIX(4, 95)},
    {"b-80-1", "100 B, 10 % fits, 80 % gets, 1 thread", REAL, MIX(1, 80)},
    {"b-80-2", "100 B, 10 % fits, 80 % gets, 2 threads", REAL, MIX(2, 80)},
    {"b-80-4", "100 B, 10 % fits, 80 % gets, 4 threads", REAL, MIX(4, 80)},
    {"b-latency-set", "100 B, 10 % fits, single sets, 2 threads", REAL, TIMED(2, 0)},
};

static const struct row rows_1k_a[] = {
    {"a-1k-get-1", "1 KiB, all fits, gets alone, 1 thread", ALL, GETS(1)},
    {"a-1k-get-2", "1 KiB, all fits, gets alone, 2 threads", ALL, GETS(2)},
    {"a-1k-80-1", "1 KiB, all fits, 80 % gets, 1 thread", REAL, MIX(1, 80)},
    {"a-1k-80-2", "1 KiB, all fits, 80 % gets, 2 threads", REAL, MIX(2, 80)},
    {"a-1k-batch16-1", "1 KiB, all fits, gets in batches of 16, 1 thread", ALL, BATCH(1, 16)},
};

static const struct row rows_1k_b[] = {
    {"b-1k-get-1", "1 KiB, 10 % fits, gets and a set after a miss, 1 thread", REAL, GETS(1)},
    {"b-1k-get-2", "1 KiB, 10 % fits, gets and a set after a miss, 2 threads", REAL, GETS(2)},
    {"b-1k-80-2", "1 KiB, 10 % fits, 80 % gets, 2 threads", REAL, MIX(2, 80)},
};

static const struct row rows_16k_a[] = {
    {"a-16k-get-1", "16 KiB, all fits, gets alone, 1 thread", ALL, GETS(1)},
    {"a-16k-get-2", "16 KiB, all fits, gets alone, 2 threads", ALL, GETS(2)},
    {"a-16k-80-2", "16 KiB, all fits, 80 % gets, 2 threads", REAL, MIX(2, 80)},
};

static const struct row rows_16k_b[] = {
    {"b-16k-get-1", "16 KiB, 10 % fits, gets and a set after a miss, 1 thread", REAL, GETS(1)},
    {"b-16k-get-2", "16 KiB, 10 % fits, gets and a set after a miss, 2 threads", REAL, GETS(2)},
};

#define ROWS(array) (array), sizeof(array) / sizeof *(array)

const struct section sections[] = {
    {100, true, true, ROWS(rows_a)},         {100, true, false, ROWS(rows_a_mixed)},
    {100, false, false, ROWS(rows_b)},       {1024, true, false, ROWS(rows_1k_a)},
    {1024, false, false, ROWS(rows_1k_b)},   {16384, true, false, ROWS(rows_16k_a)},
    {16384, false, false, ROWS(rows_16k_b)}, {0},
};

const struct row row_fill = {"latency-fill", "100 B, the sets that filled the cache, 1 thread", REAL, {0}};
