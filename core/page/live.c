/*
 * core/page/live.c - see live.h.
 */
#include "core/page/live.h"

#include <stdio.h>
#include <string.h>

#include "core/base/clock.h"

/* What limits a destination (docs/control.md, why), the gravest first. */
static const struct {
	const char *by, *word;
	enum frame_tone tone;
} limits[] = {
	{"suspended", "suspended", FRAME_ATTENTION},
	{"sign_in", "cannot sign in", FRAME_WRONG},
	{"set_up", "refuses the set-up", FRAME_WRONG},
	{"dns", "no address", FRAME_WRONG},
	{"back_off", "left alone", FRAME_WRONG},
	{"fallback", "by its fallback", FRAME_ATTENTION},
	{"retry", "waits to retry", FRAME_ATTENTION},
	{"limits", "at its limits", FRAME_ATTENTION},
	{"connections", "all connections used", FRAME_ATTENTION},
};

struct live_state live_destination(const json_t *destination)
{
	const json_t *limited = json_object_get(destination, "limited"), *one;
	size_t i;

	for (size_t l = 0; l < sizeof(limits) / sizeof(limits[0]); l++) {
		json_array_foreach((json_t *)(uintptr_t)limited, i, one)
		{
			if (strcmp(json_string_value(one), limits[l].by) == 0)
				return (struct live_state){limits[l].tone, limits[l].word};
		}
	}
	if (shown_number(destination, "ready") + shown_number(destination, "connections") > 0)
		return (struct live_state){FRAME_WELL, "delivering"};
	return (struct live_state){FRAME_QUIET, "nothing to do"};
}

/* How many destinations are wrong; the first of them. */
static unsigned wrong_ones(const json_t *stats, const char **first, const char **word)
{
	const json_t *one;
	unsigned count = 0;
	size_t i;

	json_array_foreach(json_object_get(stats, "destinations"), i, one)
	{
		struct live_state state = live_destination(one);
		if (state.tone != FRAME_WRONG)
			continue;
		if (count++ == 0) {
			*first = shown_text(one, "destination");
			*word = state.word;
		}
	}
	return count;
}

void live_sentence(const struct pulse_view *view, const char *not_ready, struct live_sentence *out)
{
	const json_t *all = json_object_get(view->stats, "all");
	json_int_t queued = shown_number(all, "queued");
	const char *first = "", *word = "";
	char count[SHOWN_SIZE], in[SHOWN_SIZE], done[SHOWN_SIZE];
	unsigned wrong;

	out->tone = FRAME_WRONG;
	if (!view->stats) {
		snprintf(out->text, sizeof(out->text),
			 "No numbers are known yet: the shards have not answered so far.");
		return;
	}
	if (not_ready) {
		snprintf(out->text, sizeof(out->text), "New mail is not taken: %.*s.", (int)strcspn(not_ready, "\n"),
			 not_ready);
		return;
	}
	if (json_array_size(json_object_get(view->stats, "missing")) > 0) {
		snprintf(out->text, sizeof(out->text),
			 "%zu of its shards did not answer in time: look for shard_stuck in the events, and at the "
			 "load of "
			 "the machine.",
			 json_array_size(json_object_get(view->stats, "missing")));
		return;
	}
	wrong = wrong_ones(view->stats, &first, &word);
	if (wrong > 0) {
		snprintf(out->text, sizeof(out->text), "Mail waits: %u destination%s not take it (%.60s%s: %s).", wrong,
			 wrong == 1 ? " does" : "s do", first, wrong > 1 ? " and others" : "", word);
		return;
	}
	out->tone = FRAME_WELL;
	snprintf(out->text, sizeof(out->text), "All is well: %s message%s here, %s/s come in and %s/s go out.",
		 queued == 0 ? "no" : shown_count(queued, count), queued == 1 ? " is" : "s are",
		 shown_rate(pulse_rate(view, NULL, "accepted"), in),
		 shown_rate(pulse_rate(view, NULL, "delivered"), done));
}

static void set_count(json_t *texts, const char *key, json_int_t number)
{
	char text[SHOWN_SIZE];

	json_object_set_new(texts, key, json_string(shown_count(number, text)));
}

static void set_rate(json_t *texts, const char *key, double rate)
{
	char text[SHOWN_SIZE];

	json_object_set_new(texts, key, json_string(shown_rate(rate, text)));
}

static void add_destination(json_t *texts, const struct pulse_view *view, const json_t *one)
{
	const char *name = shown_text(one, "destination");
	char key[400];

	snprintf(key, sizeof(key), "ready %.300s", name);
	set_count(texts, key, shown_number(one, "ready"));
	snprintf(key, sizeof(key), "deferred %.300s", name);
	set_count(texts, key, shown_number(one, "deferred"));
	snprintf(key, sizeof(key), "connections %.300s", name);
	set_count(texts, key, shown_number(one, "connections"));
	snprintf(key, sizeof(key), "rate %.300s", name);
	set_rate(texts, key, pulse_rate(view, name, "delivered"));
}

static json_t *state_json(enum frame_tone tone, const char *word)
{
	return json_pack("[ss]", frame_tone(tone), word);
}

json_t *live_json(const struct pulse_view *view, const char *not_ready)
{
	const json_t *all = json_object_get(view->stats, "all"), *one;
	double in = pulse_rate(view, NULL, "accepted"), out = pulse_rate(view, NULL, "delivered");
	json_t *texts = json_object(), *states = json_object();
	struct live_sentence sentence;
	size_t i;

	live_sentence(view, not_ready, &sentence);
	set_count(texts, "queued", shown_number(all, "queued"));
	set_rate(texts, "in", in);
	set_rate(texts, "out", out);
	set_count(texts, "accepted", shown_number(all, "accepted"));
	set_count(texts, "delivered", shown_number(all, "delivered"));
	set_count(texts, "deferred", shown_number(all, "deferred"));
	set_count(texts, "failed", shown_number(all, "failed"));
	set_count(texts, "refused", shown_number(all, "refused"));
	json_array_foreach(json_object_get(view->stats, "destinations"), i, one)
	{
		struct live_state state = live_destination(one);
		add_destination(texts, view, one);
		json_object_set_new(states, shown_text(one, "destination"), state_json(state.tone, state.word));
	}
	return json_pack("{so so so s{sI sf sf sI}}", "texts", texts, "states", states, "sentence",
			 state_json(sentence.tone, sentence.text), "numbers", "t",
			 (json_int_t)(clock_wall_ns() / CLOCK_NS_PER_S), "in", in, "out", out, "queued",
			 shown_number(all, "queued"));
}
