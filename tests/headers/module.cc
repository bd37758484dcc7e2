// A module in C++, where the members of a table have no names: what the headers of plugins promise its authors.
#include <larder/plugin/eviction.h>

namespace
{

void *fifo_open(const larder_eviction_env *env)
{
    return env->max_slots > 0 ? new larder_list() : nullptr;
}

void fifo_close(void *state)
{
    delete static_cast<larder_list *>(state);
}

uint32_t fifo_evict(void *)
{
    return LARDER_NO_SLOT;
}

void fifo_insert(void *, uint32_t, const larder_object *)
{
}

void fifo_remove(void *, uint32_t)
{
}

} // namespace

LARDER_EVICTION("cpp", "a policy in C++", nullptr, LARDER_HITS_NONE, 8, fifo_open, fifo_close, fifo_evict, fifo_insert,
                fifo_remove, nullptr, nullptr, nullptr, nullptr);
