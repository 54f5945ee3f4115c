/*
 * core/tools/ask.c - see ask.h.
 */
#include "core/tools/ask.h"

#include <curl/curl.h>
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "core/base/scheduling.h"
#include "core/config/config.h"
#include "core/tools/table.h"

#define BUSY                                                                                                           \
	"others wait there already, and nobody is let in: give it again later, or look at its events if it stays so"

enum { ANSWER_MAX = 64 << 20, ANSWER_S = 120, CONNECT_S = 10 };

static int say(const struct ask *ask, int status, const char *what, const char *why)
{
	if (ask->problem) {
		snprintf(ask->problem, ask->problem_size, "%s%s%s", what, *why ? ": " : "", why);
		return status;
	}
	fprintf(stderr, "postrider: %s: ", ask->command);
	table_safe(stderr, what);
	fprintf(stderr, "%s%s\n", *why ? ": " : "", why);
	return status;
}

/* ---- where ------------------------------------------------------------------------------------------------------ */

static int from_file(struct ask *ask, const char *file)
{
	static struct config_problems problems;
	struct config *config = config_load(file, &problems);
	int status = 0;

	if (!config)
		return say(ask, ASK_CONFIG, config_problems_first(&problems), "");
	if (config->control.socket)
		snprintf(ask->path, sizeof(ask->path), "%s", config->control.socket);
	else
		status = say(ask, ASK_CONFIG, file,
			     "there is no control.socket: write control: { socket: " ASK_SOCKET
			     " }, and restart postrider");
	config_free(config);
	return status;
}

/* As libcurl would, but so that it is known why not. */
static int try_socket(struct ask *ask)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	const struct timeval wait = {.tv_sec = CONNECT_S};
	int fd, r;

	if (strlen(ask->path) >= sizeof(address.sun_path))
		return say(ask, ASK_USAGE, ask->path, "a socket's path is not so long");
	memcpy(address.sun_path, ask->path, strlen(ask->path));
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return say(ask, ASK_SOFTWARE, ask->path, strerror(errno));
	/* Where so many wait that there is no place to wait in, connect() waits for one; without this, for ever. */
	(void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof(wait));
	r = connect(fd, (const struct sockaddr *)&address, sizeof(address)) < 0 ? errno : 0;
	close(fd);
	if (r == EACCES || r == EPERM)
		return say(ask, ASK_PERMISSION, ask->path,
			   "you may not use it: its owner may, and members of its group (control.group), as with sudo");
	if (r == ENOENT)
		return say(
			ask, ASK_UNAVAILABLE, ask->path,
			"no process of postrider has made this socket: is it running (systemctl status postrider), and "
			"is this its control.socket?");
	if (r == EAGAIN)
		return say(ask, ASK_PART, ask->path, BUSY);
	if (r == ECONNREFUSED)
		return say(ask, ASK_UNAVAILABLE, ask->path,
			   "the process that made this socket has ended: systemctl start postrider");
	return r ? say(ask, ASK_UNAVAILABLE, ask->path, strerror(r)) : 0;
}

bool ask_option(struct ask *ask, int option, const char *value)
{
	if (option == 'c')
		ask->config = value;
	else if (option == 's')
		ask->socket = value;
	else if (option == 'j')
		ask->json = true;
	else if (option == 'u')
		ask->utc = true;
	else
		return false;
	return true;
}

bool ask_options(struct ask *ask, int argc, char **argv, int count, int *status)
{
	static const struct option options[] = {
		{"config", required_argument, NULL, 'c'}, {"socket", required_argument, NULL, 's'},
		{"json", no_argument, NULL, 'j'},         {"utc", no_argument, NULL, 'u'},
		{"help", no_argument, NULL, 'h'},         {NULL, 0, NULL, 0}};
	int option;

	*status = ASK_USAGE;
	optind = 1;
	while ((option = getopt_long(argc, argv, "c:h", options, NULL)) != -1) {
		if (!ask_option(ask, option, optarg)) {
			*status = option == 'h' ? 0 : ASK_USAGE;
			return false;
		}
	}
	return optind == argc - count;
}

