/*
 * core/tools/written.c - see written.h.
 */
#include "core/tools/written.h"

#include <time.h>

void written_quoted(FILE *out, const char *text)
{
	fputc('"', out);
	for (; *text != '\0'; text++) {
		if (*text == '"' || *text == '\\')
			fputc('\\', out);
		fputc(*text, out);
	}
	fputc('"', out);
}

const char *written_day(int64_t seconds, char text[WRITTEN_DAY_SIZE])
{
	time_t shown = (time_t)seconds;
	struct tm tm;

	text[0] = '\0';
	(void)strftime(text, WRITTEN_DAY_SIZE, "%Y-%m-%d", gmtime_r(&shown, &tm));
	return text;
}
