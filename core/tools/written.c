/*
 * core/tools/written.c - see written.h.
 */
#include "core/tools/written.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/smtp/utf8.h"

json_t *written_text(struct span text)
{
	static const char replaced[] = "\xef\xbf\xbd";
	char *out = malloc(3 * (size_t)text.length + 1);
	size_t n = 0;
	json_t *json;

	if (!out)
		return NULL;
	while (text.length > 0) {
		uint32_t length = (unsigned char)*text.data < 0x80 ? 1 : utf8_character(text);
		memcpy(out + n, length ? text.data : replaced, length ? length : 3);
		n += length ? length : 3;
		length += length == 0;
		text.data += length;
		text.length -= length;
	}
	json = json_stringn(out, n);
	free(out);
	return json;
}

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

/* Jansson takes DEL for a letter. */
static int on_piece(const char *data, size_t length, void *context)
{
	FILE *out = context;

	for (size_t i = 0; i < length; i++) {
		if (data[i] == 0x7f)
			fputs("\\u007f", out);
		else
			fputc(data[i], out);
	}
	return 0;
}

static bool write_piece(FILE *out, const json_t *json, size_t flags)
{
	if (json && json_dump_callback(json, on_piece, out, flags | JSON_ENCODE_ANY | JSON_ENSURE_ASCII) == 0)
		return true;
	fputs("postrider: out of memory\n", stderr);
	return false;
}

static void write_json(FILE *out, json_t *json, size_t flags)
{
	if (write_piece(out, json, flags))
		fputc('\n', out);
	json_decref(json);
}

void written_json_piece(FILE *out, const json_t *json)
{
	(void)write_piece(out, json, 0);
}

void written_json(FILE *out, json_t *json)
{
	write_json(out, json, 0);
}

void written_json_line(FILE *out, json_t *json)
{
	write_json(out, json, JSON_COMPACT | JSON_PRESERVE_ORDER);
}

const char *written_day(int64_t seconds, char text[WRITTEN_DAY_SIZE])
{
	time_t shown = (time_t)seconds;
	struct tm tm;

	text[0] = '\0';
	(void)strftime(text, WRITTEN_DAY_SIZE, "%Y-%m-%d", gmtime_r(&shown, &tm));
	return text;
}
