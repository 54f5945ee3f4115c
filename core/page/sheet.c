/*
 * core/page/sheet.c - the settings to type into a machine, to print and to carry there, or to read off the screen with
 * a telephone: of a device of the inventory, or of one that is to come. The words are those of `postrider device`
 * (core/control/sheet.c).
 */
#include <string.h>

#include "core/control/within.h"
#include "core/page/frame.h"
#include "core/page/page.h"
#include "core/page/qr.h"
#include "core/page/shown.h"

static const char *const keys[] = {"name", "address", "user", "profile", "from", "place"};
enum { KEYS = sizeof(keys) / sizeof(keys[0]) };

static const char *given(const struct frame *f, const char *key)
{
	const char *value = request_value(f->request, key);

	return value ? value : "";
}

static void put_field(struct frame *f, const char *label, const char *key, bool required)
{
	html_put(&f->html, "<label>%s<input name=\"%s\" value=\"%s\" maxlength=\"320\" autocomplete=\"off\"", label,
		 key, given(f, key));
	html_put(&f->html, required ? " required></label>" : "></label>");
}

static void put_profiles(struct frame *f)
{
	json_t *answer = within_get(f->request, "/v1/profiles", NULL);
	const json_t *one;
	size_t i;

	html_put(&f->html, "<label>What it is<select name=\"profile\"><option value=\"\">not known</option>");
	json_array_foreach(json_object_get(answer, "profiles"), i, one)
	{
		const char *name = shown_text(one, "name");
		html_put(&f->html,
			 strcmp(name, given(f, "profile")) == 0 ? "<option value=\"%s\" selected>%s: %s</option>"
								: "<option value=\"%s\">%s: %s</option>",
			 name, name, shown_text(one, "about"));
	}
	html_put(&f->html, "</select></label>");
	json_decref(answer);
}

void page_put_sheet_form(struct frame *f)
{
	html_put(&f->html,
		 "<section class=\"add\"><h2>Add a device</h2><p>Its sheet is what to type into the machine, with "
		 "a code that a telephone reads.</p><form class=\"search\" method=\"get\" "
		 "action=\"/page/device\">");
	put_field(f, "Name", "name", true);
	put_field(f, "Address that it comes from", "address", false);
	put_field(f, "or user that it signs in as", "user", false);
	put_profiles(f);
	put_field(f, "From, of its mail", "from", false);
	put_field(f, "Place", "place", false);
	html_put(&f->html, "<button>Make its sheet</button></form></section>");
}

/* Line by line, of which each may be as long as any text. */
static void put_lines(struct html *html, const char *text)
{
	for (size_t n; *text; text += n + (text[n] == '\n')) {
		n = strcspn(text, "\n");
		html_text(html, (struct span){text, (uint32_t)n});
		html_put(html, "\n");
	}
}

static void put_sheet(struct frame *f, const json_t *answer)
{
	const char *name = shown_text(answer, "name"), *command = shown_text(answer, "command");

	html_put(&f->html, "<section class=\"sheet\"><h2><bdi>%s</bdi></h2><div>", name);
	html_put(&f->html, "<pre>");
	put_lines(&f->html, shown_text(answer, "sheet"));
	html_put(&f->html, "</pre>");
	if (!qr_put(&f->html, shown_text(answer, "settings"), "The settings, for a telephone"))
		html_put(&f->html, "<p class=\"soft\">They are too long for a code that a telephone reads.</p>");
	html_put(&f->html, "</div></section>");
	if (command[0]) {
		html_put(&f->html,
			 "<section class=\"add\"><h2>To let it in</h2><p>It is not in the inventory yet. The page "
			 "writes no configuration: run this on the relay's machine, and then <code>postrider "
			 "reload</code></p><pre>%s</pre></section>",
			 command);
	} else {
		html_put(&f->html, "<p class=\"add\"><a href=\"/page/mail?list=trace&amp;device=");
		html_value(&f->html, name);
		html_put(&f->html, "\">Its mail</a></p>");
	}
}

void page_device(struct control_request *request)
{
	struct request_given values[KEYS + 1] = {{NULL, NULL}};
	struct frame f;
	unsigned status;
	json_t *answer;

	if (!frame_begin(&f, request, FRAME_DEVICES, "Settings of a device"))
		return;
	for (size_t i = 0; i < KEYS; i++)
		values[i] = (struct request_given){keys[i], request_value(request, keys[i])};
	answer = within_ask(request, "GET", "/v1/sheet", values, NULL, &status);
	if (frame_error(&f, answer)) {
		f.status = status;
		page_put_sheet_form(&f);
	} else {
		put_sheet(&f, answer);
	}
	json_decref(answer);
	frame_end(&f);
}
