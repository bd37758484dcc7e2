/* The terminal while a command shows something that changes: a screen of its own, and keys that are typed. */
#ifndef CLI_SCREEN_H
#define CLI_SCREEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Whether standard output is a terminal, and something that changes can be shown. */
bool screen_wanted(void);

/* Until screen_close(), which must follow: also after signals that end a program, which screen_wait() notices. */
void screen_open(void);
void screen_close(void);

/* Empties the screen; what is printed next begins at its upper left. */
void screen_clear(void);

/* Lines that it has; 24 where that cannot be told. */
size_t screen_lines(void);

/* Shows what was printed, and waits. False: the user wants to end. */
bool screen_wait(uint64_t ms);

#endif
