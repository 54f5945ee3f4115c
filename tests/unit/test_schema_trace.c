/*
 * test_schema_trace.c - `trace` in the configuration.
 */
#include "core/config/config.h"

#include "tests/unit/check.h"
#include "tests/unit/config_problems.h"

#define S UINT64_C(1000000000)

static struct config *parse(const char *text)
{
	struct config_problems problems;
	struct config *config = config_parse("t.yaml", text, strlen(text), &problems);

	CHECK_STR(config_problems_first(&problems), "");
	return config;
}

/* The trace is made of events: without them there is none, and whoever asks for one hears it. */
static void test_trace(void)
{
	static const char asked[] = ALL "log: { messages: false }\ntrace: { detail: all }\n";
	struct config_problems problems;
	struct config *c = parse(ALL "log: { messages: false }\n");

	CHECK(c && c->trace.detail == CONFIG_TRACE_OFF);
	config_free(c);
	c = parse(ALL "trace: { keep: 7d, size_max: 1GiB, detail: off, file: /srv/t.db }\nlog: { messages: false }\n");
	CHECK(c && c->trace.detail == CONFIG_TRACE_OFF && c->trace.keep_ns == 7 * 86400 * S);
	if (c)
		CHECK_STR(c->trace.file, "/srv/t.db");
	config_free(c);
	c = config_parse("t.yaml", asked, strlen(asked), &problems);
	CHECK(c == NULL);
	CHECK(strstr(config_problems_first(&problems), "write log: { messages: true }, or detail: off") != NULL);
	config_free(c);
}

static void test_defaults(void)
{
	struct config *c = parse(ALL);

	if (c == NULL)
		return;
	CHECK_EQ(c->trace.detail, CONFIG_TRACE_AUTO);
	CHECK_EQ(c->trace.keep_ns, 30 * 86400 * S);
	CHECK_EQ(c->trace.size_max, UINT64_C(2) << 30);
	CHECK_STR(c->trace.file, "/var/lib/postrider/trace.db");
	config_free(c);
}

int main(void)
{
	RUN(test_defaults);
	RUN(test_trace);
	return check_end();
}
