/*
 * test_metabase.c - the metabase of IIS: keys and properties, lists of addresses, and files that are none.
 */
#include <string.h>

#include "core/tools/metabase.h"
#include "tests/unit/check.h"

#define BEGIN "<?xml version =\"1.0\"?><configuration xmlns=\"urn:microsoft-catalog:XML_Metabase_V64_0\"><MBProperty>"
#define END "</MBProperty></configuration>"

static void keys(void)
{
	static const char text[] =
		BEGIN "<IIsWebServer Location =\"/LM/W3SVC/1\" SmartHost=\"no\"/>\n"
		      "<IIsSmtpServer Location =\"/LM/SmtpSvc/1\"\n SmartHost=\"[10.0.0.1]\"\n "
		      "ServerBindings=\":25:\n\t10.1.2.3:26:\">\n"
		      "<Custom Name=\"AuthFlags\" ID=\"6000\" Value=\"AuthBasic\"/></IIsSmtpServer>\n"
		      "<Custom Name=\"Stray\" Value=\"1\"/>\n"
		      "<IIsSmtpDomain Location=\"/LM/SmtpSvc/1/Domain/example.org\" RouteAction=\"2\"/>" END;
	char problem[METABASE_PROBLEM];
	struct metabase base;

	CHECK(metabase_read(&base, text, sizeof(text) - 1, problem));
	CHECK_EQ(base.count, 2);
	if (base.count != 2)
		return;
	CHECK_STR(base.keys[0].class, "IIsSmtpServer");
	CHECK_STR(base.keys[0].location, "/LM/SmtpSvc/1");
	CHECK_STR(metabase_find(&base.keys[0], "smarthost")->value, "[10.0.0.1]");
	CHECK_STR(metabase_find(&base.keys[0], "ServerBindings")->value, ":25:  10.1.2.3:26:");
	CHECK_STR(metabase_find(&base.keys[0], "AuthFlags")->value, "AuthBasic");
	CHECK(!metabase_find(&base.keys[0], "Stray") && !metabase_find(&base.keys[1], "Stray"));
	CHECK(!metabase_find(NULL, "SmartHost"));
	CHECK_EQ(base.keys[0].line, 2);
	metabase_free(&base);
}

static void no_metabases(void)
{
	static const struct {
		const char *text, *problem;
	} rows[] = {
		{"", "line 1: no element found"},
		{"SmartHost=x", "line 1: not well-formed (invalid token)"},
		{"<a><b></a>", "line 1: mismatched tag"},
		{"<!DOCTYPE a [<!ENTITY x \"y\">]><a>&x;</a>", "line 1: it has a DOCTYPE, which no metabase has"},
		{"<!DOCTYPE a SYSTEM \"file:///etc/passwd\"><a/>", "line 1: it has a DOCTYPE, which no metabase has"},
		{"<a>&x;</a>", "line 1: undefined entity"},
		{"<a b=\"\x01\"/>", "line 1: not well-formed (invalid token)"},
	};
	char problem[METABASE_PROBLEM];
	struct metabase base;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		CHECK(!metabase_read(&base, rows[i].text, strlen(rows[i].text), problem));
		CHECK_STR(problem, rows[i].problem);
	}
}

/* "+address/mask" for those that are granted, "-" for those that are denied. */
static void list_of(const char *digits, char *out, size_t size)
{
	struct metabase_list list;

	out[0] = '\0';
	if (!metabase_list_read(&list, digits)) {
		snprintf(out, size, "none");
		return;
	}
	for (size_t i = 0; i < list.granted_count; i++)
		snprintf(out + strlen(out), size - strlen(out), "+%08x/%08x", list.granted[i].address,
			 list.granted[i].mask);
	for (size_t i = 0; i < list.denied_count; i++)
		snprintf(out + strlen(out), size - strlen(out), "-%08x/%08x", list.denied[i].address,
			 list.denied[i].mask);
	if (list.names)
		snprintf(out + strlen(out), size - strlen(out), "names");
	metabase_list_free(&list);
}

