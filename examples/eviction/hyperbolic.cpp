// Hyperbolic caching: A. Blankstein, S. Sen and M. J. Freedman, "Hyperbolic Caching: Flexible Caching for Web
// Applications", USENIX ATC 2017. An entry is worth its uses for the time that it has been here; of a few chosen by chance,
// the one that is worth least goes. There is no order to keep: an entry's worth falls while nobody looks.
//
// In C++ the members of the table have no names, exceptions stay inside, and everything is allocated in open().
#include <larder/plugin/eviction.h>

#include <new>
#include <random>
#include <vector>

namespace
{

struct Entry {
    uint64_t since; // when it came
    uint32_t uses;
    uint32_t place; // in `resident`
};

struct Hyperbolic {
    explicit Hyperbolic(const larder_eviction_env &env)
        : samples(static_cast<uint32_t>(env.params[0].integer)), entries(env.max_slots)
    {
        resident.reserve(env.max_slots);
    }

    double worth(uint32_t slot) const
    {
        return entries[slot].uses / static_cast<double>(clock - entries[slot].since + 1);
    }

    uint32_t samples;
    std::vector<Entry> entries;     // by slot
    std::vector<uint32_t> resident; // slots, in no order
    uint64_t clock = 0;             // counts newcomers and hits
    std::minstd_rand chance;        // the same for every state: what is measured can be repeated
};

Hyperbolic &state_of(void *state)
{
    return *static_cast<Hyperbolic *>(state);
}

void *hyperbolic_open(const larder_eviction_env *env)
{
    try {
        return new Hyperbolic(*env);
    } catch (const std::bad_alloc &) {
        return nullptr;
    }
}

void hyperbolic_close(void *state)
{
    delete &state_of(state);
}

void hyperbolic_insert(void *state, uint32_t slot, const larder_object *)
{
    Hyperbolic &self = state_of(state);
    self.entries[slot] = {self.clock++, 1, static_cast<uint32_t>(self.resident.size())};
    self.resident.push_back(slot); // never over max_slots, which are reserved
}

void hyperbolic_hit(void *state, uint32_t slot)
{
    state_of(state).entries[slot].uses++;
    state_of(state).clock++;
}

// The last one takes its place.
void hyperbolic_remove(void *state, uint32_t slot)
{
    Hyperbolic &self = state_of(state);
    uint32_t place = self.entries[slot].place, last = self.resident.back();
    self.resident[place] = last;
    self.entries[last].place = place;
    self.resident.pop_back();
}

uint32_t hyperbolic_evict(void *state)
{
    Hyperbolic &self = state_of(state);
    if (self.resident.empty())
        return LARDER_NO_SLOT;
    uint32_t victim = self.resident[self.chance() % self.resident.size()];
    for (uint32_t i = 1; i < self.samples; i++) {
        uint32_t slot = self.resident[self.chance() % self.resident.size()];
        if (self.worth(slot) < self.worth(victim))
            victim = slot;
    }
    hyperbolic_remove(state, victim);
    return victim;
}

const larder_param params[] = {
    {"samples", LARDER_PARAM_INT, "64", 1, 1024, nullptr, nullptr, false, "how many entries a victim is chosen from"},
    {},
};

} // namespace

LARDER_EVICTION("hyperbolic", "of some chosen by chance, what was used least for its age goes", params, 0,
                sizeof(Entry) + sizeof(uint32_t), hyperbolic_open, hyperbolic_close, hyperbolic_evict,
                hyperbolic_insert, hyperbolic_remove, hyperbolic_hit, nullptr, nullptr, nullptr);
