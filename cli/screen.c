#include "screen.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

/* Another screen, without a cursor, whose lines are cut and not broken; and back. */
#define ENTER "\033[?1049h\033[?25l\033[?7l"
#define LEAVE "\033[?7h\033[?25h\033[?1049l"

static struct termios before;
static bool typed; /* standard input is a terminal, whose settings are changed */
static volatile sig_atomic_t ended;

bool screen_wanted(void)
{
    return isatty(STDOUT_FILENO) != 0;
}

static void end(int number)
{
    (void)number;
    ended = 1;
}

/* Single keys, without an echo, and no key that stops the program with the screen as it is. */
static void take_keys(void)
{
    typed = isatty(STDIN_FILENO) && tcgetattr(STDIN_FILENO, &before) == 0;
    if (!typed)
        return;
    struct termios now = before;
    now.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
    now.c_cc[VSUSP] = _POSIX_VDISABLE;
    now.c_cc[VMIN] = 1;
    now.c_cc[VTIME] = 0;
    tcsetattr(STDIN_FILENO, TCSANOW, &now);
}

void screen_open(void)
{
    static const int ending[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT};
    struct sigaction action = {.sa_handler = end}; /* without SA_RESTART: poll() is to come back */
    sigemptyset(&action.sa_mask);
    ended = 0;
    for (size_t i = 0; i < sizeof ending / sizeof *ending; i++)
        sigaction(ending[i], &action, NULL);
    take_keys();
    fputs(ENTER, stdout);
}

void screen_close(void)
{
    fputs(LEAVE, stdout);
    fflush(stdout);
    if (typed)
        tcsetattr(STDIN_FILENO, TCSANOW, &before);
}

void screen_clear(void)
{
    fputs("\033[H\033[J", stdout);
}

size_t screen_lines(void)
{
    struct winsize size;
    return ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_row > 0 ? size.ws_row : 24;
}

static uint64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* Reads what was typed. False: it means the end, or there will be no more. */
static bool read_keys(void)
{
    char keys[64];
    ssize_t count = read(STDIN_FILENO, keys, sizeof keys);
    if (count <= 0)
        return count < 0 && errno == EINTR;
    for (ssize_t i = 0; i < count; i++)
        if (keys[i] == 'q' || keys[i] == 'Q' || keys[i] == 3)
            return false;
    return true;
}

bool screen_wait(uint64_t ms)
{
    uint64_t until = now_ms() + ms;
    fflush(stdout);
    while (ended == 0) {
        uint64_t now = now_ms();
        struct pollfd input = {.fd = typed ? STDIN_FILENO : -1, .events = POLLIN};
        if (now >= until)
            return true;
        if (poll(&input, 1, until - now < 1000 ? (int)(until - now) : 1000) > 0 && !read_keys())
            return false;
    }
    return false;
}
