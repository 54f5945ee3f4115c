/*
 * core/tools/credentials.c - see credentials.h.
 */
#include "core/tools/credentials.h"

#include <getopt.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/agents/fetch.h"
#include "core/agents/signer.h"
#include "core/agents/token_device.h"
#include "core/agents/token_job.h"
#include "core/agents/token_rotation.h"
#include "core/config/config.h"
#include "core/tools/written.h"

enum { STATUS_NOT_WELL = 1, STATUS_USAGE = 64, STATUS_CONFIG = 78, DAY_S = 86400 };

static int usage(FILE *out, int status)
{
	fputs("usage: postrider credentials status [--config FILE] [DESTINATION] [--json]\n"
	      "       postrider credentials rotate [--config FILE] [--due] [DESTINATION]\n"
	      "       postrider credentials sign-in [--config FILE] [DESTINATION]\n",
	      out);
	return status;
}

struct options {
	const char *config, *destination;
	bool rotate, sign_in, due;
	json_t *list; /* of what `status` has found; NULL: it is written as text */
};

/* When the certificate ends, in days; false: there is none, or it cannot be read. */
static bool days_left(const struct config_oauth *oauth, long *days)
{
	int64_t end = oauth->certificate ? signer_end_of(oauth->certificate) : 0;

	*days = (long)((end - (int64_t)time(NULL)) / DAY_S);
	return end != 0;
}

static const char *grant_text(const struct config_oauth *oauth)
{
	static const char *const texts[] = {
		[CONFIG_GRANT_CERTIFICATE] = "an application's certificate",
		[CONFIG_GRANT_SECRET] = "an application's secret",
		[CONFIG_GRANT_REFRESH] = "a person's consent (refresh token)",
		[CONFIG_GRANT_SERVICE_ACCOUNT] = "a service account's key",
		[CONFIG_GRANT_COMMAND] = "a command",
	};

	return texts[oauth->grant];
}

static bool is_for_each_mailbox(const struct config_oauth *oauth)
{
	return oauth->grant == CONFIG_GRANT_SERVICE_ACCOUNT || oauth->grant == CONFIG_GRANT_COMMAND;
}

/* The same as show(). "token": null where it is for each mailbox. */
static int add(json_t *list, const struct config_destination *destination)
{
	const struct config_oauth *oauth = destination->oauth;
	json_t *one = json_pack("{ss ss sn sn sn sn sn}", "destination", destination->name, "by", grant_text(oauth),
				"certificate", "days_left", "token", "token_s", "problem");
	struct token_reply reply;
	bool well = true;
	long days;

	if (oauth->certificate)
		json_object_set_new(one, "certificate", written_text(span_text(oauth->certificate)));
	if (oauth->certificate && days_left(oauth, &days))
		json_object_set_new(one, "days_left", json_integer(days));
	if (!is_for_each_mailbox(oauth)) {
		token_once(oauth, NULL, &reply);
		well = reply.outcome == TOKEN_GIVEN;
		json_object_set_new(one, "token", json_boolean(well));
		json_object_set_new(one, well ? "token_s" : "problem",
				    well ? json_integer((json_int_t)reply.lifetime_s)
					 : written_text(span_text(reply.problem)));
		token_reply_wipe(&reply);
	}
	json_array_append_new(list, one);
	return well ? 0 : STATUS_NOT_WELL;
}

/* A token for a user is asked for as the first mailbox; that is what `doctor` does for each. */
static int show(const struct config_destination *destination)
{
	const struct config_oauth *oauth = destination->oauth;
	struct token_reply reply;
	long days;
	bool well;

	printf("%s: by %s\n", destination->name, grant_text(oauth));
	if (oauth->certificate) {
		if (days_left(oauth, &days))
			printf("    %s ends in %ld days%s\n", oauth->certificate, days,
			       days <= CREDENTIALS_DUE_DAYS ? ": postrider credentials rotate" : "");
		else
			printf("    %s cannot be read\n", oauth->certificate);
	}
	if (is_for_each_mailbox(oauth)) {
		puts("    a token is for each mailbox: postrider doctor");
		return 0;
	}
	token_once(oauth, NULL, &reply);
	well = reply.outcome == TOKEN_GIVEN;
	if (well)
		printf("    a token: given, for %llu seconds\n", (unsigned long long)reply.lifetime_s);
	else
		printf("    no token: %s\n", reply.problem);
	token_reply_wipe(&reply);
	return well ? 0 : STATUS_NOT_WELL;
}

static void on_step(void *context, enum rotation_step step, const char *text)
{
	static const char *const said[ROTATION_STEPS] = {
		[ROTATION_MADE] = "a new key and certificate are made",
		[ROTATION_REGISTERED] = "the certificate is registered for the application",
		[ROTATION_PROVEN] = "it gets a token",
		[ROTATION_KEY_SWAPPED] = "the key is in its place",
		[ROTATION_SWAPPED] = "the certificate is in its place",
		[ROTATION_REMOVED] = "the old certificate is removed",
		[ROTATION_NOT_REMOVED] = "the old certificate stays registered until it ends",
	};

	printf("    %s%s%s\n", said[step], text[0] ? ": " : "", text);
	fflush(stdout);
}

