/*
 * fuzz_top.c - what answers the control socket, whatever it is: `postrider top` takes it, draws it at any size, and
 * writes it for programs; no cell has what a terminal obeys, and each row has its columns.
 */
#include <jansson.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/smtp/utf8.h"
#include "core/tools/top_view.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void need(bool condition)
{
	if (!condition)
		abort();
}

static void check_row(const struct top_screen *screen, int row)
{
	int columns = 0;

	for (int i = 0; i < screen->columns; i++) {
		const struct top_cell *cell = &screen->cells[row * screen->columns + i];
		struct span rest = span_text(cell->text);
		columns += cell->columns;
		while (rest.length > 0) {
			uint32_t octets, code = utf8_code(rest, &octets);
			need(octets > 0 && !utf8_obeyed(code) && (screen->utf8 || code < 0x80));
			rest.data += octets;
			rest.length -= octets;
		}
	}
	need(columns == screen->columns);
}

static void draw(const struct top_model *model, struct top_view *view, int rows, int columns, bool utf8)
{
	struct top_screen screen = {0};

	need(top_screen_size(&screen, rows, columns, utf8));
	top_draw(model, view, &screen);
	for (int row = 0; row < screen.rows; row++)
		check_row(&screen, row);
	top_screen_free(&screen);
}

/* The first octets say how large the terminal is and what was pressed; the rest is an object of the four answers. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct top_view view = {.utc = true, .wall_s = 1767225600};
	struct top_model model;
	json_t *all, *json;

	if (size < 4)
		return 0;
	all = json_loadb((const char *)data + 4, size - 4, 0, NULL);
	top_model_init(&model);
	for (int i = 0; i < 3; i++) {
		const struct top_answers answers = {json_object_get(all, "status"), json_object_get(all, "stats"),
						    json_object_get(all, "devices"), json_object_get(all, "errors")};
		if (i == 1 && data[3] & 1)
			top_model_lost(&model, "gone");
		else
			need(top_model_take(&model, &answers, i * 1.5, 1767225600 + i));
		view.panel = (enum top_panel)(data[2] % TOP_PANELS);
		draw(&model, &view, data[0], data[1], data[2] & 8);
		top_move(&model, &view, (int8_t)data[3]);
	}
	/* The same octets as a page and as what was typed. */
	char *page = calloc(1, size + 1);
	need(page != NULL);
	memcpy(page, data + 4, size - 4);
	view.page = page;
	view.page_title = page;
	view.question = page;
	snprintf(view.typed, sizeof(view.typed), "%s", page);
	draw(&model, &view, data[0], data[1], data[2] & 8);
	free(page);
	json = top_model_json(&model);
	need(json != NULL);
	json_decref(json);
	json_decref(all);
	top_model_deinit(&model);
	return 0;
}
