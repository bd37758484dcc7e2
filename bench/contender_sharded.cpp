/* The textbook in C++: 256 shards, each a mutex, a std::unordered_map and a std::list in the order of use. */
#include "bench/contender.h"

#include <list>
#include <mutex>
#include <new>
#include <string>
#include <unordered_map>
#include <utility>

namespace
{

constexpr size_t shard_count = 256;

struct Shard {
    using Item = std::pair<std::string, std::string>; /* key, value */
    std::mutex mutex;
    std::list<Item> order; /* newest first */
    std::unordered_map<std::string, std::list<Item>::iterator> table;
    uint64_t charge = 0;
};

struct ShardedCache {
    uint64_t shard_capacity;
    size_t value_size;
    alignas(64) Shard shards[shard_count];
};

uint64_t bytes_for(uint64_t entries, size_t value_size)
{
    return entries * (KEY_SIZE + value_size);
}

Shard &shard_of(ShardedCache *cache, const char *key)
{
    return cache->shards[contender_hash(key) % shard_count];
}

/* A key as the table wants it, without an allocation for each lookup. */
const std::string &text_of(const char *key)
{
    static thread_local std::string text;
    return text.assign(key, KEY_SIZE);
}

void *open_cache(const cache_options *options)
{
    auto *cache = new (std::nothrow) ShardedCache;
    if (cache == nullptr)
        return nullptr;
    cache->shard_capacity = options->bytes / shard_count;
    cache->value_size = options->value_size;
    return cache;
}

void close_cache(void *opaque)
{
    delete static_cast<ShardedCache *>(opaque);
}

bool get(void *opaque, const char *key, void *buffer)
{
    auto *cache = static_cast<ShardedCache *>(opaque);
    Shard &shard = shard_of(cache, key);
    const std::string &text = text_of(key);
    std::lock_guard<std::mutex> guard(shard.mutex);
    auto found = shard.table.find(text);
    if (found == shard.table.end())
        return false;
    shard.order.splice(shard.order.begin(), shard.order, found->second);
    const std::string &value = found->second->second;
    memcpy(buffer, value.data(), value.size());
    return true;
}

void evict(ShardedCache *cache, Shard &shard)
{
    while (shard.charge > cache->shard_capacity && !shard.order.empty()) {
        shard.charge -= KEY_SIZE + shard.order.back().second.size();
        shard.table.erase(shard.order.back().first);
        shard.order.pop_back();
    }
}

bool set(void *opaque, const char *key, const void *value, bool)
try {
    auto *cache = static_cast<ShardedCache *>(opaque);
    Shard &shard = shard_of(cache, key);
    const std::string &text = text_of(key);
    std::string bytes(static_cast<const char *>(value), cache->value_size);
    std::lock_guard<std::mutex> guard(shard.mutex);
    auto found = shard.table.find(text);
    if (found != shard.table.end()) {
        found->second->second = std::move(bytes); /* of the same size */
        shard.order.splice(shard.order.begin(), shard.order, found->second);
        return true;
    }
    shard.order.emplace_front(text, std::move(bytes));
    shard.table.emplace(text, shard.order.begin());
    shard.charge += KEY_SIZE + cache->value_size;
    evict(cache, shard);
    return true;
} catch (const std::bad_alloc &) {
    return false;
}

uint64_t entries(void *opaque)
{
    auto *cache = static_cast<ShardedCache *>(opaque);
    uint64_t count = 0;
    for (Shard &shard : cache->shards) {
        std::lock_guard<std::mutex> guard(shard.mutex);
        count += shard.table.size();
    }
    return count;
}

} // namespace

const contender contender_sharded = {"std-sharded",
                                     "std-sharded: 256 shards of std::mutex, std::unordered_map and std::list",
                                     CONTENDER_PEER,
                                     bytes_for,
                                     open_cache,
                                     close_cache,
                                     get,
                                     set,
                                     nullptr,
                                     entries,
                                     nullptr,
                                     nullptr};
