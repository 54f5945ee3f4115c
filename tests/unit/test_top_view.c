/*
 * test_top_view.c - what `postrider top` makes of answers, and how it looks at all sizes.
 */
#include "core/tools/top_view.h"

#include <stdlib.h>

#include "core/smtp/utf8.h"
#include "tests/unit/check.h"

static struct top_model model;
static struct top_screen screen;
static char text[1 << 16];

struct made {
	unsigned accepted, delivered, way_delivered, fast;
	const char *started;
};

static json_t *json(const char *format, ...)
{
	char out[4096];
	va_list arguments;
	json_t *made;

	va_start(arguments, format);
	vsnprintf(out, sizeof(out), format, arguments);
	va_end(arguments);
	made = json_loads(out, 0, NULL);
	CHECK(made != NULL);
	return made;
}

static void take(const struct made *made, double now)
{
	json_t *status =
		json("{\"version\":\"1.0\",\"state\":\"running\",\"uptime_s\":7300,\"queued\":1204,\"sessions\":12}");
	json_t *stats = json(
		"{\"started\":\"%s\",\"all\":{\"accepted\":%u,\"delivered\":%u,\"deferred\":0,\"failed\":0},"
		"\"destinations\":[{\"destination\":\"o365\",\"ready\":5,\"deferred\":1199,\"connections\":20,"
		"\"delivered\":%u,\"put_off\":0,\"failed\":0,\"limited\":[\"back_off\",\"limits\"]},"
		"{\"destination\":\"partner\\u001b[31m\",\"ready\":0,\"deferred\":0,\"connections\":0,\"limited\":[]}],"
		"\"destination_count\":2,\"delivery_times\":{\"bounds_ms\":[1,5,10],\"messages\":[%u,0,3,0]},"
		"\"missing\":[]}",
		made->started ? made->started : "2026-01-01T00:00:00Z", made->accepted, made->delivered,
		made->way_delivered, made->fast);
	json_t *devices =
		json("{\"devices\":[{\"name\":\"copier\",\"by\":\"10.0.0.1\",\"state\":\"silent\","
		     "\"last_seen\":\"2026-01-01T00:00:00Z\",\"messages\":7}],\"device_count\":10000,\"fitting\":1,"
		     "\"states\":{\"silent\":1}}");
	json_t *errors =
		json("{\"errors\":[{\"event\":\"attempt\",\"level\":\"warning\",\"where\":\"o365\",\"code\":550,"
		     "\"say\":\"The mailbox is full.\",\"reply\":\"x\",\"count\":37,"
		     "\"last\":\"2026-01-01T10:11:12Z\"}],\"left_out\":0}");
	const struct top_answers answers = {status, stats, devices, errors};

	CHECK(top_model_take(&model, &answers, now, 1767225600 + (int64_t)now));
	json_decref(status);
	json_decref(stats);
	json_decref(devices);
	json_decref(errors);
}

static const char *drawn(struct top_view *view, int rows, int columns, bool utf8)
{
	FILE *out = fmemopen(text, sizeof(text), "w");

	CHECK(out && top_screen_size(&screen, rows, columns, utf8));
	top_draw(&model, view, &screen);
	top_screen_write(&screen, out);
	fclose(out);
	return text;
}

static bool has(const char *part)
{
	return strstr(text, part) != NULL;
}

static struct top_view view_of(void)
{
	return (struct top_view){.utc = true, .wall_s = 1767225600};
}

static void begin(void)
{
	top_model_deinit(&model);
	top_model_init(&model);
}

static void test_rates(void)
{
	begin();
	take(&(struct made){.accepted = 100, .delivered = 50, .way_delivered = 10}, 1000);
	CHECK_EQ(model.samples, 0);
	CHECK_EQ((int)model.rates[TOP_ACCEPTED], 0);
	take(&(struct made){.accepted = 160, .delivered = 70, .way_delivered = 30}, 1002);
	CHECK_EQ(model.samples, 1);
	CHECK_EQ((int)model.rates[TOP_ACCEPTED], 30);
	CHECK_EQ((int)model.rates[TOP_DELIVERED], 10);
	CHECK_EQ((int)model.destinations[0].rates[TOP_DELIVERED], 10);
	/* Another process begins at 0: what it has is no rate. */
	take(&(struct made){.accepted = 5, .delivered = 5, .started = "2026-01-02T00:00:00Z"}, 1003);
	CHECK(model.restarted);
	CHECK_EQ(model.samples, 1);
	CHECK_EQ((int)model.between, 0);
	take(&(struct made){.accepted = 8, .delivered = 5, .started = "2026-01-02T00:00:00Z"}, 1004);
	CHECK(!model.restarted);
	CHECK_EQ((int)model.rates[TOP_ACCEPTED], 3);
	/* How long it was away is not known. */
	top_model_lost(&model, "gone");
	CHECK_STR(model.problem, "gone");
	take(&(struct made){.accepted = 800, .delivered = 5, .started = "2026-01-02T00:00:00Z"}, 1100);
	CHECK_STR(model.problem, "");
	CHECK_EQ((int)model.between, 0);
	for (unsigned i = 1; i < TOP_HISTORY + 5; i++)
		take(&(struct made){.accepted = 800 + i, .started = "2026-01-02T00:00:00Z"}, 1100 + i);
	CHECK_EQ(model.samples, TOP_HISTORY);
	CHECK_EQ((int)model.history[TOP_ACCEPTED][TOP_HISTORY - 1], 1);
}

