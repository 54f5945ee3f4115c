/*
 * test_postfix_conf.c - Postfix's main.cf, master.cf, values, tables and next hops, as people write them.
 */
#include <stdlib.h>
#include <string.h>

#include "core/tools/postfix_conf.h"
#include "core/tools/postfix_next_hop.h"
#include "core/tools/postfix_table.h"
#include "tests/unit/check.h"

/* "value", "!problem" or "-" for what is not there. */
static void value_of(const char *text, const char *name, char *out, size_t size)
{
	struct postfix_conf conf = {0};
	const struct postfix_parameter *found;
	const char *problem = NULL;
	unsigned line;
	enum postfix_result result = postfix_conf_read_main(&conf, text, strlen(text), &line);
	char *value;

	if (result != POSTFIX_OK) {
		snprintf(out, size, "!%u:%s", line, postfix_result_text(result));
	} else if (!(found = postfix_conf_find(&conf, NULL, name))) {
		snprintf(out, size, "-");
	} else {
		value = postfix_conf_expand(&conf, NULL, found->value, &problem);
		snprintf(out, size, "%s%s", value ? "" : "!", value ? value : problem);
		free(value);
	}
	postfix_conf_free(&conf);
}

static void values(void)
{
	static const struct {
		const char *text, *name, *value;
	} rows[] = {
		{"", "a", "-"},
		{"a = b\n", "a", "b"},
		{"a=b", "a", "b"},
		{"a =\n", "a", ""},
		{"a = b\n c\n\td\n", "a", "b c\td"},
		{"a = b\n# no\n  # nor this\n\n c\n", "a", "b c"},
		{"a = b\na = c\n", "a", "c"},
		{"  a = b\n", "a", "b"},
		{"a = b \r\n c\r\n", "a", "b \r c"},
		{"a = x # y\n", "a", "x # y"},
		{"h = m.example.org\na = $h\n", "a", "m.example.org"},
		{"h = x\na = ${h}.y $(h)\n", "a", "x.y x"},
		{"a = [$b]\n", "a", "[]"},
		{"a = $$x\n", "a", "$x"},
		{"a = 5$\n", "a", "5$"},
		{"h = 1\na = ${h?yes}${b?no}\n", "a", "yes"},
		{"a = ${b:none}${c?some}\n", "a", "none"},
		{"h = 1\na = ${h?{x}:{y}}\n", "a", "x"},
		{"a = ${h?{x}:{y}}\n", "a", "y"},
		{"h = 1\na = ${h ? {x} : {y}}\n", "a", "x"},
		{"h = 2\na = ${{$h} == {2}?{x}:{y}}\n", "a", "x"},
		{"h = 10\na = ${{$h} < {9} ? {x} : {y}}\n", "a", "y"},
		{"a = ${{b} != {a} ? {$$} : {y}}\n", "a", "$"},
		{"myhostname = r.corp.example\na = @$mydomain\n", "a", "@corp.example"},
		{"myhostname = r.corp.example\na = $mydestination\n", "a",
		 "r.corp.example, localhost.corp.example, localhost"},
		{"a = ${data_directory}/x\n", "a", "/var/lib/postfix/x"},
		{"a = $a\n", "a", "!its variables lead to each other without end"},
		{"a = $b\nb = $a\n", "a", "!its variables lead to each other without end"},
		{"a = ${b\n", "a", "!a brace is not closed"},
		{"a = ${b ? {x\n", "a", "!a brace is not closed"},
		{"a = ${{b}?{x}:{y}}\n", "a", "!a comparison cannot be read"},
		{"a = ${b;c}\n", "a", "!what stands behind a condition cannot be read"},
		{"a b\n", "a", "!1:this is no line as in `name = value`"},
		{"\n= b\n", "a", "!2:this is no line as in `name = value`"},
	};
	char found[512];

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		value_of(rows[i].text, rows[i].name, found, sizeof(found));
		CHECK_STR(found, rows[i].value);
	}
}

/* Values that would become longer than any memory end at a limit, and soon. */
static void values_that_grow(void)
{
	char text[8192] = "a0 = 0123456789abcdef\n", line[64], found[256];

	for (int i = 1; i < 19; i++) {
		snprintf(line, sizeof(line), "a%d = $a%d$a%d$a%d\n", i, i - 1, i - 1, i - 1);
		strcat(text, line);
	}
	value_of(text, "a18", found, sizeof(found));
	CHECK_STR(found, "!its value becomes longer than 64 KiB");
	text[0] = '\0';
	strcat(text, "a0 =\n");
	for (int i = 1; i < 19; i++) {
		snprintf(line, sizeof(line), "a%d = $a%d$a%d$a%d\n", i, i - 1, i - 1, i - 1);
		strcat(text, line);
	}
	value_of(text, "a18", found, sizeof(found));
	CHECK_STR(found, "!its variables lead to each other without end");
}

