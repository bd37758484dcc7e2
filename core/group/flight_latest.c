/* Which versions came here lately, whatever has become of them. */
#include <stdlib.h>

#include "core/base/fail.h"
#include "core/cluster/wire.h"
#include "core/group/flight_table.h"

bool ldr_flights_remember(struct ldr_flights *flights)
{
    struct latest *latest = calloc((size_t)SHARDS * LATEST, sizeof *latest);
    if (latest == NULL) {
        ldr_fail_memory();
        return false;
    }
    for (size_t i = 0; i < SHARDS; i++)
        flights->shards[i].latest = latest + i * LATEST;
    return true;
}

void ldr_flights_note(struct ldr_flights *flights, struct larder_slice name, struct larder_slice key,
                      struct larder_version version)
{
    if (flights->shards[0].latest == NULL)
        return;
    uint64_t hash = hash_of(flights, name, key);
    struct latest *latest = latest_of(shard_of(flights, hash), hash);
    if (latest->hash != hash || ldr_version_newer(version, latest->version))
        *latest = (struct latest){hash, version};
}

bool ldr_flights_is_late(struct ldr_flights *flights, struct larder_slice name, struct larder_slice key,
                         struct larder_version version)
{
    if (flights->shards[0].latest == NULL)
        return false;
    uint64_t hash = hash_of(flights, name, key);
    const struct latest *latest = latest_of(shard_of(flights, hash), hash);
    return latest->hash == hash && ldr_version_newer(latest->version, version);
}

void ldr_flights_forget_version(struct ldr_flights *flights, struct larder_slice name, struct larder_slice key,
                                struct larder_version version)
{
    if (flights->shards[0].latest == NULL)
        return;
    uint64_t hash = hash_of(flights, name, key);
    struct shard *shard = shard_of(flights, hash);
    struct latest *latest = latest_of(shard, hash);
    pthread_mutex_lock(&shard->lock);
    if (latest->hash == hash && !ldr_version_newer(latest->version, version))
        *latest = (struct latest){0};
    pthread_mutex_unlock(&shard->lock);
}

void ldr_flights_forget(struct ldr_flights *flights)
{
    for (size_t i = 0; i < SHARDS && flights->shards[0].latest != NULL; i++) {
        struct shard *shard = &flights->shards[i];
        pthread_mutex_lock(&shard->lock);
        memset(shard->latest, 0, LATEST * sizeof *shard->latest);
        pthread_mutex_unlock(&shard->lock);
    }
}
