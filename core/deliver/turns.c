/*
 * core/deliver/turns.c - see turns.h.
 */
#include "core/deliver/turns.h"

#include <assert.h>

void turns_init(struct turns *t)
{
	*t = (struct turns){.octets = 0};
	list_init(&t->waiting);
}

void turns_waiter_init(struct turns_waiter *w, void (*fn)(struct turns_waiter *w))
{
	list_init(&w->link);
	w->fn = fn;
}

bool turns_take(struct turns *t, struct turns_waiter *w, size_t octets)
{
	bool first = t->called == w || list_empty(&t->waiting);

	assert(octets <= TURNS_OCTETS);
	if (list_linked(&w->link))
		return false;
	if (first && t->octets + octets <= TURNS_OCTETS) {
		t->octets += octets;
		return true;
	}
	list_append(&t->waiting, &w->link);
	return false;
}

void turns_run(struct turns *t)
{
	struct list *link;

	t->octets = 0;
	/* Who is called and has enough of it leaves the rest to the next. */
	while (t->octets < TURNS_OCTETS && (link = list_take_first(&t->waiting)) != NULL) {
		t->called = container_of(link, struct turns_waiter, link);
		t->called->fn(t->called);
		t->called = NULL;
		/* It wants more than what is left. */
		if (!list_empty(&t->waiting) && t->waiting.prev == link)
			return;
	}
}
