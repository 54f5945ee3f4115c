/*
 * core/agents/token_rotation.c - see token_rotation.h.
 */
#include "core/agents/token_rotation.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/file.h>
#include <unistd.h>

#include "core/agents/assertion.h"
#include "core/agents/fetch.h"
#include "core/agents/key_pair.h"
#include "core/agents/token_job.h"
#include "core/base/clock.h"
#include "core/base/durable.h"
#include "core/base/secret.h"

#define GRAPH_URL "https://graph.microsoft.com"

enum { GRAPH_ANSWER_MAX = 1 << 20, URL_MAX = 2048 };

/* Of the proof, by the two versions of Microsoft's page: one is taken. */
static const char *const audiences[] = {"00000002-0000-0000-c000-000000000000", "00000003-0000-0000-c000-000000000000"};

struct paths {
	char certificate[PATH_MAX], private_key[PATH_MAX];
};

static bool fail(struct rotation *r, const char *what, const char *why)
{
	snprintf(r->problem, sizeof(r->problem), "%.200s%s%.270s", what, why[0] ? ": " : "", why);
	return false;
}

static void tell(const struct rotation *r, enum rotation_step step, const char *text)
{
	if (r->told)
		r->told(r->context, step, text);
}

static void paths_of(const struct rotation *r, const char *ending, struct paths *paths)
{
	snprintf(paths->certificate, sizeof(paths->certificate), "%s%s", r->oauth->certificate, ending);
	snprintf(paths->private_key, sizeof(paths->private_key), "%s%s", r->oauth->private_key, ending);
}

static bool there(const char *path)
{
	return access(path, F_OK) == 0;
}

/* ---- pairs ---------------------------------------------------------------------------------------------------- */

static struct signer *signer_of(const struct paths *paths, char problem[SIGNER_PROBLEM_SIZE])
{
	struct secret key = {0}, certificate = {0};
	struct signer *signer = NULL;
	int e = secret_read(paths->private_key, &key);

	if (e == 0)
		e = secret_read(paths->certificate, &certificate);
	if (e == 0)
		signer = signer_new(&key, &certificate, problem);
	else
		snprintf(problem, SIGNER_PROBLEM_SIZE, "%s", strerror(-e));
	secret_wipe(&key);
	secret_wipe(&certificate);
	return signer;
}

static bool usable(const struct paths *paths)
{
	char problem[SIGNER_PROBLEM_SIZE];
	struct signer *signer = signer_of(paths, problem);

	signer_free(signer);
	return signer != NULL;
}

/* The owner and mode of the files in use: who reads those must be able to read these. */
static int write_like(const char *like, const char *path, const char *text)
{
	struct secret before;
	int e = secret_read(like, &before);

	secret_wipe(&before);
	return e < 0 ? e : durable_make_like(path, like, text, strlen(text));
}

/* The key first: a certificate that is there has its key. */
static bool make(struct rotation *r, const struct paths *next)
{
	struct key_pair pair;
	int e;

	if (!key_pair_make(r->common_name, ROTATION_DAYS, &pair))
		return fail(r, "no key can be made", "");
	e = write_like(r->oauth->private_key, next->private_key, pair.private_key);
	if (e == 0)
		e = write_like(r->oauth->certificate, next->certificate, pair.certificate);
	key_pair_wipe(&pair);
	if (e < 0)
		return fail(r, next->private_key, strerror(-e));
	tell(r, ROTATION_MADE, next->certificate);
	return true;
}

/* A token by that pair, for `scope`. */
static enum token_outcome token_by(const struct rotation *r, const struct paths *paths, const char *scope,
				   struct token_reply *reply)
{
	struct config_oauth oauth = *r->oauth;

	oauth.certificate = (char *)paths->certificate;
	oauth.private_key = (char *)paths->private_key;
	oauth.scope = (char *)scope;
	token_once(&oauth, NULL, reply);
	return reply->outcome;
}

