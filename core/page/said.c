/*
 * core/page/said.c - see said.h.
 */
#include "core/page/said.h"

#include <stdio.h>

#include "core/control/within.h"
#include "core/page/shown.h"

/* Of one that no rule knows the first digit alone says what it is. */
static const char *plain_meaning(json_int_t code)
{
	return code >= 500 ? "Refused for good, in words of its own."
			   : "Not now, in words of its own: it is tried again.";
}

static void put_meaning(struct frame *f, const json_t *error, const char *text, const char *destination, bool whole)
{
	json_int_t code = shown_number(error, "code");
	char number[SHOWN_SIZE];
	const struct request_given values[] = {{"code", number},
					       {"text", text},
					       {"stage", json_string_value(json_object_get(error, "stage"))},
					       {"destination", destination[0] ? destination : NULL},
					       {NULL, NULL}};
	const char *problem, *check, *document;
	json_t *meaning;

	snprintf(number, sizeof(number), "%lld", (long long)code);
	meaning = within_get(f->request, "/v1/explain", values);
	problem = shown_text(meaning, "problem");
	check = shown_text(meaning, "check");
	document = shown_text(meaning, "document");
	if (code >= 400)
		html_put(&f->html, "<b>%s</b><br>", problem[0] ? problem : plain_meaning(code));
	if (whole && check[0])
		html_put(&f->html, "Look at: %s<br>", check);
	if (whole && document[0])
		html_put(&f->html, "<span class=\"soft\">Described at %s</span><br>", document);
	json_decref(meaning);
}

void said_put(struct frame *f, const json_t *error, const char *text_key, const char *destination, bool whole)
{
	const char *text = shown_text(error, text_key), *stage = shown_text(error, "stage");
	json_int_t code = shown_number(error, "code");

	if (!text[0] && code == 0)
		return;
	if (code >= 200 && code <= 599)
		put_meaning(f, error, text, destination, whole);
	html_put(&f->html, "<q>");
	if (stage[0] && whole)
		html_put(&f->html, "%s: ", stage);
	if (code > 0)
		html_put(&f->html, "%lld ", (long long)code);
	html_put(&f->html, "<bdi>%s</bdi></q>", text);
}
