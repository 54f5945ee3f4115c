/*
 * test_sift.c - which lines of the events' stream are kept, with the lines that core/base/log.c writes.
 */
#include "core/trace/sift.h"

#include <stdlib.h>

#include "core/smtp/trace.h"
#include "tests/unit/check.h"

static struct sift *sift;

static void begin(enum sift_detail detail)
{
	free(sift);
	sift = calloc(1, sizeof(*sift));
	sift->detail = detail;
	sift_tick(sift, 1);
}

static bool line(const char *event, const char *level, unsigned id, const char *rest)
{
	char text[512], name[MESSAGE_ID_TEXT];
	int n;

	message_id_text((struct message_id){UINT64_C(1795824000123456789) + id * UINT64_C(1000003), id}, name);
	n = snprintf(text, sizeof(text),
		     "{\"time\":\"2026-03-01T07:12:09.113Z\",\"event\":\"%s\",\"level\":\"%s\",\"shard\":12,\"id\":"
		     "\"%.26s\"%s}",
		     event, level, name, rest);
	return sift_line(sift, text, (size_t)n);
}

static bool accepted(unsigned id)
{
	return line("accepted", "info", id, ",\"sender\":\"a@x\"");
}

static bool attempt(unsigned id, const char *level, unsigned count)
{
	char rest[64];

	snprintf(rest, sizeof(rest), ",\"octets\":1,\"attempt\":%u,\"stage\":\"x\"", count);
	return line("attempt", level, id, rest);
}

static void test_all_and_off(void)
{
	begin(SIFT_ALL);
	CHECK(accepted(1) && attempt(1, "info", 1) && line("refused", "notice", 1, "") && line("held", "error", 1, ""));
	CHECK(!line("session", "info", 1, "") && !line("stats", "info", 1, "") && !line("accepted_x", "info", 1, ""));
	CHECK(!sift_line(sift, "", 0) && !sift_line(sift, "{}", 2));
	begin(SIFT_OFF);
	CHECK(!accepted(1) && !attempt(1, "warning", 1) && !line("refused", "notice", 1, ""));
}

static void test_problems_are_kept_to_their_end(void)
{
	begin(SIFT_PROBLEMS);
	CHECK(!accepted(1) && !attempt(1, "info", 1));
	CHECK_EQ(sift->left_out, 1);
	CHECK(attempt(2, "notice", 1) && line("deferred", "notice", 2, "") && attempt(2, "info", 2));
	CHECK(attempt(2, "info", 1));
	/* Of a process before this one. */
	CHECK(attempt(3, "info", 2) && attempt(4, "info", 11) && !attempt(5, "info", 1));
	CHECK(line("refused", "notice", 6, "") && line("expired", "warning", 6, ""));
	/* Whatever stands before it, or looks like it. */
	CHECK(line("attempt", "info", 7, ",\"recipient\":\"mm@m.example.com\",\"attempt\":3,\"ms\":1"));
	CHECK(!line("attempt", "info", 8, ",\"recipient\":\"mm@m.example.com\",\"attempt\":1,\"ms\":1"));
	CHECK(!line("attempt", "info", 9, ",\"attempts\":3,\"reattempt\":4,\"reply\":\"\\\"attempt\\\":5\""));
	CHECK(!line("attempt", "info", 10, ",\"attempt\":"));
	CHECK(!line("attempt", "info", 11, ",\"attempt\""));
	CHECK(!line("attempt", "info", 12, ",\"atte"));
	CHECK(!line("attempt", "info", 13, ",\"m"));
}

static void test_a_flood_is_sampled_whole(void)
{
	unsigned kept = 0, whole = 0;

	begin(SIFT_AUTO);
	for (unsigned i = 0; i < SIFT_BULK; i++)
		CHECK(accepted(i));
	for (unsigned i = 1000; i < 201000; i++) {
		bool in = accepted(i);
		kept += in;
		whole += in == attempt(i, "info", 1);
	}
	/* One in 1,024. */
	CHECK(kept > 120 && kept < 280);
	CHECK(whole > 199900);
	CHECK_EQ(sift->left_out, 200000 - kept);
	/* Those from before the flood are finished. */
	for (unsigned i = 0; i < SIFT_BULK; i++)
		whole += attempt(i, "info", 1);
	CHECK(whole > 199990);
	CHECK(attempt(777777, "warning", 1));
	/* It ends when a second was quiet. */
	sift_tick(sift, 2);
	CHECK(sift->bulk);
	CHECK(!accepted(300001));
	sift_tick(sift, 3);
	CHECK(!sift->bulk);
	CHECK(accepted(300002) && attempt(300003, "info", 1));
}

int main(void)
{
	RUN(test_all_and_off);
	RUN(test_problems_are_kept_to_their_end);
	RUN(test_a_flood_is_sampled_whole);
	free(sift);
	return check_end();
}
