#include "check_memory.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "check_board.h"
#include "check_hooks.h"
#include "check_random.h"

#define LARGEST (UINT64_C(1) << 30) /* more in one piece fails: a parameter's maximum must not swallow the machine */
#define FENCE   16                  /* how a block that ends at a fence is aligned */

/* A block of the module, in a table of open addressing. */
struct block {
    void *place; /* NULL: free */
    size_t size;
    bool fenced;
};

/* One for the process: the functions that take malloc's place get no argument that could say which. */
static struct {
    pthread_mutex_t lock;
    struct block *blocks;
    size_t capacity; /* a power of two */
    struct check_memory now;
    uint64_t fail_first, fail_every, fail_seen;
    bool fence;
} memory = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* ------------------------------------------------------------------------------------------------ the table */

static size_t home(const void *place)
{
    return (size_t)check_mix((uint64_t)(uintptr_t)place) & (memory.capacity - 1);
}

static struct block *find(const void *place)
{
    for (size_t i = home(place); memory.capacity > 0 && memory.blocks[i].place != NULL;
         i = (i + 1) & (memory.capacity - 1))
        if (memory.blocks[i].place == place)
            return &memory.blocks[i];
    return NULL;
}

static void put(struct block block)
{
    size_t i = home(block.place);
    while (memory.blocks[i].place != NULL)
        i = (i + 1) & (memory.capacity - 1);
    memory.blocks[i] = block;
}

static bool make_room(void)
{
    if (memory.now.blocks + 1 <= memory.capacity / 2)
        return true;
    size_t old_capacity = memory.capacity, capacity = old_capacity > 0 ? 2 * old_capacity : 1024;
    struct block *old = memory.blocks, *blocks = calloc(capacity, sizeof *blocks);
    if (blocks == NULL)
        return false;
    memory.blocks = blocks;
    memory.capacity = capacity;
    for (size_t i = 0; i < old_capacity; i++)
        if (old[i].place != NULL)
            put(old[i]);
    free(old);
    return true;
}

/* What stood behind the hole because of it moves up, so that searches end at the first free place. */
static struct block take(struct block *block)
{
    struct block taken = *block;
    size_t mask = memory.capacity - 1, hole = (size_t)(block - memory.blocks);
    for (size_t i = (hole + 1) & mask; memory.blocks[i].place != NULL; i = (i + 1) & mask)
        if (((i - home(memory.blocks[i].place)) & mask) >= ((i - hole) & mask)) {
            memory.blocks[hole] = memory.blocks[i];
            hole = i;
        }
    memory.blocks[hole] = (struct block){0};
    return taken;
}

/* ------------------------------------------------------------------------------------------------ fences */

static size_t page_size(void)
{
    return (size_t)sysconf(_SC_PAGESIZE);
}

static size_t fenced_pages(size_t size)
{
    size_t page = page_size();
    return (size + FENCE + page - 1) / page * page;
}

/*
 * An object whose size is a multiple of 8 is content with that, so that its end is the end of the page; others get an
 * alignment that suits all and end up to 15 bytes before it.
 */
static void *fenced_new(size_t size, size_t alignment)
{
    size_t pages = fenced_pages(size), own = size % FENCE == 8 ? 8 : FENCE;
    if (alignment > FENCE)
        return NULL;
    char *base = mmap(NULL, pages + page_size(), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (base == MAP_FAILED)
        return NULL;
    mprotect(base + pages, page_size(), PROT_NONE);
    return base + pages - (size + own - 1) / own * own;
}

static void fenced_free(void *place, size_t size)
{
    size_t pages = fenced_pages(size), own = size % FENCE == 8 ? 8 : FENCE;
    munmap((char *)place + (size + own - 1) / own * own - pages, pages + page_size());
}

/* ------------------------------------------------------------------------------------------------ allocation */

static bool must_fail(size_t size)
{
    memory.now.calls++;
    if (size > LARGEST)
        return true;
    if (memory.fail_first == 0)
        return false;
    uint64_t seen = ++memory.fail_seen;
    return seen == memory.fail_first ||
           (memory.fail_every > 0 && seen > memory.fail_first && (seen - memory.fail_first) % memory.fail_every == 0);
}

static void *allocate(size_t size, size_t alignment, bool *fenced)
{
    void *place = NULL;
    *fenced = memory.fence && alignment <= FENCE;
    if (*fenced)
        return fenced_new(size, alignment);
    if (alignment <= FENCE)
        return calloc(1, size > 0 ? size : 1);
    if (posix_memalign(&place, alignment, size) != 0)
        return NULL;
    memset(place, 0, size);
    return place;
}

/* Memory from malloc() is handed out full of a pattern, as what is in it is nobody's promise. */
void *check_allocate(size_t size, size_t alignment, bool zeroed)
{
    struct block block = {.size = size};
    pthread_mutex_lock(&memory.lock);
    if (!must_fail(size) && make_room())
        block.place = allocate(size, alignment, &block.fenced);
    if (block.place != NULL) {
        put(block);
        memory.now.blocks++;
        memory.now.bytes += size;
    } else {
        memory.now.failed++;
        errno = ENOMEM;
    }
    pthread_mutex_unlock(&memory.lock);
    if (block.place != NULL && !zeroed)
        memset(block.place, 0xa5, size);
    return block.place;
}

/* What is not in the table came from the C library (getline(), say) and goes back to it. */
void check_free(void *place)
{
    struct block block = {.place = place};
    if (place == NULL)
        return;
    pthread_mutex_lock(&memory.lock);
    struct block *found = find(place);
    if (found != NULL) {
        block = take(found);
        memory.now.blocks--;
        memory.now.bytes -= block.size;
    }
    pthread_mutex_unlock(&memory.lock);
    if (block.fenced)
        fenced_free(place, block.size);
    else
        free(place);
}

bool check_allocated(const void *place, size_t *size)
{
    pthread_mutex_lock(&memory.lock);
    const struct block *found = find(place);
    *size = found != NULL ? found->size : 0;
    pthread_mutex_unlock(&memory.lock);
    return found != NULL;
}

/* ------------------------------------------------------------------------------------------------ for the checks */

struct check_memory check_memory_now(void)
{
    pthread_mutex_lock(&memory.lock);
    struct check_memory now = memory.now;
    pthread_mutex_unlock(&memory.lock);
    return now;
}

void check_memory_fail(uint64_t first, uint64_t every)
{
    memory.fail_first = first;
    memory.fail_every = every;
    memory.fail_seen = 0;
}

void check_memory_fence(bool on)
{
    memory.fence = on;
}

void check_memory_needed(void)
{
    if (check_board()->unseen)
        check_not_run("its memory cannot be seen: it is not allocated by malloc() or its kin");
}

void check_memory_none_left(const char *when)
{
    struct check_memory now = check_memory_now();
    if (now.blocks > 0)
        check_fail("close() left %" PRIu64 " block%s of together %" PRIu64 " bytes allocated%s, wanted none",
                   now.blocks, now.blocks > 1 ? "s" : "", now.bytes, when);
}
