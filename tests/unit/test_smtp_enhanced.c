/* tests/unit/test_smtp_enhanced.c - enhanced status codes as numbers (RFC 3463 2, RFC 2034 4). */
#include "core/smtp/enhanced.h"
#include "tests/unit/check.h"

static const struct {
	unsigned code;
	const char *text;
	uint32_t enhanced;
} table[] = {
	{550, "5.7.1 no", SMTP_ENHANCED(5, 7, 1)},
	{550, "5.7.1", SMTP_ENHANCED(5, 7, 1)},
	{550, "5.7.139\nmore", SMTP_ENHANCED(5, 7, 139)},
	{250, "2.0.0 Ok", SMTP_ENHANCED(2, 0, 0)},
	{421, "4.7.66 TLS", SMTP_ENHANCED(4, 7, 66)},
	{550, "5.7.999 x", SMTP_ENHANCED(5, 7, 999)},
	{550, "5.7.1: x", SMTP_ENHANCED(5, 7, 1)},
	{550, "5.7.1;x", SMTP_ENHANCED(5, 7, 1)},
	/* The class is that of the reply (RFC 2034 4). */
	{451, "5.7.3 STARTTLS is required", 0},
	{250, "5.0.0", 0},
	/* Something else. */
	{550, "", 0},
	{550, "5", 0},
	{550, "5.7", 0},
	{550, "5.7.", 0},
	{550, "5..1 x", 0},
	{550, "5.7.1.2 is an address", 0},
	{550, "5.7.1234 x", 0},
	{550, "5.1234.1 x", 0},
	{550, "5.07.1 x", 0},
	{550, " 5.7.1 x", 0},
	{550, "<5.7.1> x", 0},
	{0, "0.0.0 x", 0},
	{650, "6.0.0 x", 0},
};

static void test_table(void)
{
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		uint32_t found = smtp_enhanced_code(table[i].code, span_text(table[i].text));
		if (found != table[i].enhanced)
			fprintf(stderr, "%u %s\n", table[i].code, table[i].text);
		CHECK_EQ(found, table[i].enhanced);
	}
}

static void test_parts(void)
{
	uint32_t enhanced = SMTP_ENHANCED(5, 7, 139);

	CHECK_EQ(smtp_enhanced_class(enhanced), 5);
	CHECK_EQ(smtp_enhanced_subject(enhanced), 7);
	CHECK_EQ(smtp_enhanced_detail(enhanced), 139);
	CHECK(SMTP_ENHANCED(5, 7, 606) < SMTP_ENHANCED(5, 7, 649));
}

/* Nothing is read behind the end. */
static void test_cut(void)
{
	static const char text[] = "5.7.1";

	for (uint32_t n = 0; n < 5; n++)
		CHECK_EQ(smtp_enhanced_code(550, (struct span){text, n}), 0);
}

int main(void)
{
	RUN(test_table);
	RUN(test_parts);
	RUN(test_cut);
	return check_end();
}