static int rotate(const struct config *config, const struct config_destination *destination)
{
	struct rotation rotation = {.oauth = destination->oauth,
				    .object_id = destination->oauth->object_id,
				    .graph_url = destination->oauth->graph_url,
				    .common_name = config->hostname,
				    .proof_s = ROTATION_PROOF_S,
				    .told = on_step};

	printf("%s:\n", destination->name);
	if (!rotation.object_id) {
		puts("    oauth.object_id is missing: write the \"Object ID\" that the application's page shows");
		return STATUS_NOT_WELL;
	}
	if (rotation_run(&rotation))
		return 0;
	printf("    %s\n", rotation.problem);
	return STATUS_NOT_WELL;
}

/* A person signs in at a browser anywhere, and what comes of it is stored where the configuration says. */
static int sign_in(const struct config_destination *destination)
{
	const struct config_oauth *oauth = destination->oauth;
	struct token_device device;
	bool stored;

	printf("%s:\n", destination->name);
	if (!token_device_begin(oauth, &device)) {
		printf("    %s\n", device.problem);
		token_device_wipe(&device);
		return STATUS_NOT_WELL;
	}
	printf("    open %s in a browser, sign in as the mailbox, and enter the code %s\n", device.url,
	       device.user_code);
	fflush(stdout);
	stored = token_device_wait(oauth, &device);
	if (stored)
		printf("    the refresh token is in %s; a relay that runs takes it with its next try\n",
		       oauth->refresh_token_file);
	else
		printf("    %s\n", device.problem);
	token_device_wipe(&device);
	return stored ? 0 : STATUS_NOT_WELL;
}

/* Once for each application, which several destinations may share. */
static bool done_before(const struct config *config, size_t index)
{
	const char *key = config->destinations[index].oauth->private_key;

	for (size_t d = 0; d < index; d++) {
		const struct config_oauth *other = config->destinations[d].oauth;
		if (other && other->private_key && strcmp(other->private_key, key) == 0)
			return true;
	}
	return false;
}

static int one(const struct config *config, size_t index, const struct options *options)
{
	const struct config_destination *destination = &config->destinations[index];
	long days;

	if (options->sign_in && destination->oauth->grant == CONFIG_GRANT_REFRESH)
		return sign_in(destination);
	if (options->sign_in) {
		printf("%s: by %s: nobody signs in\n", destination->name, grant_text(destination->oauth));
		return options->destination ? STATUS_NOT_WELL : 0;
	}
	if (!options->rotate)
		return options->list ? add(options->list, destination) : show(destination);
	if (destination->oauth->grant != CONFIG_GRANT_CERTIFICATE) {
		if (options->destination)
			printf("%s: by %s: there is no certificate to rotate\n", destination->name,
			       grant_text(destination->oauth));
		return options->destination ? STATUS_NOT_WELL : 0;
	}
	if (!options->destination && done_before(config, index))
		return 0;
	if (options->due && days_left(destination->oauth, &days) && days > CREDENTIALS_DUE_DAYS &&
	    !rotation_under_way(destination->oauth))
		return 0;
	return rotate(config, destination);
}

static int all(const struct config *config, const struct options *options)
{
	bool found = false;
	int status = 0;

	for (size_t d = 0; d < config->destination_count; d++) {
		const struct config_destination *destination = &config->destinations[d];
		if (!destination->oauth ||
		    (options->destination && strcmp(options->destination, destination->name) != 0))
			continue;
		found = true;
		status |= one(config, d, options);
	}
	if (!found && !options->list)
		printf("no destination%s%s signs in with tokens (oauth)\n", options->destination ? " " : "",
		       options->destination ? options->destination : "");
	return found || !options->destination ? status : STATUS_NOT_WELL;
}

/* 0, or the exit status; negative: help was asked for. */
static int parse(int argc, char **argv, struct options *options)
{
	static const struct option table[] = {{"config", required_argument, NULL, 'c'},
					      {"due", no_argument, NULL, 'd'},
					      {"json", no_argument, NULL, 'j'},
					      {"help", no_argument, NULL, 'h'},
					      {NULL, 0, NULL, 0}};
	int option;

	*options = (struct options){.config = "/etc/postrider/postrider.yaml"};
	optind = 1;
	while ((option = getopt_long(argc, argv, "c:h", table, NULL)) != -1) {
		if (option == 'h')
			return usage(stdout, 0) - 1;
		if (option == 'c')
			options->config = optarg;
		else if (option == 'd')
			options->due = true;
		else if (option == 'j' && !options->list)
			options->list = json_array();
		else if (option == 'j')
			continue;
		else
			return usage(stderr, STATUS_USAGE);
	}
	if (argc - optind < 1 || argc - optind > 2)
		return usage(stderr, STATUS_USAGE);
	options->rotate = strcmp(argv[optind], "rotate") == 0;
	options->sign_in = strcmp(argv[optind], "sign-in") == 0;
	options->destination = argv[optind + 1];
	if ((!options->rotate && !options->sign_in && strcmp(argv[optind], "status") != 0) ||
	    (options->due && !options->rotate) || (options->list && (options->rotate || options->sign_in)))
		return usage(stderr, STATUS_USAGE);
	return 0;
}

int credentials_command(int argc, char **argv)
{
	static struct config_problems problems;
	struct options options;
	struct config *config;
	int status = parse(argc, argv, &options);

	if (status != 0)
		return status < 0 ? 0 : status;
	config = config_load(options.config, &problems);
	for (unsigned i = 0; i < problems.count && !config; i++)
		fprintf(stderr, "%s\n", problems.list[i].text);
	if (!config)
		return STATUS_CONFIG;
	token_reply_init();
	status = fetch_global_init() == 0 ? all(config, &options) : STATUS_NOT_WELL;
	config_free(config);
	if (options.list)
		written_json(stdout, json_pack("{so}", "destinations", options.list));
	return status;
}
