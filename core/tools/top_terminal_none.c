/*
 * core/tools/top_terminal_none.c - top_terminal.h in a build without ncurses.
 */
#include <stdio.h>
#include <stdlib.h>

#include "core/tools/top_terminal.h"

bool top_terminal_open(char *problem, size_t size)
{
	snprintf(problem, size,
		 "this postrider was built without ncurses, and cannot draw on terminals (-Dncurses=enabled, with "
		 "libncurses-dev): --once writes what there is now, with --json for programs");
	return false;
}

void top_terminal_close(void)
{
}

bool top_terminal_size(struct top_screen *screen)
{
	return false;
}

void top_terminal_show(const struct top_screen *screen)
{
}

uint32_t top_terminal_key(int wait_ms)
{
	return TOP_KEY_GONE;
}

int top_terminal_signal(void)
{
	return 0;
}
