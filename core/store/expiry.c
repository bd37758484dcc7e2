/* The heap by time of expiry: slots[0 .. due_count - 1].due, and the way back in each slot's due_index. */
#include "core/store/table.h"
#include "larder/plugin/runtime.h"

static uint64_t time_at(const struct ldr_table *table, uint32_t index)
{
    return ldr_entry_expires(table->slots[table->slots[index].due].entry);
}

static void place(struct ldr_table *table, uint32_t index, uint32_t slot)
{
    table->slots[index].due = slot;
    table->slots[slot].due_index = index + 1;
}

/* Lifts or sinks the slot at `index` until its parent is due before it and its children after it. */
static void restore(struct ldr_table *table, uint32_t index)
{
    uint32_t slot = table->slots[index].due;
    uint64_t time = ldr_entry_expires(table->slots[slot].entry);
    while (index > 0 && time_at(table, (index - 1) / 2) > time) {
        place(table, index, table->slots[(index - 1) / 2].due);
        index = (index - 1) / 2;
    }
    for (;;) {
        uint64_t child = 2 * (uint64_t)index + 1;
        if (child >= table->due_count)
            break;
        if (child + 1 < table->due_count && time_at(table, (uint32_t)child + 1) < time_at(table, (uint32_t)child))
            child++;
        if (time_at(table, (uint32_t)child) >= time)
            break;
        place(table, index, table->slots[child].due);
        index = (uint32_t)child;
    }
    place(table, index, slot);
}

void ldr_due_remove(struct ldr_table *table, uint32_t slot)
{
    uint32_t index = table->slots[slot].due_index;
    if (index == 0)
        return;
    table->slots[slot].due_index = 0;
    uint32_t last = table->slots[--table->due_count].due;
    if (last == slot)
        return;
    place(table, index - 1, last);
    restore(table, index - 1);
}

void ldr_due_update(struct ldr_table *table, uint32_t slot)
{
    if (ldr_entry_expires(table->slots[slot].entry) == LARDER_NEVER) {
        ldr_due_remove(table, slot);
        return;
    }
    if (table->slots[slot].due_index == 0)
        place(table, table->due_count++, slot);
    restore(table, table->slots[slot].due_index - 1);
}
