/*
 * core/page/devices.c - the view of devices: who of the inventory sends, who is silent, and what was said to whom.
 */
#include <string.h>

#include "core/control/within.h"
#include "core/page/frame.h"
#include "core/page/page.h"
#include "core/page/shown.h"

static enum frame_tone tone_of(const char *state)
{
	if (strcmp(state, "ok") == 0)
		return FRAME_WELL;
	if (strcmp(state, "never seen") == 0)
		return FRAME_QUIET;
	return strcmp(state, "silent") == 0 ? FRAME_ATTENTION : FRAME_WRONG;
}

static void put_count(struct frame *f, const char *device, const char *result, json_int_t count)
{
	char text[SHOWN_SIZE];

	html_put(&f->html, "<td class=\"n\"><a href=\"/page/mail?list=trace");
	if (result)
		html_put(&f->html, "&amp;result=%s", result);
	html_put(&f->html, "&amp;device=");
	html_value(&f->html, device);
	html_put(&f->html, "\">%s</a></td>", shown_count(count, text));
}

static void put_device(struct frame *f, const json_t *one)
{
	const char *name = shown_text(one, "name"), *refusal = shown_text(one, "last_refusal");
	char seen[SHOWN_SIZE], mail[SHOWN_SIZE], refused[SHOWN_SIZE];

	html_put(&f->html, "<tr><th scope=\"row\"><a href=\"/page/device?name=");
	html_value(&f->html, name);
	html_put(&f->html, "\"><bdi>%s</bdi></a><br><span class=\"soft\"><bdi>%s</bdi></span></th><td>", name,
		 shown_text(one, "place"));
	frame_state(&f->html, tone_of(shown_text(one, "state")), shown_text(one, "state"));
	html_put(&f->html, "</td><td><bdi>%s</bdi></td><td class=\"n\">%s</td><td class=\"n\">%s</td>",
		 shown_text(one, "by"), shown_ago(shown_text(one, "last_seen"), f->now_s, seen),
		 shown_ago(shown_text(one, "last_message"), f->now_s, mail));
	put_count(f, name, NULL, shown_number(one, "messages"));
	put_count(f, name, "refused", shown_number(one, "refusals"));
	html_put(&f->html, "<td>");
	if (refusal[0])
		html_put(&f->html, "<q><bdi>%s</bdi></q> <span class=\"soft\">%s ago</span>", refusal,
			 shown_ago(shown_text(one, "refused_at"), f->now_s, refused));
	html_put(&f->html, "</td></tr>");
}

static void put_list(struct frame *f, const json_t *answer)
{
	const json_t *list = json_object_get(answer, "devices"), *one, *states = json_object_get(answer, "states");
	char text[SHOWN_SIZE], all[SHOWN_SIZE];
	const char *state;
	json_t *count;
	size_t i;

	if (shown_number(answer, "device_count") == 0) {
		html_put(&f->html,
			 "<p>There is no inventory of devices. With one, this shows who sends, who has fallen "
			 "silent, and what was said to whom: write <code>devices: devices.d</code> into the "
			 "configuration, and make that directory beside it.</p>");
		return;
	}
	html_put(&f->html, "<p>");
	json_object_foreach((json_t *)(uintptr_t)states, state, count)
	{
		frame_state(&f->html, tone_of(state), state);
		html_put(&f->html, " %s &nbsp; ", shown_count(json_integer_value(count), text));
	}
	html_put(
		&f->html,
		"</p><form class=\"search\" method=\"get\" role=\"search\"><label>Name, place or address<input "
		"name=\"match\" value=\"%s\"></label><button>Look</button></form><div class=\"wide\" tabindex=\"0\" "
		"role=\"region\" aria-label=\"Devices\"><table><thead><tr><th scope=\"col\">Device</th><th "
		"scope=\"col\">State</th><th scope=\"col\">Known by</th><th scope=\"col\" class=\"n\">Seen ago</th><th "
		"scope=\"col\" class=\"n\">Mail ago</th><th scope=\"col\" class=\"n\">Messages</th><th scope=\"col\" "
		"class=\"n\">Refusals</th><th scope=\"col\">Last refusal</th></tr></thead><tbody>",
		request_value(f->request, "match") ? request_value(f->request, "match") : "");
	json_array_foreach((json_t *)(uintptr_t)list, i, one) put_device(f, one);
	html_put(&f->html, "</tbody></table></div><p class=\"soft\">%s of %s that fit, the worst first.</p>",
		 shown_count((json_int_t)json_array_size(list), text),
		 shown_count(shown_number(answer, "fitting"), all));
}

void page_devices(struct control_request *request)
{
	const char *match = request_value(request, "match");
	const struct request_given values[] = {
		{"match", match && match[0] ? match : NULL}, {"limit", "100"}, {NULL, NULL}};
	struct frame f;
	unsigned status;
	json_t *answer;

	if (!frame_begin(&f, request, FRAME_DEVICES, "Devices"))
		return;
	answer = within_ask(request, "GET", "/v1/devices", values, NULL, &status);
	if (frame_error(&f, answer))
		f.status = status;
	else
		put_list(&f, answer);
	json_decref(answer);
	page_put_sheet_form(&f);
	frame_end(&f);
}
