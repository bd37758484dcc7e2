#include "world.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/base/runtime.h"

void *sim_allocate(size_t size)
{
    void *memory = calloc(1, size);
    if (memory == NULL) {
        fputs("sim_cluster: out of memory\n", stderr);
        exit(2);
    }
    return memory;
}

struct sim_world *sim_world_open(uint64_t seed, bool verbose)
{
    const struct larder_runtime *runtime = ldr_sim_open(seed);
    if (runtime == NULL)
        return NULL;
    struct sim_world *world = sim_allocate(sizeof *world);
    world->runtime = *runtime;
    world->verbose = verbose;
    sim_machines_open(world);
    sim_registry_open(world);
    return world;
}

void sim_world_close(struct sim_world *world)
{
    sim_network_close(world);
    sim_registry_close(world);
    sim_checker_close(world);
    sim_clients_close(world);
    sim_origin_close(world);
    ldr_sim_close(&world->runtime);
    free(world);
}

static double seconds(const struct sim_world *world)
{
    return (double)larder_now(&world->runtime) / 1e9;
}

void sim_fail(struct sim_world *world, const char *format, ...)
{
    char text[sizeof world->failure];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    sim_tell(world, "BROKEN: %s", text);
    if (world->failure[0] == '\0')
        snprintf(world->failure, sizeof world->failure, "%s", text);
}

void sim_tell(struct sim_world *world, const char *format, ...)
{
    if (!world->verbose)
        return;
    va_list arguments;
    printf("%12.6f  ", seconds(world));
    va_start(arguments, format);
    vprintf(format, arguments);
    va_end(arguments);
    putchar('\n');
}

uint64_t sim_draw(struct sim_world *world, uint64_t bound)
{
    return bound <= 1 ? 0 : world->runtime.random(&world->runtime) % bound;
}

bool sim_chance(struct sim_world *world, unsigned permille)
{
    return permille > 0 && sim_draw(world, 1000) < permille;
}

void sim_wait(struct sim_world *world, uint64_t ms)
{
    ldr_sim_run(&world->runtime, larder_deadline_in(&world->runtime, ms));
}