static void no_text(void)
{
	static const char text[] = "a = b\nb = \0c\n";
	struct postfix_conf conf = {0};
	unsigned line;

	CHECK_EQ(postfix_conf_read_main(&conf, text, sizeof(text) - 1, &line), POSTFIX_NOT_TEXT);
	CHECK_EQ(line, 2);
	postfix_conf_free(&conf);
	CHECK_EQ(postfix_conf_read_master(&conf, text, sizeof(text) - 1, &line), POSTFIX_NOT_TEXT);
	postfix_conf_free(&conf);
}

static void services(void)
{
	static const char text[] = "# service type\n"
				   "smtp inet n - y - - smtpd\n"
				   "[::1]:2525 inet n - y - 5 smtpd\n"
				   "  -o smtpd_tls_wrappermode=yes -osyslog_name=x\n"
				   "# between\n"
				   "  -o { mua = permit_sasl_authenticated, reject } -v\n"
				   "maildrop unix - n n - - pipe\n"
				   "  flags=DRXhu user=vmail argv=/usr/bin/maildrop -d ${recipient}\n";
	struct postfix_conf conf = {0};
	unsigned line;

	CHECK_EQ(postfix_conf_read_master(&conf, text, sizeof(text) - 1, &line), POSTFIX_OK);
	CHECK_EQ(conf.service_count, 3);
	if (conf.service_count == 3) {
		const struct postfix_service *second = &conf.services[1];
		CHECK_STR(conf.services[0].program, "smtpd");
		CHECK_EQ(conf.services[0].option_count, 0);
		CHECK_STR(second->name, "[::1]:2525");
		CHECK_STR(second->process_limit, "5");
		CHECK_EQ(second->line, 3);
		CHECK_EQ(second->option_count, 3);
		CHECK_STR(postfix_conf_find(&conf, second, "smtpd_tls_wrappermode")->value, "yes");
		CHECK_STR(postfix_conf_find(&conf, second, "syslog_name")->value, "x");
		CHECK_STR(postfix_conf_find(&conf, second, "mua")->value, "permit_sasl_authenticated, reject");
		CHECK(!postfix_conf_find(&conf, &conf.services[0], "mua"));
		CHECK_STR(conf.services[2].type, "unix");
	}
	postfix_conf_free(&conf);
	CHECK_EQ(postfix_conf_read_master(&conf, "smtp inet n - y\n", 16, &line), POSTFIX_BAD_LINE);
	CHECK_EQ(line, 1);
	postfix_conf_free(&conf);
	CHECK_EQ(postfix_conf_read_master(&conf, "a inet n - y - - smtpd -o x\n", 28, &line), POSTFIX_BAD_LINE);
	postfix_conf_free(&conf);
}

static void words(void)
{
	const char *rest = "a, b  {c, d} ,e inline:{x, {y = z}},} f{";
	char word[32], all[64] = "";

	while (postfix_word(&rest, word, sizeof(word)))
		strcat(strcat(all, "|"), word);
	CHECK_STR(all, "|a|b|c, d|e|inline:{x, {y = z}}|}|f{");
}

/* "key>value@line;..." */
static void entries_of(const char *text, size_t length, char *out, size_t size)
{
	struct postfix_table table;
	unsigned line;
	const char *problem = postfix_table_read(&table, text, length, &line);

	out[0] = '\0';
	if (problem)
		snprintf(out, size, "!%u:%s", line, problem);
	for (size_t i = 0; i < table.count; i++)
		snprintf(out + strlen(out), size - strlen(out), "%s>%s@%u;", table.entries[i].key,
			 table.entries[i].value, table.entries[i].line);
	postfix_table_free(&table);
}