static bool proven(struct rotation *r, const struct paths *paths)
{
	struct token_reply reply;
	bool given = token_by(r, paths, r->oauth->scope, &reply) == TOKEN_GIVEN;

	if (!given)
		(void)fail(r, "the new certificate gets no token", reply.problem);
	token_reply_wipe(&reply);
	return given;
}

/* ---- Graph ---------------------------------------------------------------------------------------------------- */

static const char *graph_of(const struct rotation *r)
{
	return r->graph_url ? r->graph_url : GRAPH_URL;
}

struct graph {
	struct secret authorization;
	struct fetch fetch;
};

static void on_fetched(struct fetch *fetch)
{
}

static bool graph_sign_in(struct rotation *r, const struct paths *by, struct graph *graph)
{
	struct token_reply reply;
	char scope[URL_MAX], *value = NULL;

	memset(graph, 0, sizeof(*graph));
	snprintf(scope, sizeof(scope), "%s/.default", graph_of(r));
	if (token_by(r, by, scope, &reply) != TOKEN_GIVEN)
		return fail(r, "no token for Graph", reply.problem);
	if (asprintf(&value, "Bearer %s", reply.access_token.text) > 0) {
		(void)secret_set(&graph->authorization, value, strlen(value));
		explicit_bzero(value, strlen(value));
		free(value);
	}
	token_reply_wipe(&reply);
	return graph->authorization.text || fail(r, "out of memory", "");
}

static void graph_ask(const struct rotation *r, struct graph *graph, const char *what, const char *body)
{
	char url[URL_MAX];

	fetch_wipe(&graph->fetch);
	snprintf(url, sizeof(url), "%s/v1.0/applications/%s%s", graph_of(r), r->object_id, what);
	graph->fetch = (struct fetch){.url = url,
				      .body = body,
				      .body_length = body ? strlen(body) : 0,
				      .content_type = body ? "application/json" : NULL,
				      .authorization = graph->authorization.text,
				      .ca_file = r->oauth->ca_file,
				      .proxy = r->oauth->proxy,
				      .most = GRAPH_ANSWER_MAX,
				      .fn = on_fetched};
	fetch_now(&graph->fetch);
}

static void graph_end(struct graph *graph)
{
	fetch_wipe(&graph->fetch);
	secret_wipe(&graph->authorization);
}

/* Why not, in Graph's words. */
static bool graph_failed(struct rotation *r, const struct graph *graph, const char *what)
{
	json_t *root = json_loadb(graph->fetch.text ? graph->fetch.text : "", graph->fetch.length, 0, NULL);
	const char *said = json_string_value(json_object_get(json_object_get(root, "error"), "message"));
	char text[300];

	snprintf(text, sizeof(text), "Graph answers HTTP %u: %.240s", graph->fetch.status,
		 graph->fetch.status == 0 ? graph->fetch.problem
		 : said                   ? said
					  : "nothing that can be understood");
	json_decref(root);
	return fail(r, what, text);
}

/* Signed by a pair that is registered. From malloc. */
static char *proof_by(struct rotation *r, const struct paths *by, const char *audience)
{
	char problem[SIGNER_PROBLEM_SIZE];
	struct signer *signer = signer_of(by, problem);
	const struct assertion assertion = {.how = CONFIG_SIGNATURE_RS256,
					    .audience = audience,
					    .issuer = r->object_id,
					    .now = (int64_t)(clock_wall_ns() / CLOCK_NS_PER_S)};
	char *proof = signer ? assertion_make(&assertion, signer) : NULL;

	if (!proof)
		(void)fail(r, by->private_key, signer ? "nothing can be signed with it" : problem);
	signer_free(signer);
	return proof;
}

