/*
 * core/tools/top_keys.h - what the keys of `postrider top` do: they move about, ask, and have another command of the
 * program run (top_child.h).
 */
#ifndef POSTRIDER_TOOLS_TOP_KEYS_H
#define POSTRIDER_TOOLS_TOP_KEYS_H

#include <stdbool.h>
#include <stdint.h>

#include "core/tools/ask.h"
#include "core/tools/top_child.h"
#include "core/tools/top_view.h"

enum top_asking {
	TOP_ASKS_NOTHING,
	TOP_ASKS_FILTER,
	TOP_ASKS_FOR, /* how long it is suspended */
	TOP_ASKS_WHY, /* and the reason */
	TOP_ASKS_RESUME,
	TOP_ASKS_HOLD,
	TOP_ASKS_RETRY,
};

struct top_keys {
	const struct ask *ask;
	struct top_view view;
	enum top_asking asking;
	bool by_id;                   /* what is acted on is one message, not a destination */
	char target[TOP_KEY_MAX];     /* its id, or the destination's name */
	char duration[TOP_ASKED_MAX]; /* what was answered */
	char question[TOP_ASKED_MAX + TOP_KEY_MAX];
	struct top_child child;
	bool as_page; /* what it writes is read; else its first line is */
	char title[1100];
	char *page; /* owned */
};

/* `ask` stays the caller's. */
void top_keys_init(struct top_keys *keys, const struct ask *ask);
void top_keys_deinit(struct top_keys *keys);
/* False: that was the end. `key`: of top_terminal.h. */
bool top_keys_press(struct top_keys *keys, const struct top_model *model, uint32_t key);
/* What runs may have ended. True: there is something else to see. */
bool top_keys_turn(struct top_keys *keys, const struct top_model *model);

#endif