static void tables(void)
{
	static const struct {
		const char *text, *entries;
	} rows[] = {
		{"", ""},
		{"# none\n\n", ""},
		{"a b\n", "a>b@1;"},
		{"a b", "a>b@1;"},
		{"a\n", "a>@1;"},
		{"a b\n c\nd\te f \r\n", "a>b  c@1;d>e f@3;"},
		{"\n  a b\n", "a>b@2;"},
		{"[h]:587 u:p w\n", "[h]:587>u:p w@1;"},
		{"\"a b\" c\n", "a b>c@1;"},
		{"/^a b/ X\n", "/^a b/>X@1;"},
		{"/a\\/ b/i X y\n", "/a\\/ b/i>X y@1;"},
		{"!/a b/ X\n", "!/a b/>X@1;"},
		{"if /x/\n/y/ Z\nendif\n", "if>/x/@1;/y/>Z@2;endif>@3;"},
	};
	char found[512];

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		entries_of(rows[i].text, strlen(rows[i].text), found, sizeof(found));
		CHECK_STR(found, rows[i].entries);
	}
	entries_of("a b\nc \0\n", 8, found, sizeof(found));
	CHECK_STR(found, "!2:there is an octet that no text file has");
}

static void a_table_with_too_many_entries(void)
{
	static char text[2 * (POSTFIX_ENTRIES_MAX + 1)];
	struct postfix_table table;
	unsigned line;

	for (size_t i = 0; i < sizeof(text); i += 2)
		memcpy(text + i, "a\n", 2);
	CHECK(postfix_table_read(&table, text, sizeof(text) - 2, &line) == NULL);
	CHECK(table.count == POSTFIX_ENTRIES_MAX);
	postfix_table_free(&table);
	CHECK(postfix_table_read(&table, text, sizeof(text), &line) != NULL);
}

static void patterns(void)
{
	static const char *const all[] = {"/./", "/.*/", "/.+/", "/^.*$/", "/^(.*)$/", "/^.+$/i", "//"};
	static const char *const others[] = {"/a/", "/.@x/", "/^.*@x$/", ".", "/", "/\\./"};
	static const struct {
		const char *pattern, *name;
	} fields[] = {
		{"/^Received:/", "Received"},
		{"/^X-Originating-IP:/i", "X-Originating-IP"},
		{"/^X\\-Mailer: .*$/", "X-Mailer"},
		{"/^User-Agent:\\s.*$/", "User-Agent"},
		{"/^User-Agent\\:\\s+(.*)/", "User-Agent"},
		{"/^Subject: spam/", NULL},
		{"/^Received: from 10\\./", NULL},
		{"/Received:/", NULL},
		{"/^(Received|X-Mailer):/", NULL},
		{"/^:/", NULL},
		{"/^X/", NULL},
	};
	char name[64];

	for (size_t i = 0; i + 1 < sizeof(all) / sizeof(all[0]); i++)
		CHECK(postfix_pattern_fits_all(all[i]));
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		CHECK(!postfix_pattern_fits_all(others[i]));
	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
		bool found = postfix_pattern_field(fields[i].pattern, name, sizeof(name));
		CHECK_EQ(found, fields[i].name != NULL);
		if (found && fields[i].name)
			CHECK_STR(name, fields[i].name);
	}
}

static void next_hops(void)
{
	static const struct {
		const char *text, *host;
		unsigned port;
		bool exactly, numeric;
	} rows[] = {
		{"[mail.example.org]:587", "mail.example.org", 587, true, false},
		{"[mail.example.org]:submission", "mail.example.org", 587, true, false},
		{"mail.example.org", "mail.example.org", 25, false, false},
		{"example.org:2525", "example.org", 2525, false, false},
		{"10.0.0.1", "10.0.0.1", 25, false, true},
		{"[10.0.0.1]:smtps", "10.0.0.1", 465, true, true},
		{"[ipv6:2001:db8::1]:25", "2001:db8::1", 25, true, true},
		{"[2001:db8::1]", "2001:db8::1", 25, true, true},
		{"", "", 25, false, false},
		{"[mail.example.org", NULL, 0, false, false},
		{"[mail.example.org]x", NULL, 0, false, false},
		{"mail.example.org:no-port", NULL, 0, false, false},
		{"mail.example.org:99999", NULL, 0, false, false},
		{"mail example", NULL, 0, false, false},
	};
	struct postfix_next_hop hop;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		bool read = postfix_next_hop_read(rows[i].text, &hop);
		CHECK_EQ(read, rows[i].host != NULL);
		if (!read || !rows[i].host)
			continue;
		CHECK_STR(hop.host, rows[i].host);
		CHECK_EQ(hop.port, rows[i].port);
		CHECK_EQ(hop.exactly, rows[i].exactly);
		CHECK_EQ(hop.numeric, rows[i].numeric);
	}
}

int main(void)
{
	RUN(values);
	RUN(values_that_grow);
	RUN(no_text);
	RUN(services);
	RUN(words);
	RUN(tables);
	RUN(a_table_with_too_many_entries);
	RUN(patterns);
	RUN(next_hops);
	return check_end();
}