int ask_open(struct ask *ask)
{
	int status = 0;

	/* Asking is nothing that mail waits for. */
	scheduling_background();
	if (ask->socket)
		snprintf(ask->path, sizeof(ask->path), "%s", ask->socket);
	else if (ask->config)
		status = from_file(ask, ask->config);
	else if (access(ASK_SOCKET, F_OK) < 0 && access(ASK_CONFIGURATION, R_OK) == 0)
		status = from_file(ask, ASK_CONFIGURATION);
	else
		snprintf(ask->path, sizeof(ask->path), "%s", ASK_SOCKET);
	return status ? status : try_socket(ask);
}

void ask_many(struct ask *ask)
{
	ask->line = curl_easy_init();
}

void ask_close(struct ask *ask)
{
	if (ask->line)
		curl_easy_cleanup(ask->line);
	ask->line = NULL;
}

/* ---- what ------------------------------------------------------------------------------------------------------- */

json_int_t ask_number(const json_t *json, const char *key)
{
	return json_integer_value(json_object_get(json, key));
}

const char *ask_text(const json_t *json, const char *key)
{
	const char *value = json_string_value(json_object_get(json, key));

	return value ? value : "-";
}

void ask_path_begin(struct ask_path *path, const char *text)
{
	*path = (struct ask_path){.length = strlen(text)};
	memcpy(path->text, text, path->length + 1);
}

static void append(struct ask_path *path, const char *text, bool escape)
{
	static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";

	for (; *text != '\0'; text++) {
		if (path->length + 8 > sizeof(path->text)) {
			path->full = true;
			return;
		}
		if (escape && !strchr(plain, *text))
			path->length += (size_t)sprintf(path->text + path->length, "%%%02X", (unsigned char)*text);
		else
			path->text[path->length++] = *text;
		path->text[path->length] = '\0';
	}
}

void ask_path_segment(struct ask_path *path, const char *value)
{
	append(path, "/", false);
	append(path, value, true);
}

void ask_path_value(struct ask_path *path, const char *key, const char *value)
{
	if (!value)
		return;
	append(path, path->query ? "&" : "?", false);
	path->query = true;
	append(path, key, true);
	append(path, "=", false);
	append(path, value, true);
}

/* ---- the request ------------------------------------------------------------------------------------------------ */

struct answer {
	CURL *curl;
	char *text; /* owned */
	size_t length;
	ask_write_fn *write; /* of what is no error; NULL: all is kept */
	void *context;
};

static size_t on_data(char *data, size_t size, size_t count, void *context)
{
	struct answer *a = context;
	size_t length = size * count;
	long status = 0;
	char *more;

	curl_easy_getinfo(a->curl, CURLINFO_RESPONSE_CODE, &status);
	if (a->write && status == 200)
		return a->write(a->context, data, length) ? length : 0;
	if (a->length + length > ANSWER_MAX)
		return 0;
	more = realloc(a->text, a->length + length + 1);
	if (!more)
		return 0;
	memcpy(more + a->length, data, length);
	a->text = more;
	a->length += length;
	more[a->length] = '\0';
	return length;
}

