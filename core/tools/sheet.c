/*
 * core/tools/sheet.c - see sheet.h.
 */
#include "core/tools/sheet.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "core/tools/shown.h"
#include "core/tools/table.h"
#include "core/trace/plain.h"

void sheet_words(struct span text, unsigned column)
{
	char safe[4096];
	size_t length = plain_copy(safe, sizeof(safe), text, NULL), at = 0, used = column;

	while (at < length) {
		const char *blank = memchr(safe + at, ' ', length - at);
		size_t word = blank ? (size_t)(blank - (safe + at)) : length - at;
		size_t width = plain_columns((struct span){safe + at, (uint32_t)word});
		size_t gap = used > column;
		/* A word that is longer than a line is broken where the line ends. */
		if (used + gap + width > TABLE_COLUMNS && width > TABLE_COLUMNS - column) {
			if (gap)
				putchar(' ');
			word = plain_fitting((struct span){safe + at, (uint32_t)word}, TABLE_COLUMNS - used - gap);
			(void)fwrite(safe + at, 1, word, stdout);
			at += word;
			printf("\n%*s", (int)column, "");
			used = column;
			continue;
		}
		if (used + gap + width > TABLE_COLUMNS) {
			printf("\n%*s", (int)column, "");
			used = column;
			gap = 0;
		}
		if (gap)
			putchar(' ');
		(void)fwrite(safe + at, 1, word, stdout);
		used += gap + width;
		at += word + 1;
	}
	putchar('\n');
}

void sheet_colour(enum sheet_colour colour)
{
	static const char *const codes[] = {"\033[0m", "\033[31m", "\033[32m", "\033[33m", "\033[1m"};
	static int wanted = -1;

	if (wanted < 0) {
		const char *no = getenv("NO_COLOR");
		wanted = isatty(STDOUT_FILENO) && !(no && no[0]);
	}
	if (wanted)
		shown_mark(codes[colour]);
}