static void test_times(void)
{
	uint64_t counts[TOP_TIMES];
	bool since_start;

	begin();
	take(&(struct made){.fast = 100}, 0);
	CHECK_EQ(top_model_times(&model, counts, &since_start), 103);
	CHECK(since_start);
	take(&(struct made){.fast = 104}, 30);
	CHECK_EQ(top_model_times(&model, counts, &since_start), 4);
	CHECK(!since_start);
	take(&(struct made){.fast = 109}, 80);
	/* The first is more than a minute ago. */
	CHECK_EQ(top_model_times(&model, counts, &since_start), 5);
	take(&(struct made){.fast = 109}, 200);
	CHECK_EQ(top_model_times(&model, counts, &since_start), 112);
	CHECK(since_start);
}

static void test_as_it_is_meant(void)
{
	struct top_view view = view_of();

	begin();
	take(&(struct made){.accepted = 100, .delivered = 10, .fast = 1}, 0);
	take(&(struct made){.accepted = 131, .delivered = 41, .way_delivered = 31, .fast = 32}, 1);
	drawn(&view, 24, 80, true);
	CHECK(has("postrider 1.0 running 2h   queued 1204   sessions 12"));
	CHECK(has("accepted") && has("31/s") && has("took, in the last minute"));
	CHECK(has("DESTINATIONS 2") && has("o365") && has("back_off, limits"));
	CHECK(has("partner?[31m") && !has("\x1b"));
	CHECK(has("10:11:12      37 o365             550 The mailbox is full."));
	CHECK(has("DEVICES 10000 1 silent") && has("copier"));
	CHECK(has("? help"));
	drawn(&view, 24, 80, false);
	for (size_t i = 0; text[i] != '\0'; i++)
		CHECK((uint8_t)text[i] < 0x80);
	top_model_lost(&model, "the process has ended");
	drawn(&view, 24, 80, true);
	CHECK(has("no answer since 00:00:01: the process has ended"));
	view.page_title = "page";
	view.page = "key           a long value that goes on and on and on and on and on and on and on and on, to the "
		    "end\nlast\n";
	drawn(&view, 24, 80, true);
	CHECK(has("\n              ") && has("\nlast\n") && !has("o365"));
	view.page = NULL;
	view.question = "why:";
	snprintf(view.typed, sizeof(view.typed), "because \x1b[2J");
	drawn(&view, 24, 80, true);
	CHECK(has("why: because ?[2J_"));
}

static void test_rows_stay_chosen(void)
{
	struct top_view view = view_of();

	begin();
	take(&(struct made){0}, 0);
	drawn(&view, 24, 80, true);
	CHECK_STR(top_chosen_destination(&model, &view)->name, "o365");
	top_move(&model, &view, 1);
	CHECK(strncmp(top_chosen_destination(&model, &view)->name, "partner", 7) == 0);
	top_move(&model, &view, 100);
	CHECK(strncmp(top_chosen_destination(&model, &view)->name, "partner", 7) == 0);
	top_move(&model, &view, -100);
	CHECK_STR(top_chosen_destination(&model, &view)->name, "o365");
	CHECK(!top_chosen_error(&model, &view) && !top_chosen_device(&model, &view));
	/* It has moved down, and is chosen still. */
	struct top_destination first = model.destinations[0];
	model.destinations[0] = model.destinations[1];
	model.destinations[1] = first;
	drawn(&view, 24, 80, true);
	CHECK_STR(top_chosen_destination(&model, &view)->name, "o365");
	view.panel = TOP_ERRORS;
	CHECK_EQ(top_chosen_error(&model, &view)->count, 37);
	view.panel = TOP_DEVICES;
	CHECK_STR(top_chosen_device(&model, &view)->name, "copier");
	begin();
	drawn(&view, 24, 80, true);
	CHECK(!top_chosen_device(&model, &view));
	top_move(&model, &view, 5);
	top_move(&model, &view, -5);
}

static void test_all_sizes(void)
{
	struct top_view view = view_of();

	begin();
	for (int with = 0; with < 2; with++) {
		for (int rows = 1; rows < 60; rows += 3) {
			for (int columns = 1; columns < 230; columns += 7) {
				drawn(&view, rows, columns, true);
				for (int i = 0; i < screen.rows * screen.columns; i++)
					CHECK(screen.cells[i].columns <= 2);
				view.once = !view.once;
			}
		}
		take(&(struct made){.accepted = 1, .fast = 1}, 0);
	}
}

static void test_numbers(void)
{
	static const struct {
		uint64_t count;
		const char *text;
	} counts[] = {{0, "0"},          {1204, "1204"},         {99999, "99999"},     {100000, "100k"},
		      {1234567, "1.2M"}, {10000000000, "10.0G"}, {UINT64_MAX, "18.4E"}};
	static const struct {
		double rate;
		const char *text;
	} rates[] = {{0, "0.0"},   {-1, "0.0"},  {0.04, "0.0"},    {9.94, "9.9"},
		     {9.96, "10"}, {31.2, "31"}, {250000, "250k"}, {1e30, "1.0E"}};
	char out[24];

	for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++)
		CHECK_STR(top_count_text(counts[i].count, out), counts[i].text);
	for (size_t i = 0; i < sizeof(rates) / sizeof(rates[0]); i++)
		CHECK_STR(top_rate_text(rates[i].rate, out), rates[i].text);
}

int main(void)
{
	RUN(test_rates);
	RUN(test_times);
	RUN(test_as_it_is_meant);
	RUN(test_rows_stay_chosen);
	RUN(test_all_sizes);
	RUN(test_numbers);
	top_model_deinit(&model);
	top_screen_free(&screen);
	return check_end();
}
