/*
 * core/tools/top_terminal.h - the terminal of `postrider top`: what is drawn (top_screen.h) is shown, and keys come.
 *
 * The only place that knows ncurses; a build without it says so. What the terminal was set to is set again when it is
 * closed, and when the process is ended by a signal or an assertion. One at a time.
 */
#ifndef POSTRIDER_TOOLS_TOP_TERMINAL_H
#define POSTRIDER_TOOLS_TOP_TERMINAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/tools/top_screen.h"

/* Keys that are no character; characters are their numbers. */
enum {
	TOP_KEY_NONE = 0x200000, /* nothing came in time */
	TOP_KEY_UP,
	TOP_KEY_DOWN,
	TOP_KEY_PAGE_UP,
	TOP_KEY_PAGE_DOWN,
	TOP_KEY_HOME,
	TOP_KEY_END,
	TOP_KEY_ENTER,
	TOP_KEY_TAB,
	TOP_KEY_BACKSPACE,
	TOP_KEY_ESCAPE,
	TOP_KEY_AGAIN, /* the size is another one, or all is to be drawn anew */
	TOP_KEY_GONE,  /* the terminal, or a signal: end */
};

/* False with a *problem, for people: standard input or output is no terminal, it is not known or cannot do what is
 * needed. */
bool top_terminal_open(char *problem, size_t size);
void top_terminal_close(void);
/* As it is now. False: no memory. */
bool top_terminal_size(struct top_screen *screen);
void top_terminal_show(const struct top_screen *screen);
uint32_t top_terminal_key(int wait_ms);
/* The signal that ended it; 0: none. */
int top_terminal_signal(void);

#endif
