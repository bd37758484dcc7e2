// LRU in C++, with containers that throw when they are out of memory: nothing of that may leave the module.
#include <list>
#include <new>
#include <vector>

#include "larder/plugin/eviction.h"

namespace
{
using Order = std::list<uint32_t>;

struct Lru {
    Order order, spare; // from the newest to the oldest; nodes for slots that are not resident
    std::vector<Order::iterator> places;

    explicit Lru(uint32_t max_slots) : spare(max_slots), places(max_slots)
    {
    }
};

void *open_lru(const larder_eviction_env *env)
{
    try {
        return new Lru(env->max_slots);
    } catch (const std::bad_alloc &) {
        return nullptr;
    }
}

void close_lru(void *state)
{
    delete static_cast<Lru *>(state);
}

void insert(void *state, uint32_t slot, const larder_object *)
{
    auto *lru = static_cast<Lru *>(state);
    lru->order.splice(lru->order.begin(), lru->spare, lru->spare.begin());
    lru->order.front() = slot;
    lru->places[slot] = lru->order.begin();
}

void remove(void *state, uint32_t slot)
{
    auto *lru = static_cast<Lru *>(state);
    lru->spare.splice(lru->spare.begin(), lru->order, lru->places[slot]);
}

uint32_t evict(void *state)
{
    auto *lru = static_cast<Lru *>(state);
    if (lru->order.empty())
        return LARDER_NO_SLOT;
    uint32_t slot = lru->order.back();
    remove(state, slot);
    return slot;
}

void hit(void *state, uint32_t slot)
{
    auto *lru = static_cast<Lru *>(state);
    lru->order.splice(lru->order.begin(), lru->order, lru->places[slot]);
}
} // namespace

LARDER_EVICTION("lru_cpp", "least recently used goes first, in C++", nullptr, 0, 40, open_lru, close_lru, evict, insert,
                remove, hit, nullptr, nullptr, nullptr);
