/*
 * tests/e2e/token_client.c - the agent of access tokens (core/agents/token.h) by commands, for tests/e2e/test_token.py.
 *
 * A line of standard input is a command, its words separated by tabs; each answers with a line of JSON, `ask` with one
 * for each question. The agent's events go to standard error.
 *
 *     identity NAME KEY=VALUE...      settings as in `oauth`; user=, grant=; command=, once for each of its words
 *     ask NAME COUNT MS               so many at once, with a deadline
 *     reject NAME                     a next hop has refused the last token
 *     release NAME
 *     once NAME                       token_once(), with the settings
 *     device NAME                     token_device.h; "code" on standard error
 *     rotate NAME OBJECT GRAPH STEP   token_rotation.h; ends the process behind that step (-1: none)
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/agents/token.h"
#include "core/agents/token_device.h"
#include "core/agents/token_identity.h"
#include "core/agents/token_job.h"
#include "core/agents/token_rotation.h"
#include "core/base/clock.h"
#include "core/base/list.h"
#include "core/base/log.h"
#include "core/base/ring.h"

enum { LINE_MAX_OCTETS = 65536, IDENTITIES_MAX = 256, ASKS_MAX = 4096, LOG_CAPACITY = 1 << 20, WAIT_S = 60 };

static struct known {
	char *name;
	struct config_oauth oauth;
	char *user;
	struct token_identity *identity;
	struct token *last;
} known[IDENTITIES_MAX];
static unsigned known_count;

static struct tokens *tokens;
static struct asker asker;
static struct ring *ring;
static struct token_question questions[ASKS_MAX];

static struct known *find(const char *name)
{
	for (unsigned i = 0; name && i < known_count; i++) {
		if (strcmp(known[i].name, name) == 0)
			return &known[i];
	}
	fprintf(stderr, "token_client: no identity %s\n", name ? name : "?");
	exit(1);
}

static void set(struct known *k, const char *key, const char *value)
{
	struct config_oauth *o = &k->oauth;
	const struct {
		const char *key;
		char **to;
	} texts[] = {
		{"tenant", &o->tenant},
		{"client_id", &o->client_id},
		{"certificate", &o->certificate},
		{"private_key", &o->private_key},
		{"client_secret_file", &o->client_secret_file},
		{"refresh_token_file", &o->refresh_token_file},
		{"service_account_file", &o->service_account_file},
		{"token_url", &o->token_url},
		{"scope", &o->scope},
		{"ca_file", &o->ca_file},
		{"proxy", &o->proxy},
		{"user", &k->user},
	};

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		if (strcmp(key, texts[i].key) == 0) {
			*texts[i].to = strdup(value);
			return;
		}
	}
	if (strcmp(key, "grant") == 0) {
		o->grant = (enum config_grant)atoi(value);
	} else if (strcmp(key, "signature") == 0) {
		o->signature = strcmp(value, "RS256") == 0 ? CONFIG_SIGNATURE_RS256 : CONFIG_SIGNATURE_PS256;
	} else if (strcmp(key, "command") == 0) {
		o->command = realloc(o->command, (o->command_count + 2) * sizeof(char *));
		o->command[o->command_count++] = strdup(value);
		o->command[o->command_count] = NULL;
	} else {
		fprintf(stderr, "token_client: no key %s\n", key);
		exit(1);
	}
}

static void add(void)
{
	struct known *k = &known[known_count];
	char *word;

	k->name = strdup(strtok(NULL, "\t"));
	while ((word = strtok(NULL, "\t")) != NULL) {
		char *equals = strchr(word, '=');
		*equals = '\0';
		set(k, word, equals + 1);
	}
	k->identity = token_identity_acquire(tokens, &k->oauth, k->user, k->name);
	known_count++;
	printf("{\"identity\":%llu}\n", (unsigned long long)(uintptr_t)k->identity);
}

static void on_answer(struct question *question)
{
}

static void print_text(const char *key, const char *text)
{
	printf(",\"%s\":\"", key);
	for (; *text; text++)
		printf(*text == '"' || *text == '\\' ? "\\%c" : "%c", *text);
	printf("\"");
}

static void print(const struct token_question *q)
{
	printf("{\"result\":%d,\"again_ms\":%llu,\"serial\":%llu", q->question.result,
	       (unsigned long long)(q->again_ns / CLOCK_NS_PER_MS),
	       (unsigned long long)(q->token ? q->token->serial : 0));
	print_text("token", q->token ? q->token->text : "");
	print_text("problem", q->problem);
	printf("}\n");
}

static void ask(void)
{
	struct known *k = find(strtok(NULL, "\t"));
	unsigned count = (unsigned)atoi(strtok(NULL, "\t")), i;
	uint64_t deadline_ns = clock_monotonic_ns() + (uint64_t)atoi(strtok(NULL, "\t")) * CLOCK_NS_PER_MS;
	uint64_t end_ns = clock_monotonic_ns() + WAIT_S * CLOCK_NS_PER_S;

	for (i = 0; i < count && i < ASKS_MAX; i++) {
		questions[i].question.fn = on_answer;
		questions[i].question.deadline_ns = deadline_ns;
		questions[i].identity = k->identity;
		token_ask(tokens, &asker, &questions[i]);
	}
	while (asker.out > 0 && clock_monotonic_ns() < end_ns) {
		(void)ring_turn(ring, asker_due(&asker) ? 0 : clock_monotonic_ns() + CLOCK_NS_PER_S);
		asker_take(&asker);
	}
	for (i = 0; i < count && i < ASKS_MAX; i++) {
		print(&questions[i]);
		if (!questions[i].token)
			continue;
		token_release(k->last);
		k->last = questions[i].token;
	}
}

static void once(const struct known *k)
{
	struct token_reply reply;

	token_once(&k->oauth, k->user, &reply);
	printf("{\"outcome\":%d,\"token\":\"%s\",\"seconds\":%llu}\n", (int)reply.outcome,
	       reply.access_token.text ? reply.access_token.text : "", (unsigned long long)reply.lifetime_s);
	token_reply_wipe(&reply);
}

static void device(const struct known *k)
{
	struct token_device device;
	bool ok = token_device_begin(&k->oauth, &device);

	if (ok) {
		fprintf(stderr, "code %s at %s\n", device.user_code, device.url);
		ok = token_device_wait(&k->oauth, &device);
	}
	printf("{\"stored\":%s", ok ? "true" : "false");
	print_text("problem", device.problem);
	printf("}\n");
	token_device_wipe(&device);
}

static int last_step;

static void on_step(void *context, enum rotation_step step, const char *text)
{
	fprintf(stderr, "step %d %s\n", (int)step, text);
	if ((int)step == last_step)
		_exit(77);
}

static void rotate(void)
{
	struct known *k = find(strtok(NULL, "\t"));
	struct rotation rotation = {.oauth = &k->oauth,
				    .object_id = strtok(NULL, "\t"),
				    .graph_url = strtok(NULL, "\t"),
				    .common_name = "relay.example.org",
				    .proof_s = 30,
				    .told = on_step};

	last_step = atoi(strtok(NULL, "\t"));
	printf("{\"rotated\":%s", rotation_run(&rotation) ? "true" : "false");
	print_text("problem", rotation.problem);
	printf("}\n");
}

static void forget(struct known *k)
{
	token_release(k->last);
	k->last = NULL;
	token_identity_release(k->identity);
	k->identity = NULL;
}

static void run(const char *command)
{
	if (strcmp(command, "identity") == 0) {
		add();
	} else if (strcmp(command, "ask") == 0) {
		ask();
	} else if (strcmp(command, "reject") == 0) {
		token_rejected(find(strtok(NULL, "\t"))->last, TOKEN_DOUBTED);
		puts("{}");
	} else if (strcmp(command, "once") == 0) {
		once(find(strtok(NULL, "\t")));
	} else if (strcmp(command, "device") == 0) {
		device(find(strtok(NULL, "\t")));
	} else if (strcmp(command, "rotate") == 0) {
		rotate();
	} else if (strcmp(command, "release") == 0) {
		forget(find(strtok(NULL, "\t")));
		puts("{}");
	}
	fflush(stdout);
}

int main(void)
{
	static char line[LINE_MAX_OCTETS];
	struct ring_config config = {.entries = 64, .completions = 128};
	struct ring_problem problem;
	struct log *log = log_new(-1, LOG_CAPACITY);
	struct log_writer *writer = log_writer_start(STDERR_FILENO, &log, 1);
	char *word;

	if (ring_open(&ring, &config, &problem) < 0)
		return 1;
	asker_init(&asker, ring);
	tokens = tokens_start(log);
	if (!tokens)
		return 1;
	while (fgets(line, sizeof(line), stdin)) {
		line[strcspn(line, "\n")] = '\0';
		word = strtok(line, "\t");
		if (word)
			run(word);
	}
	tokens_stop(tokens);
	for (unsigned i = 0; i < known_count; i++) {
		forget(&known[i]);
		token_oauth_free(&known[i].oauth);
		free(known[i].user);
		free(known[i].name);
	}
	ring_close(ring);
	log_writer_stop(writer);
	log_free(log);
	return 0;
}
