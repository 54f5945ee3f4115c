/*
 * tests/unit/test_list.c - core/base/list.h.
 */
#include "core/base/list.h"

#include "tests/unit/check.h"

enum { ITEMS = 3 };

static void test_order(void)
{
	struct list head, items[ITEMS];

	list_init(&head);
	CHECK(list_empty(&head) && list_take_first(&head) == NULL);
	for (int i = 0; i < ITEMS; i++) {
		list_init(&items[i]);
		CHECK(!list_linked(&items[i]));
	}
	list_append(&head, &items[1]);
	list_append(&head, &items[2]);
	list_prepend(&head, &items[0]);
	list_remove(&items[1]);
	CHECK(!list_linked(&items[1]) && list_linked(&items[0]));
	CHECK(list_take_first(&head) == &items[0] && list_take_first(&head) == &items[2] && list_empty(&head));
}

/* What is taken is in its order, both ways round, and the other list is there to be used again. */
static void test_take_all(void)
{
	for (int count = 0; count <= ITEMS; count++) {
		struct list from, to, items[ITEMS], more;
		int n = 0;
		list_init(&from);
		for (int i = 0; i < count; i++) {
			list_init(&items[i]);
			list_append(&from, &items[i]);
		}
		list_take_all(&from, &to);
		CHECK(list_empty(&from) && list_empty(&to) == (count == 0));
		for (const struct list *link = to.next; link != &to; link = link->next)
			CHECK(link == &items[n++] && link->next->prev == link);
		CHECK_EQ(n, count);
		list_init(&more);
		list_append(&from, &more);
		CHECK(list_take_first(&from) == &more && list_take_first(&from) == NULL);
		for (int i = 0; i < count; i++)
			CHECK(list_take_first(&to) == &items[i] && !list_linked(&items[i]));
		CHECK(list_empty(&to));
	}
}

int main(void)
{
	RUN(test_order);
	RUN(test_take_all);
	return check_end();
}
