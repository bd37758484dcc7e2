#include "core/store/due.h"

static void place(struct ldr_due *due, uint32_t index, uint32_t slot, uint64_t time)
{
    due->slots[index] = slot;
    due->times[index] = time;
    due->where[slot] = index + 1;
}

/* Lifts or sinks an element from the free place `index` until its parent is due before it and its children after it. */
static void settle(struct ldr_due *due, uint32_t index, uint32_t slot, uint64_t time)
{
    for (; index > 0 && due->times[(index - 1) / 2] > time; index = (index - 1) / 2)
        place(due, index, due->slots[(index - 1) / 2], due->times[(index - 1) / 2]);
    for (;;) {
        uint64_t child = 2 * (uint64_t)index + 1;
        if (child >= due->count)
            break;
        if (child + 1 < due->count && due->times[child + 1] < due->times[child])
            child++;
        if (due->times[child] >= time)
            break;
        place(due, index, due->slots[child], due->times[child]);
        index = (uint32_t)child;
    }
    place(due, index, slot, time);
}

void ldr_due_set(struct ldr_due *due, uint32_t slot, uint64_t time)
{
    uint32_t index = due->where[slot] != 0 ? due->where[slot] - 1 : due->count++;
    if (due->count > due->high)
        due->high = due->count;
    settle(due, index, slot, time);
}

void ldr_due_remove(struct ldr_due *due, uint32_t slot)
{
    uint32_t index = due->where[slot];
    if (index == 0)
        return;
    due->where[slot] = 0;
    uint32_t last = --due->count;
    if (index - 1 != last)
        settle(due, index - 1, due->slots[last], due->times[last]);
}