/* What the dialogue of Windows makes of 127.0.0.1 alone begins so; HEAD has no addresses. */
#define HEAD                                                                                                           \
	"18000080"                                                                                                     \
	"20000080"                                                                                                     \
	"3c000080"                                                                                                     \
	"44000080"                                                                                                     \
	"01000000"                                                                                                     \
	"4c000000"
#define NONE                                                                                                           \
	"00000000"                                                                                                     \
	"00000000"

static const struct {
	const char *digits, *found;
} lists_rows[] = {
	{HEAD NONE "01000000"
		   "01000000"
		   "02000000"
		   "02000000"
		   "04000000"
		   "00000000"
		   "4c000080" NONE NONE "ffffffff"
		   "7f000001",
	 "+7f000001/ffffffff"},
	{HEAD NONE "01000000"
		   "02000000"
		   "02000000"
		   "03000000"
		   "04000000"
		   "00000000"
		   "4c000080" NONE NONE "ffffffff"
		   "0a14030e"
		   "c0a80709",
	 "+0a14030e/ffffffff+c0a80709/ffffffff"},
	/* two groups, of one mask each */
	{"18000080"
	 "20000080"
	 "50000080"
	 "58000080"
	 "01000000"
	 "60000000" NONE "02000000"
	 "02000000"
	 "02000000"
	 "02000000"
	 "04000000"
	 "00000000"
	 "60000080"
	 "02000000"
	 "02000000"
	 "04000000"
	 "00000000"
	 "68000080" NONE NONE "ffffffff"
	 "7f000001"
	 "ffff0000"
	 "0a140000",
	 "+7f000001/ffffffff+0a140000/ffff0000"},
	/* only who is denied */
	{"18000080"
	 "34000080"
	 "3c000080"
	 "44000080"
	 "01000000"
	 "4c000000"
	 "01000000"
	 "01000000"
	 "02000000"
	 "02000000"
	 "04000000"
	 "00000000"
	 "4c000080" NONE NONE NONE "ffffffff"
	 "0a000001",
	 "-0a000001/ffffffff"},
	{"18000080 20000080 28000080 30000080 01000000 38000000 " NONE NONE "01000000"
	 "01000000" NONE,
	 "names"},
	{"", "none"},
	{"18", "none"},
	{"180000802", "none"},
	{"zz000080", "none"},
	{HEAD, "none"},
	/* more addresses than there are octets; a group beyond the end; an offset beyond it; another family */
	{HEAD NONE "01000000"
		   "01000000"
		   "02000000"
		   "ffffffff"
		   "04000000"
		   "00000000"
		   "4c000080" NONE NONE "ffffffff"
		   "7f000001",
	 "none"},
	{HEAD NONE "ffffffff"
		   "01000000"
		   "02000000"
		   "02000000"
		   "04000000"
		   "00000000"
		   "4c000080" NONE NONE,
	 "none"},
	{HEAD NONE "01000000"
		   "01000000"
		   "02000000"
		   "02000000"
		   "04000000"
		   "00000000"
		   "ffffffff" NONE NONE,
	 "none"},
	{HEAD NONE "01000000"
		   "01000000"
		   "17000000"
		   "02000000"
		   "04000000"
		   "00000000"
		   "4c000080" NONE NONE "ffffffff"
		   "7f000001",
	 "none"},
};

static void lists(void)
{
	char found[256];

	for (size_t i = 0; i < sizeof(lists_rows) / sizeof(lists_rows[0]); i++) {
		list_of(lists_rows[i].digits, found, sizeof(found));
		CHECK_STR(found, lists_rows[i].found);
	}
}

int main(void)
{
	RUN(keys);
	RUN(no_metabases);
	RUN(lists);
	return check_end();
}
