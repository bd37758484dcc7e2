/*
 * Runs a program's tests with membarrier(2) and without. Whether the process has it is decided with its first section, so
 * that a child does the second. For programs linked with -Wl,--wrap=syscall.
 */
#ifndef TESTS_UNIT_EPOCH_MODES_H
#define TESTS_UNIT_EPOCH_MODES_H

#include <errno.h>
#include <semaphore.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static atomic_bool membarrier_fails;
static atomic_uint membarriers;         /* that were called */
static void (*during_membarrier)(void); /* called before the next, once */

long __real_syscall(long number, ...);
long __wrap_syscall(long number, ...);

long __wrap_syscall(long number, ...)
{
    if (number != SYS_membarrier)
        abort(); /* the epochs make no other */
    va_list arguments;
    va_start(arguments, number);
    int command = va_arg(arguments, int), flags = va_arg(arguments, int), cpu = va_arg(arguments, int);
    va_end(arguments);
    atomic_fetch_add(&membarriers, 1);
    void (*hook)(void) = during_membarrier;
    during_membarrier = NULL;
    if (hook != NULL)
        hook();
    if (atomic_load(&membarrier_fails)) {
        errno = ENOSYS;
        return -1;
    }
    return __real_syscall(number, command, flags, cpu);
}

/* The exit status of a child that does `run`; -1 when there is none. */
static inline int in_child(int (*run)(void))
{
    fflush(NULL);
    pid_t child = fork();
    if (child == 0)
        exit(run()); /* not _exit(): what it has printed */
    int status;
    return child > 0 && waitpid(child, &status, 0) == child && WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static int (*tests_to_run)(void);

static inline int run_without_membarrier(void)
{
    puts("without membarrier:");
    atomic_store(&membarrier_fails, true);
    return tests_to_run();
}

static inline int in_both_modes(int (*run)(void))
{
    tests_to_run = run;
    int failed = in_child(run_without_membarrier);
    puts("with membarrier, where the system has it:");
    return failed != 0 ? (run(), failed) : run();
}

static inline void wait_for(sem_t *semaphore)
{
    while (sem_wait(semaphore) != 0)
        ;
}

#endif
