#include "progress.h"

#include <stdio.h>
#include <unistd.h>

#define BAR_WIDTH 40

bool progress_wanted(void)
{
    return isatty(STDERR_FILENO);
}

static void draw_bar(double fraction)
{
    char bar[BAR_WIDTH + 1];
    for (int i = 0; i < BAR_WIDTH; i++)
        bar[i] = (double)i < fraction * BAR_WIDTH ? '#' : '.';
    bar[BAR_WIDTH] = '\0';
    fprintf(stderr, "[%s] %3.0f %%  ", bar, 100 * fraction);
}

void progress_show(double fraction, uint64_t requests, double seconds)
{
    fputs("\r\033[K", stderr);
    if (fraction >= 0)
        draw_bar(fraction);
    fprintf(stderr, "%llu requests  %.0f/s", (unsigned long long)requests,
            seconds > 0 ? (double)requests / seconds : 0);
    fflush(stderr);
}

void progress_show_step(double fraction, const char *step)
{
    fputs("\r\033[K", stderr);
    draw_bar(fraction);
    fputs(step, stderr);
    fflush(stderr);
}

void progress_clear(void)
{
    fputs("\r\033[K", stderr);
    fflush(stderr);
}
