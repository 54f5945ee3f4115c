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

void written_json(FILE *out, json_t *json)
{
	if (json == NULL || json_dumpf(json, out, 0) < 0)
		fputs("postrider: out of memory\n", stderr);
	else
		fputc('\n', out);
	json_decref(json);
}

const char *written_day(int64_t seconds, char text[WRITTEN_DAY_SIZE])
{
	time_t shown = (time_t)seconds;
	struct tm tm;

	text[0] = '\0';
	(void)strftime(text, WRITTEN_DAY_SIZE, "%Y-%m-%d", gmtime_r(&shown, &tm));
	return text;
}
