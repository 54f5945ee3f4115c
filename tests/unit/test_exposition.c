/*
 * tests/unit/test_exposition.c - core/control/exposition: which format is asked for, and both of them, to the octet.
 */
#include "core/control/exposition.h"

#include <stdlib.h>
#include <string.h>

#include "core/control/families.h"
#include "tests/unit/check.h"

#define OPEN "application/openmetrics-text"

static void test_accept(void)
{
	static const struct {
		const char *accept;
		int open;
	} rows[] = {
		{NULL, 0},
		{"", 0},
		{"*/*", 0},
		{"text/plain", 0},
		{OPEN, 1},
		{"APPLICATION/OpenMetrics-Text", 1},
		{OPEN ";version=1.0.0;q=0.8,text/plain;version=0.0.4;q=0.5,*/*;q=0.1", 1},
		{OPEN ";version=1.0.0,text/plain", 1},
		{OPEN "; q=0.4, text/plain; q=0.5", 0},
		{"text/plain;q=0.5 , " OPEN " ; q=0.5", 1},
		{OPEN ";q=0", 0},
		{OPEN ";q=0.000", 0},
		{OPEN ";q=", 0},
		{OPEN ";q", 1},
		{OPEN "x", 0},
		{"x" OPEN, 0},
		{",,,;q=1,", 0},
		{OPEN ";q=0.9999999999999999999999", 1},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		CHECK_EQ(exposition_wanted(rows[i].accept), rows[i].open);
}

static const struct metric_family counter = {"a_bytes", METRIC_COUNTER, "bytes", "Octets."};
static const struct metric_family took = {"b_seconds", METRIC_HISTOGRAM, "seconds", "How long."};
static const struct metric_family ages = {"c_seconds", METRIC_GAUGE_HISTOGRAM, "seconds", "How old."};

static char *written(bool open_metrics)
{
	static const struct metric_label hostile[] = {{"name", "a\"b\\c\nd\xff\xc3\xa4"}, {"other", ""}, {NULL, NULL}};
	static const uint64_t bounds[] = {1000, 2500000}, counts[] = {1, 2, 3};
	const struct metric_buckets buckets = {bounds, counts, 2, 1234567};
	struct exposition e = {.open_metrics = open_metrics};
	size_t length;
	char *text;

	exposition_family(&e, &counter);
	exposition_number(&e, &counter, "", hostile, UINT64_MAX);
	exposition_family(&e, &took);
	exposition_buckets(&e, &took, NULL, &buckets);
	exposition_family(&e, &ages);
	exposition_buckets(&e, &ages, hostile + 1, &buckets);
	exposition_seconds(&e, &ages, "_x", NULL, -1500000);
	exposition_seconds(&e, &ages, "_y", NULL, INT64_MIN);
	text = exposition_end(&e, &length);
	CHECK_EQ(strlen(text), length);
	return text;
}

#define ROWS                                                                                                           \
	"b_seconds_bucket{le=\"0.001\"} 1\nb_seconds_bucket{le=\"2.5\"} 3\nb_seconds_bucket{le=\"+Inf\"} 6\n"          \
	"b_seconds_count 6\nb_seconds_sum 1.234567\n"
#define AGES                                                                                                           \
	"c_seconds_bucket{other=\"\",le=\"0.001\"} 1\nc_seconds_bucket{other=\"\",le=\"2.5\"} 3\n"                     \
	"c_seconds_bucket{other=\"\",le=\"+Inf\"} 6\nc_seconds_gcount{other=\"\"} 6\nc_seconds_gsum{other=\"\"} "      \
	"1.234567\n"                                                                                                   \
	"c_seconds_x -1.5\nc_seconds_y -9223372036854.775808\n"
#define LABELED "a_bytes_total{name=\"a\\\"b\\\\c\\nd\xef\xbf\xbd\xc3\xa4\",other=\"\"} 18446744073709551615\n"

static void test_formats(void)
{
	char *open = written(true), *plain = written(false);

	CHECK_STR(open, "# HELP a_bytes Octets.\n# TYPE a_bytes counter\n# UNIT a_bytes bytes\n" LABELED
			"# HELP b_seconds How long.\n# TYPE b_seconds histogram\n# UNIT b_seconds seconds\n" ROWS
			"# HELP c_seconds How old.\n# TYPE c_seconds gaugehistogram\n# UNIT c_seconds seconds\n" AGES
			"# EOF\n");
	CHECK_STR(plain, "# HELP a_bytes_total Octets.\n# TYPE a_bytes_total counter\n" LABELED
			 "# HELP b_seconds How long.\n# TYPE b_seconds histogram\n" ROWS
			 "# HELP c_seconds How old.\n# TYPE c_seconds untyped\n" AGES);
	free(open);
	free(plain);
}

/* What OpenMetrics asks of names: a unit at the end, nothing that a type appends, no two alike. */
static void test_families(void)
{
	static const char *const endings[] = {"_total", "_info", "_bucket", "_sum", "_count", "_created", NULL};

	for (unsigned i = 0; i < FAMILIES; i++) {
		const char *name = families[i].name, *unit = families[i].unit;
		CHECK(name && families[i].help && strlen(families[i].help) > 0);
		CHECK(strncmp(name, "postrider_", 10) == 0);
		CHECK(unit[0] == '\0' || strcmp(name + strlen(name) - strlen(unit), unit) == 0);
		for (unsigned e = 0; endings[e]; e++)
			CHECK(strlen(name) < strlen(endings[e]) ||
			      strcmp(name + strlen(name) - strlen(endings[e]), endings[e]) != 0);
		for (unsigned other = 0; other < i; other++)
			CHECK(strcmp(name, families[other].name) != 0);
		CHECK(!strpbrk(families[i].help, "\\\n\""));
	}
}

int main(void)
{
	RUN(test_accept);
	RUN(test_formats);
	RUN(test_families);
	return check_end();
}