static CURLcode perform(const struct ask *ask, struct answer *a, const char *method, const char *path, const char *body)
{
	struct curl_slist *fields = curl_slist_append(NULL, "Expect:");
	CURL *curl = a->curl;
	char url[9000];
	CURLcode r;

	/* What is sent is JSON. */
	fields = curl_slist_append(fields, "Content-Type: application/json");
	snprintf(url, sizeof(url), "http://localhost%s", path);
	curl_easy_setopt(curl, CURLOPT_UNIX_SOCKET_PATH, ask->path);
	curl_easy_setopt(curl, CURLOPT_URL, url);
	curl_easy_setopt(curl, CURLOPT_PROXY, "");
	curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, (long)CONNECT_S);
	if (!a->write)
		curl_easy_setopt(curl, CURLOPT_TIMEOUT, ask->answer_s ? ask->answer_s : (long)ANSWER_S);
	curl_easy_setopt(curl, CURLOPT_HTTPHEADER, fields);
	curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, method);
	if (body)
		curl_easy_setopt(curl, CURLOPT_POSTFIELDS, body);
	curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_data);
	curl_easy_setopt(curl, CURLOPT_WRITEDATA, a);
	r = curl_easy_perform(curl);
	curl_slist_free_all(fields);
	return r;
}

/* What the process says of a request that it did not answer. */
static int refused(const struct ask *ask, long status, const char *text)
{
	json_t *json = text ? json_loads(text, 0, NULL) : NULL;
	const char *why = json_string_value(json_object_get(json, "error"));
	int exit_status = status == 400 || status == 405 || status == 413 ? ASK_USAGE
			  : status == 404                                 ? ASK_NOT
			  : status == 403                                 ? ASK_PERMISSION
			  : status == 409 || status == 503                ? ASK_PART
									  : ASK_SOFTWARE;

	say(ask, exit_status, why ? why : "the process answers with an error that it does not explain", "");
	json_decref(json);
	return exit_status;
}

static int request(const struct ask *ask, const char *method, const char *path, const char *body, struct answer *a)
{
	long status = 0, why = 0;
	int exit_status = 0;
	CURLcode r;

	a->curl = ask->line ? ask->line : curl_easy_init();
	if (a->curl && ask->line)
		curl_easy_reset(a->curl);
	if (!a->curl)
		return say(ask, ASK_SOFTWARE, "out of memory", "");
	r = perform(ask, a, method, path, body);
	curl_easy_getinfo(a->curl, CURLINFO_RESPONSE_CODE, &status);
	curl_easy_getinfo(a->curl, CURLINFO_OS_ERRNO, &why);
	if (r == CURLE_COULDNT_CONNECT && why == EAGAIN)
		exit_status = say(ask, ASK_PART, ask->path, BUSY);
	else if (r != CURLE_OK)
		exit_status =
			say(ask, r == CURLE_COULDNT_CONNECT ? ASK_UNAVAILABLE : ASK_PART, ask->path,
			    r == CURLE_OPERATION_TIMEDOUT ? "it takes too long to answer: look at its events"
			    : r == CURLE_COULDNT_CONNECT  ? "nobody answers there: is postrider running (systemctl "
							    "status postrider)?"
			    : r == CURLE_WRITE_ERROR      ? "the answer cannot be taken"
						     : "the process ended, or ended the connection, without an answer");
	else if (status != 200)
		exit_status = refused(ask, status, a->text);
	if (!ask->line)
		curl_easy_cleanup(a->curl);
	return exit_status;
}

int ask_send(const struct ask *ask, const char *method, const char *path, json_t *body, json_t **answer)
{
	char *text = body ? json_dumps(body, JSON_COMPACT) : NULL;
	struct answer a = {0};
	int status = request(ask, method, path, text, &a);

	free(text);
	if (status == 0) {
		*answer = json_loads(a.text ? a.text : "", JSON_REJECT_DUPLICATES, NULL);
		if (!*answer)
			status =
				say(ask, ASK_SOFTWARE, ask->path, "what it answers is no JSON: is it another program?");
	}
	free(a.text);
	return status;
}

int ask_get(const struct ask *ask, const char *path, json_t **answer)
{
	return ask_send(ask, "GET", path, NULL, answer);
}

int ask_octets(const struct ask *ask, const char *path, ask_write_fn *write, void *context)
{
	struct answer a = {.write = write, .context = context};
	int status = request(ask, "GET", path, NULL, &a);

	free(a.text);
	return status;
}