/* With one proof or the other. `request` is filled in but for the proof. */
static bool graph_prove(struct rotation *r, struct graph *graph, const struct paths *by, const char *what,
			json_t *request)
{
	bool ok = false;

	for (size_t i = 0; i < sizeof(audiences) / sizeof(audiences[0]) && !ok; i++) {
		char *proof = proof_by(r, by, audiences[i]), *body = NULL;
		if (proof && json_object_set_new(request, "proof", json_string(proof)) == 0)
			body = json_dumps(request, JSON_COMPACT);
		if (body)
			graph_ask(r, graph, what, body);
		ok = body && graph->fetch.status >= 200 && graph->fetch.status < 300;
		free(proof);
		free(body);
		if (graph->fetch.status < 400 || graph->fetch.status > 403)
			break;
	}
	return ok;
}

/* ---- steps ---------------------------------------------------------------------------------------------------- */

static bool add_key(struct rotation *r, const struct paths *now, const struct paths *next)
{
	char *text = key_pair_certificate_text(next->certificate);
	json_t *request = json_pack("{s:{s:s, s:s, s:s*}, s:n}", "keyCredential", "type", "AsymmetricX509Cert", "usage",
				    "Verify", "key", text, "passwordCredential");
	struct graph graph;
	bool ok = text && request && graph_sign_in(r, now, &graph);

	if (ok) {
		ok = graph_prove(r, &graph, now, "/addKey", request) ||
		     graph_failed(r, &graph, "the new certificate cannot be registered");
		graph_end(&graph);
	} else if (!r->problem[0]) {
		(void)fail(r, next->certificate, "cannot be read");
	}
	free(text);
	json_decref(request);
	return ok;
}

/* It may have been registered already; and what was just registered takes a while to be known. */
static bool register_next(struct rotation *r, const struct paths *now, const struct paths *next)
{
	uint64_t end_ns = clock_monotonic_ns() + r->proof_s * CLOCK_NS_PER_S;

	if (!proven(r, next)) {
		if (!add_key(r, now, next))
			return false;
		tell(r, ROTATION_REGISTERED, next->certificate);
		while (!proven(r, next)) {
			if (clock_monotonic_ns() >= end_ns)
				return false;
			(void)sleep(ROTATION_PROOF_AGAIN_S);
		}
	}
	tell(r, ROTATION_PROVEN, next->certificate);
	return true;
}

static bool move(struct rotation *r, const char *from, const char *to)
{
	int e = durable_rename(from, to);

	return e == 0 || fail(r, to, strerror(-e));
}

/* The old certificate is kept, to be removed by. */
static bool swap(struct rotation *r, const struct paths *now, const struct paths *next, const struct paths *old)
{
	struct secret certificate;
	int e = 0;

	if (there(next->private_key)) {
		e = secret_read(now->certificate, &certificate);
		if (e == 0)
			e = durable_make_like(old->certificate, now->certificate, certificate.text, certificate.length);
		secret_wipe(&certificate);
		if (e < 0)
			return fail(r, old->certificate, strerror(-e));
		if (!move(r, next->private_key, now->private_key))
			return false;
		tell(r, ROTATION_KEY_SWAPPED, now->private_key);
	}
	if (!move(r, next->certificate, now->certificate))
		return false;
	tell(r, ROTATION_SWAPPED, now->certificate);
	return true;
}

/* Graph writes the thumbprint in base64 or in hexadecimal. */
static bool is_thumbprint(const char *text, const uint8_t sha1[SIGNER_SHA1_SIZE])
{
	char hex[2 * SIGNER_SHA1_SIZE + 1], base64[2 * SIGNER_SHA1_SIZE];
	size_t n = assertion_base64url(sha1, SIGNER_SHA1_SIZE, base64);

	for (size_t i = 0; i < SIGNER_SHA1_SIZE; i++)
		snprintf(hex + 2 * i, 3, "%02x", sha1[i]);
	if (strcasecmp(text, hex) == 0)
		return true;
	for (size_t i = 0; i < n; i++) {
		char c = text[i] == '+' ? '-' : text[i] == '/' ? '_' : text[i];
		if (c != base64[i])
			return false;
	}
	return text[n] == '\0' || strcmp(text + n, "=") == 0;
}

