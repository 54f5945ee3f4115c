/*
 * core/page/frame.h - what all views have: head, navigation, foot; who looks, and whether he may act; what is said
 * where something cannot be shown.
 *
 *     struct frame f;
 *     if (frame_begin(&f, request, FRAME_MAIL, "Mail")) {
 *             html_put(&f.html, ...);
 *             frame_end(&f);
 *     }
 */
#ifndef POSTRIDER_PAGE_FRAME_H
#define POSTRIDER_PAGE_FRAME_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/control/pass.h"
#include "core/control/request.h"
#include "core/page/form.h"
#include "core/page/html.h"
#include "core/page/pulse.h"

enum frame_view { FRAME_NOW, FRAME_MAIL, FRAME_DEVICES, FRAME_PROVIDERS, FRAME_HEALTH, FRAME_VIEWS, FRAME_NONE };

struct frame {
	struct control_request *request;
	struct pulse *pulse;
	struct html html;
	unsigned status;
	int64_t now_s;
	bool operate;              /* who looks may act */
	char token[PASS_TEXT + 1]; /* of his forms */
};

/* False: who asks has not signed in, and was told how. */
bool frame_begin(struct frame *f, struct control_request *request, enum frame_view view, const char *title);
void frame_end(struct frame *f);
/* The same for what is no view: `status`, a title, and a sentence. */
void frame_say(struct control_request *request, unsigned status, const char *title, const char *sentence);

/* A state: a word, and a colour beside it. */
enum frame_tone { FRAME_WELL, FRAME_ATTENTION, FRAME_WRONG, FRAME_QUIET };
const char *frame_tone(enum frame_tone tone);
void frame_state(struct html *html, enum frame_tone tone, const char *word);
/* A box of a sentence. */
void frame_sentence(struct html *html, enum frame_tone tone, const char *sentence);
/* An answer that says why there is none (`error`), as a box; false: it says nothing of the kind. */
bool frame_error(struct frame *f, const json_t *answer);
/* Shards that did not answer, where there are any. */
void frame_missing(struct frame *f, const json_t *answer);
/* The beginning of a form that acts: with its token, and where to go back to. */
void frame_form(struct frame *f, const char *class);
/* Reads the form that was sent, which is form_free()d in any case. False: it is none, or not of a page of who asks. */
bool frame_form_sent(const struct control_request *request, struct form *form);

#endif
