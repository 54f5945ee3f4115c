/*
 * core/tools/sheet.c - see sheet.h.
 */
#include "core/tools/sheet.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "core/tools/shown.h"
#include "core/trace/plain.h"

enum { CELL_MAX = 1024 };

void sheet_cell(struct span text, int columns)
{
	char safe[CELL_MAX];
	size_t width = (size_t)abs(columns);
	size_t length = plain_copy(safe, sizeof(safe), text, NULL);
	size_t used = plain_columns((struct span){safe, (uint32_t)length});

	if (columns < 0 && used < width)
		printf("%*s", (int)(width - used), "");
	if (used > width) {
		(void)fwrite(safe, 1, plain_fitting((struct span){safe, (uint32_t)length}, width - 1), stdout);
		fputs("\u2026", stdout);
	} else {
		(void)fwrite(safe, 1, length, stdout);
	}
	if (columns > 0 && used < width)
		printf("%*s", (int)(width - used), "");
}

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
		if (used + gap + width > SHEET_COLUMNS && width > SHEET_COLUMNS - column) {
			if (gap)
				putchar(' ');
			word = plain_fitting((struct span){safe + at, (uint32_t)word}, SHEET_COLUMNS - used - gap);
			(void)fwrite(safe + at, 1, word, stdout);
			at += word;
			printf("\n%*s", (int)column, "");
			used = column;
			continue;
		}
		if (used + gap + width > SHEET_COLUMNS) {
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
