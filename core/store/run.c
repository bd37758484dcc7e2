#include "core/store/run.h"

/* The first grain of [from, end) whose bit is `value`; `end` when there is none. */
static uint32_t next(const uint64_t *used, uint32_t from, uint32_t end, bool value)
{
    while (from < end) {
        uint64_t word = (value ? used[from / 64] : ~used[from / 64]) >> (from % 64);
        if (word != 0) {
            uint32_t found = from + (uint32_t)__builtin_ctzll(word);
            return found < end ? found : end;
        }
        from = (from / 64 + 1) * 64;
    }
    return end;
}

uint32_t ldr_run_find(const uint64_t *used, uint32_t from, uint32_t high, uint32_t end, uint32_t length)
{
    uint32_t first = next(used, from, high > from ? high : from, false);
    while (first < end && end - first >= length) {
        uint32_t last = first + length, stop = next(used, first, last < high ? last : high, true);
        if (stop >= last || stop >= high)
            return first;
        first = next(used, stop, high, false);
    }
    return 0;
}

bool ldr_run_is_free(const uint64_t *used, uint32_t first, uint32_t end)
{
    return next(used, first, end, true) >= end;
}

uint32_t ldr_run_end(const uint64_t *used, uint32_t end)
{
    for (; end % 64 != 0; end--)
        if ((used[(end - 1) / 64] >> (end - 1) % 64 & 1) != 0)
            return end;
    while (used[end / 64 - 1] == 0) /* bit 0 is set */
        end -= 64;
    return end - (uint32_t)__builtin_clzll(used[end / 64 - 1]);
}

void ldr_run_mark(uint64_t *used, uint32_t first, uint32_t length, bool is_used)
{
    uint32_t end = first + length;
    while (first < end) {
        uint32_t bit = first % 64, count = end - first < 64 - bit ? end - first : 64 - bit;
        uint64_t mask = (count == 64 ? UINT64_MAX : (UINT64_C(1) << count) - 1) << bit;
        if (is_used)
            used[first / 64] |= mask;
        else
            used[first / 64] &= ~mask;
        first += count;
    }
}
