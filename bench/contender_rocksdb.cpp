/*
 * RocksDB's LRUCache and HyperClockCache as block caches are used: values are objects of the caller, freed by a deleter.
 * The charge is key and value; what the cache itself takes is not charged. Shards as RocksDB chooses them.
 */
#include "bench/contender.h"

#include <cstdio>
#include <cstdlib>
#include <memory>
#include <new>
#include <rocksdb/cache.h>
#include <rocksdb/version.h>

namespace
{

using rocksdb::Cache;
using rocksdb::Slice;

struct RocksCache {
    std::shared_ptr<Cache> cache;
    size_t value_size;
    bool replaces; /* whether an insertion takes the place of an entry that is there */
};

uint64_t bytes_for(uint64_t entries, size_t value_size)
{
    return entries * (KEY_SIZE + value_size);
}

void free_value(const Slice &, void *value)
{
    free(value);
}

void *open_lru(const cache_options *options)
{
    rocksdb::LRUCacheOptions lru;
    lru.capacity = options->bytes;
    lru.metadata_charge_policy = rocksdb::kDontChargeCacheMetadata;
    lru.high_pri_pool_ratio = 0;
    return new (std::nothrow) RocksCache{rocksdb::NewLRUCache(lru), options->value_size, true};
}

void *open_hyper(const cache_options *options)
{
    rocksdb::HyperClockCacheOptions hyper(options->bytes, KEY_SIZE + options->value_size, -1, false, nullptr,
                                          rocksdb::kDontChargeCacheMetadata);
    return new (std::nothrow) RocksCache{hyper.MakeSharedCache(), options->value_size, false};
}

void close_cache(void *opaque)
{
    delete static_cast<RocksCache *>(opaque);
}

bool get(void *opaque, const char *key, void *buffer)
{
    auto *cache = static_cast<RocksCache *>(opaque);
    Cache::Handle *handle = cache->cache->Lookup(Slice(key, KEY_SIZE));
    if (handle == nullptr)
        return false;
    memcpy(buffer, cache->cache->Value(handle), cache->value_size);
    cache->cache->Release(handle);
    return true;
}

/* HyperClockCache keeps the old entry when it is given one of the same key, so that goes first. */
bool set(void *opaque, const char *key, const void *value, bool absent)
{
    auto *cache = static_cast<RocksCache *>(opaque);
    Slice slice(key, KEY_SIZE);
    void *copy = malloc(cache->value_size);
    if (copy == nullptr)
        return false;
    memcpy(copy, value, cache->value_size);
    if (!cache->replaces && !absent)
        cache->cache->Erase(slice);
    return cache->cache->Insert(slice, copy, KEY_SIZE + cache->value_size, free_value).ok();
}

uint64_t entries(void *opaque)
{
    auto *cache = static_cast<RocksCache *>(opaque);
    return cache->cache->GetUsage() / (KEY_SIZE + cache->value_size);
}

#define TEXT_OF(x) #x
#define TEXT(x)    TEXT_OF(x)
#define VERSION    TEXT(ROCKSDB_MAJOR) "." TEXT(ROCKSDB_MINOR) "." TEXT(ROCKSDB_PATCH)

} // namespace

const contender contender_rocksdb_lru = {"rocksdb-lru",
                                         "rocksdb-*: RocksDB " VERSION ", as packaged; Debian builds it with its "
                                         "asserts live",
                                         CONTENDER_PEER,
                                         bytes_for,
                                         open_lru,
                                         close_cache,
                                         get,
                                         set,
                                         nullptr,
                                         entries,
                                         nullptr,
                                         nullptr};

const contender contender_rocksdb_hyper = {"rocksdb-hyper",
                                           "rocksdb-hyper: HyperClockCache; a set over an entry is an erase and an "
                                           "insertion, since an insertion alone keeps the old value",
                                           CONTENDER_PEER,
                                           bytes_for,
                                           open_hyper,
                                           close_cache,
                                           get,
                                           set,
                                           nullptr,
                                           entries,
                                           nullptr,
                                           nullptr};
