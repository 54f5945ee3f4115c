/*
 * core/tools/commands.c - see commands.h.
 */
#include "core/tools/commands.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "core/tools/ask_reload.h"
#include "core/tools/credentials.h"
#include "core/tools/device.h"
#include "core/tools/doctor.h"
#include "core/tools/explain.h"
#include "core/tools/hash.h"
#include "core/tools/import.h"
#include "core/tools/incidents.h"
#include "core/tools/page.h"
#include "core/tools/postfix_log.h"
#include "core/tools/presets.h"
#include "core/tools/queue.h"
#include "core/tools/queue_act.h"
#include "core/tools/report.h"
#include "core/tools/route.h"
#include "core/tools/sendmail.h"
#include "core/tools/setup_office365.h"
#include "core/tools/state.h"
#include "core/tools/suppress.h"
#include "core/tools/top.h"
#include "core/tools/trace.h"

static const struct {
	const char *name;
	command_fn *run;
} commands[] = {
	{"doctor", doctor_command},   {"probe", probe_command},
	{"presets", presets_command}, {"explain", explain_command},
	{"hash", hash_command},       {"setup", setup_command},
	{"import", import_command},   {"credentials", credentials_command},
	{"device", device_command},   {"suppress", suppress_command},
	{"log", postfix_log_command}, {"reload", reload_command},
	{"status", status_command},   {"stats", stats_command},
	{"why", why_command},         {"incidents", incidents_command},
	{"top", top_command},         {"trace", trace_command},
	{"queue", queue_command},     {"destination", destination_command},
	{"report", report_command},   {"route", route_command},
	{"page", page_command},       {"sendmail", sendmail_command},
	{"mailq", mailq_command},
};

/* Programs of these names are this one (dist/postrider-sendmail.8). */
command_fn *command_called(const char *path)
{
	const char *slash = path ? strrchr(path, '/') : NULL, *name = slash ? slash + 1 : path;

	if (name && strcmp(name, "sendmail") == 0)
		return sendmail_command;
	return name && strcmp(name, "mailq") == 0 ? mailq_command : NULL;
}

command_fn *command_find(const char *name)
{
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		if (strcmp(commands[i].name, name) == 0)
			return commands[i].run;
	}
	return NULL;
}

/* What was done stays done, and who reads the output by a program must not take a part of it for all. */
int command_end(int status)
{
	enum { STATUS_OUTPUT = 74 };

	errno = 0;
	if (fflush(stdout) == 0 && !ferror(stdout))
		return status;
	fprintf(stderr, "postrider: what it had to say could not be written: %s\n",
		errno ? strerror(errno) : "standard output takes no more (is the disk full?)");
	return status == 0 ? STATUS_OUTPUT : status;
}
