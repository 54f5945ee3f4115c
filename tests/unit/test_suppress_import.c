/*
 * tests/unit/test_suppress_import.c - core/tools/suppress_import.c: lists of addresses as services, spreadsheets and
 * people write them.
 */
#include "core/tools/suppress_import.h"

#include <stdio.h>

#include "tests/unit/check.h"

static void test_headers(void)
{
	static const struct {
		const char *line, *columns; /* a letter for each; NULL: it is none */
		char mark;
	} table[] = {
		{"status,reason,email,created", "rrac", ','},
		{"email,created,reason,status", "acrr", ','},
		{"address,code,error,created_at", "a-nc", ','},
		{"\"Email Address\",\"Reason\",\"Origin\",\"Created At\"", "ar-c", ','},
		{"EmailAddress;Reason;LastUpdateTime", "arc", ';'},
		{"recipient\ttype\tsource\tdescription\tcreated", "ar-nc", '\t'},
		{"E-Mail", "a", ','},
		{"email,other email,recipient", "a--", ','},
		{"name,telephone", NULL, ','},
		{"user@example.org,bounce", NULL, ','},
		{"", NULL, ','},
		{",,,,", NULL, ','},
	};
	static const char letters[] = {[SUPPRESS_OTHER] = '-',
				       [SUPPRESS_ADDRESS] = 'a',
				       [SUPPRESS_REASON] = 'r',
				       [SUPPRESS_SINCE] = 'c',
				       [SUPPRESS_NOTE] = 'n'};

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		struct suppress_header header;
		char columns[SUPPRESS_COLUMNS + 1];
		bool is = suppress_header(span_text(table[i].line), &header);
		CHECK_EQ(is, table[i].columns != NULL);
		if (!is)
			continue;
		CHECK_EQ(header.mark, table[i].mark);
		for (unsigned c = 0; c < header.count; c++)
			columns[c] = letters[header.columns[c]];
		columns[header.count] = '\0';
		CHECK_STR(columns, table[i].columns);
	}
}

/* What is said of an address is taken: what passes by itself keeps nobody out for ever. */
static void test_rows(void)
{
	static const struct {
		const char *header, *line;
		enum suppress_row row;
		const char *address;
		enum suppression_reason reason;
		uint64_t wall_s;
		const char *note;
	} table[] = {
		{NULL, "a@example.org", SUPPRESS_TAKEN, "a@example.org", SUPPRESSION_MANUAL, 7, ""},
		{NULL, "a@example.org\tbounce\t2020-02-03T04:05:06Z\t550 no, none", SUPPRESS_TAKEN, "a@example.org",
		 SUPPRESSION_BOUNCE, 1580702706, "550 no, none"},
		{NULL, "a@example.org,complaint,2020-02-03", SUPPRESS_TAKEN, "a@example.org", SUPPRESSION_COMPLAINT,
		 1580688000, ""},
		{NULL, "nobody", SUPPRESS_WRONG, "nobody", SUPPRESSION_MANUAL, 7, ""},
		{"status,reason,email,created", "5.1.1,\"550 5.1.1 no such user, sorry\",a@example.org,1580702706",
		 SUPPRESS_TAKEN, "a@example.org", SUPPRESSION_MANUAL, 1580702706, "550 5.1.1 no such user, sorry"},
		{"status,reason,email,created", "4.2.2,452 4.2.2 over quota,a@example.org,1580702706", SUPPRESS_PASSES,
		 "a@example.org", SUPPRESSION_MANUAL, 1580702706, ""},
		{"status,reason,email", "5.7.1,550 5.7.1 blocked,a@example.org", SUPPRESS_PASSES, "a@example.org",
		 SUPPRESSION_MANUAL, 7, ""},
		{"reason,email", "\"550 5.1.1 it said \"\"no, none\"\" to us\",a@example.org", SUPPRESS_TAKEN,
		 "a@example.org", SUPPRESSION_MANUAL, 7, "550 5.1.1 it said \"\"no, none\"\" to us"},
		{"recipient,vars", "a@example.org,\"{\"\"name\"\":\"\"a, b\"\"}\"", SUPPRESS_TAKEN, "a@example.org",
		 SUPPRESSION_MANUAL, 7, ""},
		{"vars,recipient", "\"\",\"a@example.org\"", SUPPRESS_TAKEN, "a@example.org", SUPPRESSION_MANUAL, 7,
		 ""},
		{"vars,recipient", "\"open,a@example.org", SUPPRESS_WRONG, "", SUPPRESSION_MANUAL, 7, ""},
		{"EmailAddress;Reason;LastUpdateTime", "A@Example.org;COMPLAINT;2020-02-03T04:05:06.789+01:00",
		 SUPPRESS_TAKEN, "A@Example.org", SUPPRESSION_COMPLAINT, 1580688000, ""},
		{"recipient,type,created", "a@example.org,SoftBounce,2020-02-03", SUPPRESS_PASSES, "a@example.org",
		 SUPPRESSION_MANUAL, 1580688000, ""},
		{"recipient,type", "a@example.org,Spam Complaint", SUPPRESS_TAKEN, "a@example.org",
		 SUPPRESSION_COMPLAINT, 7, ""},
		{"recipient,type", "a@example.org,HardBounce", SUPPRESS_TAKEN, "a@example.org", SUPPRESSION_BOUNCE, 7,
		 ""},
		{"recipient,type", "a@example.org,unsubscribe", SUPPRESS_TAKEN, "a@example.org",
		 SUPPRESSION_UNSUBSCRIBED, 7, ""},
		{"recipient,type", ",HardBounce", SUPPRESS_WRONG, "", SUPPRESSION_BOUNCE, 7, ""},
		{"type,recipient", "HardBounce", SUPPRESS_WRONG, "", SUPPRESSION_BOUNCE, 7, ""},
	};

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		struct suppression_entry entry = {.wall_s = 7, .reason = SUPPRESSION_MANUAL};
		struct suppress_header header;
		struct span address;
		char text[200];
		if (table[i].header)
			CHECK(suppress_header(span_text(table[i].header), &header));
		CHECK_EQ(suppress_row(span_text(table[i].line), table[i].header ? &header : NULL, &address, &entry),
			 table[i].row);
		span_copy(address, text, sizeof(text));
		CHECK_STR(text, table[i].address);
		CHECK_EQ(entry.reason, table[i].reason);
		CHECK_EQ(entry.wall_s, table[i].wall_s);
		span_copy(entry.note, text, sizeof(text));
		CHECK_STR(text, table[i].note);
	}
}

int main(void)
{
	RUN(test_headers);
	RUN(test_rows);
	return check_end();
}
