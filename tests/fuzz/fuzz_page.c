/*
 * fuzz_page.c - what strangers have written, on a page: as a text, in an address, and as the body of a form. Nothing of
 * it is HTML, all of it is UTF-8, and a form that is taken says the same when it is written again.
 */
#include <stdlib.h>
#include <string.h>

#include "core/page/form.h"
#include "core/page/html.h"
#include "core/smtp/utf8.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void need(bool condition)
{
	if (!condition)
		abort();
}

static void try_text(const uint8_t *data, size_t size)
{
	struct html html = {.data = NULL};
	uint32_t octets;

	html_text(&html, (struct span){(const char *)data, (uint32_t)size});
	need(!html.failed && html.length <= 6 * HTML_TEXT_MAX + 3);
	for (size_t i = 0; i < html.length; i += octets) {
		uint32_t code = utf8_code((struct span){html.data + i, (uint32_t)(html.length - i)}, &octets);
		need(octets > 0 && (code == '\n' || code == '\t' || !utf8_obeyed(code)));
		need(!strchr("<>\"'`", (int)(code < 0x80 ? code : 'x')));
		need(code != '&' || strchr(html.data + i, ';'));
	}
	html_free(&html);
}

static void try_value(const char *text)
{
	struct html html = {.data = NULL};

	html_value(&html, text);
	for (size_t i = 0; i < html.length; i++)
		need(strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~%", html.data[i]));
	html_free(&html);
}

static void try_form(const char *body, size_t size)
{
	struct html html = {.data = NULL};
	struct form form, again;

	if (form_read(&form, body, size) < 0)
		return;
	for (size_t i = 0; i < form.count; i++) {
		html_put(&html, i ? "&" : "");
		html_value(&html, form.fields[i].key);
		html_put(&html, "=");
		html_value(&html, form.fields[i].value);
	}
	need(html.failed || form_read(&again, html.data, html.length) == 0);
	if (!html.failed) {
		need(again.count == form.count);
		for (size_t i = 0; i < form.count; i++)
			need(strcmp(again.fields[i].key, form.fields[i].key) == 0 &&
			     strcmp(again.fields[i].value, form.fields[i].value) == 0);
		form_free(&again);
	}
	form_free(&form);
	html_free(&html);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1);

	memcpy(text, data, size);
	text[size] = '\0';
	try_text(data, size);
	try_value(text);
	try_form(text, size);
	free(text);
	return 0;
}
