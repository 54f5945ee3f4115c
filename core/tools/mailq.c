/*
 * core/tools/mailq.c - the queue as Postfix's mailq shows it, for people and programs that know that (sendmail.h).
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/tools/ask.h"
#include "core/tools/sendmail.h"
#include "core/tools/table.h"

enum { INDENT = 41 };

/* "Sat Nov 28 05:10:11", here. */
static void print_time(const char *stamp)
{
	struct tm tm = {0};
	char text[40] = "-";
	time_t seconds;

	if (strptime(stamp, "%Y-%m-%dT%H:%M:%S", &tm)) {
		seconds = timegm(&tm);
		localtime_r(&seconds, &tm);
		strftime(text, sizeof(text), "%a %b %d %H:%M:%S", &tm);
	}
	fputs(text, stdout);
}

static void print_message(const json_t *row)
{
	const char *state = ask_text(row, "state"), *sender = ask_text(row, "sender");
	const json_t *to = json_object_get(row, "to"), *error = json_object_get(row, "error"), *one;
	json_int_t more = ask_number(row, "recipients") - (json_int_t)json_array_size(to);
	size_t i;

	table_safe(stdout, ask_text(row, "id"));
	printf("%c %8" JSON_INTEGER_FORMAT " ",
	       strcmp(state, "active") == 0 ? '*'
	       : strcmp(state, "held") == 0 ? '!'
					    : ' ',
	       ask_number(row, "size"));
	print_time(ask_text(row, "accepted"));
	printf("  ");
	table_safe(stdout, *sender ? sender : "MAILER-DAEMON");
	printf("\n");
	if (json_is_object(error)) {
		printf("%*s", INDENT - 1, "(");
		table_cell(stdout, ask_text(error, "text"), 4 * TABLE_COLUMNS, false);
		printf(")\n");
	}
	json_array_foreach(to, i, one)
	{
		printf("%*s", INDENT, "");
		table_safe(stdout, json_string_value(one));
		printf("\n");
	}
	if (more > 0)
		printf("%*sand %" JSON_INTEGER_FORMAT " more\n", INDENT, "", more);
	printf("\n");
}

struct listed {
	json_int_t messages, octets;
	bool part;
};

/* The cursor of the next page, the caller's; NULL: that was the last, or it cannot be had (*status). */
static char *print_page(const struct ask *ask, const char *cursor, struct listed *listed, int *status)
{
	json_t *answer = NULL, *row;
	struct ask_path path;
	char *next = NULL;
	size_t i;

	ask_path_begin(&path, "/v1/queue/messages");
	ask_path_value(&path, "limit", "1000");
	ask_path_value(&path, "cursor", cursor);
	*status = ask_get(ask, path.text, &answer);
	json_array_foreach(json_object_get(answer, "messages"), i, row)
	{
		if (listed->messages++ == 0)
			printf("-Queue ID-  --Size-- ----Arrival Time---- -Sender/Recipient-------\n");
		listed->octets += ask_number(row, "size");
		print_message(row);
	}
	listed->part = listed->part || json_array_size(json_object_get(answer, "missing")) > 0 ||
		       ask_number(answer, "left_out") > 0;
	if (json_is_string(json_object_get(answer, "next")))
		next = strdup(ask_text(answer, "next"));
	json_decref(answer);
	return next;
}

int mailq_command(int argc, char **argv)
{
	struct ask ask = {.command = "mailq", .socket = getenv("POSTRIDER_SOCKET")};
	struct listed listed = {0};
	char *cursor = NULL, *next;
	int status;

	if (argc > 1 && strcmp(argv[1], "--help") == 0) {
		printf("usage: mailq     the queue, as Postfix shows it (postrider queue list has more)\n");
		return 0;
	}
	/* Options that other programs of the name have (-v, -Ac) change nothing here. */
	status = ask_open(&ask);
	while (status == 0) {
		next = print_page(&ask, cursor, &listed, &status);
		free(cursor);
		cursor = next;
		if (!cursor)
			break;
	}
	free(cursor);
	if (status != 0)
		return status;
	if (listed.part)
		fputs("mailq: not all could be looked at\n", stderr);
	if (listed.messages == 0)
		printf("Mail queue is empty\n");
	else
		printf("-- %" JSON_INTEGER_FORMAT " Kbytes in %" JSON_INTEGER_FORMAT " Request%s.\n",
		       (listed.octets + 1023) / 1024, listed.messages, listed.messages == 1 ? "" : "s");
	return listed.part ? ASK_PART : 0;
}