/* By its thumbprint. From malloc; NULL: it is not there, or nobody may look. */
static char *key_id_of(struct rotation *r, struct graph *graph, const struct paths *old)
{
	uint8_t sha1[SIGNER_SHA1_SIZE];
	char *found = NULL;
	json_t *root, *item;
	size_t i;

	if (!signer_thumbprint_of(old->certificate, sha1))
		return NULL;
	graph_ask(r, graph, "?$select=id,keyCredentials", NULL);
	root = graph->fetch.status == 200 ? json_loadb(graph->fetch.text, graph->fetch.length, 0, NULL) : NULL;
	json_array_foreach(json_object_get(root, "keyCredentials"), i, item)
	{
		const char *thumbprint = json_string_value(json_object_get(item, "customKeyIdentifier"));
		const char *id = json_string_value(json_object_get(item, "keyId"));
		if (thumbprint && id && !found && is_thumbprint(thumbprint, sha1))
			found = strdup(id);
	}
	json_decref(root);
	return found;
}

/* Whatever comes of it: the old certificate harms nobody, and ends by itself. */
static void remove_old(struct rotation *r, const struct paths *now, const struct paths *old)
{
	struct graph graph;
	char *id = NULL;
	bool removed = false;

	if (graph_sign_in(r, now, &graph)) {
		id = key_id_of(r, &graph, old);
		json_t *request = id ? json_pack("{s:s}", "keyId", id) : NULL;
		removed = request && graph_prove(r, &graph, now, "/removeKey", request);
		if (!removed)
			(void)graph_failed(r, &graph, id ? "it cannot be removed" : "it was not found");
		json_decref(request);
		graph_end(&graph);
	}
	tell(r, removed ? ROTATION_REMOVED : ROTATION_NOT_REMOVED, removed ? "" : r->problem);
	r->problem[0] = '\0';
	free(id);
	(void)unlink(old->certificate);
}

/* Two at a time would register two, and swap one. -1: somebody else is at it, or `problem` says what. */
static int lock(struct rotation *r, const struct paths *now)
{
	char directory[PATH_MAX];
	char *slash;
	int fd;

	snprintf(directory, sizeof(directory), "%s", now->private_key);
	slash = strrchr(directory, '/');
	if (slash)
		slash[slash == directory] = '\0';
	fd = open(slash ? directory : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0)
		return fd;
	(void)fail(r, directory, errno == EWOULDBLOCK ? "another rotation is under way" : strerror(errno));
	if (fd >= 0)
		close(fd);
	return -1;
}

static bool run(struct rotation *r, const struct paths *now, const struct paths *next, const struct paths *old)
{
	bool key = there(next->private_key);

	if (key || !there(old->certificate)) {
		/* The key comes first when they are made, and first when they are swapped. */
		bool in_swap = !key && there(next->certificate) && !usable(now);
		if (!in_swap && !usable(next) && !make(r, next))
			return false;
		if (!in_swap && !register_next(r, now, next))
			return false;
		if (!swap(r, now, next, old))
			return false;
	} else if (there(next->certificate) && !swap(r, now, next, old)) {
		return false;
	}
	remove_old(r, now, old);
	return true;
}

bool rotation_run(struct rotation *r)
{
	struct paths now, next, old;
	bool ok;
	int fd;

	r->problem[0] = '\0';
	if (strlen(r->oauth->certificate) + 8 > PATH_MAX || strlen(r->oauth->private_key) + 8 > PATH_MAX)
		return fail(r, r->oauth->certificate, "the path is too long");
	paths_of(r, "", &now);
	paths_of(r, ROTATION_NEXT, &next);
	paths_of(r, ROTATION_OLD, &old);
	fd = lock(r, &now);
	if (fd < 0)
		return false;
	ok = run(r, &now, &next, &old);
	close(fd);
	return ok;
}

bool rotation_under_way(const struct config_oauth *oauth)
{
	const struct rotation r = {.oauth = oauth};
	struct paths next, old;

	paths_of(&r, ROTATION_NEXT, &next);
	paths_of(&r, ROTATION_OLD, &old);
	return there(next.certificate) || there(next.private_key) || there(old.certificate);
}
