/* Writes and flights of the same key: what overtakes what. */
#include "core/group/flight_table.h"

bool ldr_flight_wanted(struct ldr_flight *flight)
{
    struct shard *shard = shard_of(flight->flights, flight->hash);
    pthread_mutex_lock(&shard->lock);
    bool wanted = !flight->completed && !atomic_load_explicit(&flight->flights->aborted, memory_order_relaxed);
    pthread_mutex_unlock(&shard->lock);
    return wanted;
}

void ldr_flight_overtake(struct ldr_flight *flight)
{
    struct shard *shard = shard_of(flight->flights, flight->hash);
    pthread_mutex_lock(&shard->lock);
    flight->overtaken = true;
    pthread_mutex_unlock(&shard->lock);
}

void ldr_flight_store(struct ldr_flight *flight, void (*store)(struct ldr_flight *flight, void *arg), void *arg)
{
    struct shard *shard = shard_of(flight->flights, flight->hash);
    pthread_mutex_lock(&shard->lock);
    if (!flight->overtaken && !flight->completed)
        store(flight, arg);
    pthread_mutex_unlock(&shard->lock);
}

void ldr_flights_overtake(struct ldr_flights *flights, const struct ldr_group *group)
{
    for (size_t i = 0; i < SHARDS; i++) {
        struct shard *shard = &flights->shards[i];
        pthread_mutex_lock(&shard->lock);
        for (size_t j = 0; j < BUCKETS; j++)
            for (struct ldr_flight *flight = shard->buckets[j]; flight != NULL; flight = flight->next)
                flight->overtaken |= flight->group == group;
        pthread_mutex_unlock(&shard->lock);
    }
}

enum larder_status ldr_flights_write(struct ldr_flights *flights, const struct ldr_group *group,
                                     struct larder_slice name, struct larder_slice key,
                                     enum larder_status (*write)(void *arg), void *arg)
{
    uint64_t hash = hash_of(flights, name, key);
    struct shard *shard = shard_of(flights, hash);
    pthread_mutex_lock(&shard->lock);
    enum larder_status status = write(arg);
    /* A delete that found nothing overtakes, too: what is being loaded may be older than it. */
    if (status == LARDER_OK || status == LARDER_NOT_FOUND)
        for (struct ldr_flight *flight = *bucket_of(shard, hash); flight != NULL; flight = flight->next)
            flight->overtaken |= is_of(flight, hash, group, name, key);
    pthread_mutex_unlock(&shard->lock);
    return status;
}

static enum larder_status nothing(void *arg)
{
    (void)arg;
    return LARDER_OK;
}

void ldr_flights_overtake_key(struct ldr_flights *flights, const struct ldr_group *group, struct larder_slice name,
                              struct larder_slice key)
{
    ldr_flights_write(flights, group, name, key, nothing, NULL);
}

struct ldr_flight *ldr_flights_overtaken(struct ldr_flights *flights, const struct ldr_group *group,
                                         struct larder_slice name, struct larder_slice key)
{
    uint64_t hash = hash_of(flights, name, key);
    struct shard *shard = shard_of(flights, hash);
    pthread_mutex_lock(&shard->lock);
    struct ldr_flight *flight = *bucket_of(shard, hash);
    while (flight != NULL && (!flight->overtaken || flight->away || !is_of(flight, hash, group, name, key)))
        flight = flight->next;
    if (flight != NULL)
        flight->references++;
    pthread_mutex_unlock(&shard->lock);
    return flight;
}
