/*
 * tests/unit/test_page_html.c - core/page/html: nothing of a value is HTML, whatever it has.
 */
#include "core/page/html.h"

#include <stdlib.h>
#include <string.h>

#include "tests/unit/check.h"

#define REPLACED "\xef\xbf\xbd"

static void test_texts(void)
{
	static const struct {
		const char *text, *html;
	} rows[] = {
		{"", ""},
		{"plain text", "plain text"},
		{"<script>alert(1)</script>", "&lt;script&gt;alert(1)&lt;/script&gt;"},
		{"\" onmouseover=\"x", "&quot; onmouseover=&quot;x"},
		{"' onfocus='x", "&#39; onfocus=&#39;x"},
		{"`x`", "&#96;x&#96;"},
		{"a & b &amp; &#60;", "a &amp; b &amp;amp; &amp;#60;"},
		{"</title></textarea></style>", "&lt;/title&gt;&lt;/textarea&gt;&lt;/style&gt;"},
		{"<!--", "&lt;!--"},
		{"]]>", "]]&gt;"},
		{"caf\xc3\xa9 \xe6\x97\xa5 \xf0\x9f\x93\xac", "caf\xc3\xa9 \xe6\x97\xa5 \xf0\x9f\x93\xac"},
		{"two\nlines\tand", "two\nlines\tand"},
		{"folded\r\n line\r", "folded\n line" REPLACED},
		{"bell\x07 escape\x1b[31m", "bell" REPLACED " escape" REPLACED "[31m"},
		/* What turns the direction, has no width, or is a control of C1. */
		{"exe\xe2\x80\xaetxt", "exe" REPLACED "txt"},
		{"\xe2\x81\xa6x\xe2\x81\xa9", REPLACED "x" REPLACED},
		{"zero\xe2\x80\x8bwidth", "zero" REPLACED "width"},
		{"c1\xc2\x9b", "c1" REPLACED},
		/* No UTF-8: overlong, a surrogate, cut, above the last. */
		{"\xc0\xbcscript>", REPLACED REPLACED "script&gt;"},
		{"\xed\xa0\x80", REPLACED REPLACED REPLACED},
		{"\xe2\x82", REPLACED REPLACED},
		{"\xf5\x80\x80\x80", REPLACED REPLACED REPLACED REPLACED},
		{"+ADw-script+AD4-", "+ADw-script+AD4-"},
	};
	struct html html = {.data = NULL};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		html_put(&html, "%s", rows[i].text);
		CHECK_STR(html.data ? html.data : "", rows[i].html);
		html_free(&html);
	}
}

static void test_values(void)
{
	struct html html = {.data = NULL};

	html_put(&html, "<a href=\"/x?q=");
	html_value(&html, "a b&c=\"<>'%\xc3\xa9/../javascript:");
	html_put(&html, "\">");
	CHECK_STR(html.data, "<a href=\"/x?q=a%20b%26c%3D%22%3C%3E%27%25%C3%A9%2F..%2Fjavascript%3A\">");
	html_free(&html);
}

static void test_formats(void)
{
	struct html html = {.data = NULL};
	size_t length;
	const char *volatile nothing = NULL;
	char *text;

	html_put(&html, "<b>%s</b> %d %u %lld %llu %zu 100%% %s", "<i>", -1, 2u, -3LL, 4ULL, (size_t)5, nothing);
	text = html_take(&html, &length);
	CHECK_STR(text, "<b>&lt;i&gt;</b> -1 2 -3 4 5 100% ");
	CHECK_EQ(length, strlen(text));
	free(text);
}

/* A text is cut, not within a character; and a page has an end. */
static void test_bounds(void)
{
	struct html html = {.data = NULL};
	char *text = malloc(1 << 20), *out;
	size_t length;

	memset(text, '<', 1 << 20);
	html_text(&html, (struct span){text, 1 << 20});
	CHECK_EQ(html.length, HTML_TEXT_MAX * 4 + 3);
	html_free(&html);
	for (unsigned shift = 0; shift < 3; shift++) {
		memset(text, 'x', shift);
		for (size_t i = shift; i + 3 <= HTML_TEXT_MAX + 100; i += 3)
			memcpy(text + i, "\xe6\x97\xa5", 3);
		html_text(&html, (struct span){text, HTML_TEXT_MAX + 50});
		CHECK(!strstr(html.data, REPLACED));
		CHECK_STR(html.data + html.length - 3, "\xe2\x80\xa6");
		html_free(&html);
	}
	memset(text, 'x', 1 << 20);
	while (!html.failed)
		html_text(&html, (struct span){text, HTML_TEXT_MAX});
	out = html_take(&html, &length);
	CHECK(out == NULL);
	CHECK(html.data == NULL && !html.failed);
	free(text);
}

int main(void)
{
	RUN(test_texts);
	RUN(test_values);
	RUN(test_formats);
	RUN(test_bounds);
	return check_end();
}
