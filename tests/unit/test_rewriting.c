/*
 * tests/unit/test_rewriting.c - what an attempt's header becomes under a mailbox's name, by the host that it is for.
 */
#include "core/deliver/rewriting.h"

#include "core/config/config.h"
#include "queue/envelope.h"
#include "tests/unit/check.h"

static const struct config config;
static const struct config_destination destination = {.sender = CONFIG_SENDER_MAILBOX};

static const struct {
	const char *sender;
	bool narrow;
	const char *header;
} table[] = {
	{"copier@lan", false, "From: box@contoso.com\r\nReply-To: <copier@lan>\r\n"},
	{"copier@b\xc3\xbc\x63her.example", false,
	 "From: box@contoso.com\r\nReply-To: <copier@b\xc3\xbc\x63her.example>\r\n"},
	/* A host without SMTPUTF8 hears nothing that needs it. */
	{"copier@lan", true, "From: box@contoso.com\r\nReply-To: <copier@lan>\r\n"},
	{"copier@b\xc3\xbc\x63her.example", true,
	 "From: box@contoso.com\r\nReply-To: <copier@xn--bcher-kva.example>\r\n"},
	{"gr\xc3\xbc\xc3\x9f\x65@b\xc3\xbc\x63her.example", true, "From: box@contoso.com\r\n"},
	{"", true, "From: box@contoso.com\r\n"},
};

static void test_author_from_the_envelope(void)
{
	static const char content[] = "From: \r\n\r\nbody\r\n";

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		const struct envelope envelope = {.sender = span_text(table[i].sender)};
		struct rewriting *r;
		char header[200];

		CHECK(rewriting_begin(&config, &destination, &envelope, span_text("box@contoso.com"), table[i].narrow,
				      &r));
		CHECK_EQ(rewriting_take(r, (const uint8_t *)content, sizeof(content) - 1, true), REWRITING_READY);
		snprintf(header, sizeof(header), "%.*s", (int)r->head.size, (const char *)r->head.data);
		CHECK_STR(header, table[i].header);
		rewriting_free(r);
	}
}

int main(void)
{
	RUN(test_author_from_the_envelope);
	return check_end();
}
