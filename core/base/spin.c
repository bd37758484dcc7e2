#include "core/base/spin.h"

#include <sched.h>
#include <time.h>

/* Looks without giving way, and looks before the thread sleeps in between. */
#define LOOKS  100u
#define YIELDS 200u

static inline void pause_briefly(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#endif
}

void ldr_spin_wait(struct ldr_spin *spin)
{
    const struct timespec pause = {.tv_nsec = 50000};
    for (unsigned looks = 0; !ldr_spin_try(spin); looks++) {
        if (looks < LOOKS)
            pause_briefly();
        else if (looks < LOOKS + YIELDS)
            sched_yield();
        else
            nanosleep(&pause, NULL);
    }
}
