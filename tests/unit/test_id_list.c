/*
 * tests/unit/test_id_list.c - core/tools/id_list.c: each id once, in the order in which they came, and nothing that is
 * none.
 */
#include "core/tools/id_list.h"

#include "tests/unit/check.h"

enum { MANY = 300000 };

static const char *text_of(struct message_id id, char text[ID_LIST_TEXT])
{
	message_id_text(id, text);
	text[MESSAGE_ID_TEXT] = '\0';
	return text;
}

/* As several shards give them: times that grow, counters, and few of the bits that tell two apart. */
static struct message_id made(unsigned i)
{
	return (struct message_id){UINT64_C(1700000000000000000) + i / 7, (uint64_t)(i % 7) << 48 | 0x1234};
}

static void test_each_once(void)
{
	static struct id_list list;
	char text[ID_LIST_TEXT];
	unsigned added = 0, there = 0, wrong = 0;

	for (unsigned i = 0; i < MANY; i++) {
		added += id_list_add(&list, text_of(made(i), text)) == ID_LIST_ADDED;
		there += id_list_add(&list, text_of(made(i / 2), text)) == ID_LIST_THERE;
	}
	CHECK_EQ(added, MANY);
	CHECK_EQ(there, MANY);
	CHECK_EQ(list.count, MANY);
	for (unsigned i = 0; i < MANY; i++) {
		char other[ID_LIST_TEXT];
		wrong += strcmp(id_list_text(&list, i, text), text_of(made(i), other)) != 0;
	}
	CHECK_EQ(wrong, 0);
	id_list_free(&list);
	CHECK_EQ(list.count, 0);
	CHECK_EQ(id_list_add(&list, text_of(made(1), text)), ID_LIST_ADDED);
	id_list_free(&list);
}

static void test_no_id(void)
{
	static const char *const none[] = {"",
					   "nonsense",
					   "0000000000000000000000000",
					   "000000000000000000000000000",
					   "ZZZZZZZZZZZZZZZZZZZZZZZZZZ",
					   "0000000000000\x1b[2J000000000",
					   "0000000000000\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"};
	struct id_list list = {0};

	for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++)
		CHECK_EQ(id_list_add(&list, none[i]), ID_LIST_NO_ID);
	CHECK_EQ(list.count, 0);
	id_list_free(&list);
}

int main(void)
{
	RUN(test_each_once);
	RUN(test_no_id);
	return check_end();
}
