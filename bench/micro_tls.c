/*
 * bench/micro_tls.c - what TLS costs: sealing and opening records, handshakes and memory, without network.
 *
 * Usage: micro_tls [OPTIONS] CERTIFICATES [handshakes]   (certificates: tests/certificates.sh DIR)
 *
 * Records go through one session of each side; sealing and opening are measured apart. "wolfssl" in a name: without
 * the acceleration. Which code the acceleration runs depends on the processor, and under valgrind on the one that
 * valgrind shows, so its instructions are those of another code path than its time where the two differ.
 *
 * `handshakes` prints instead what a handshake takes each side, and a session's memory. Both sides run in this thread,
 * and their time is taken apart. Each figure is the median of five rounds; the spread is the distance between the
 * fastest and the slowest round. "wolfssl" in a name: the same with nothing handed
 * on. Memory is what malloc says is in use, so run it without sanitizers.
 */
#include "tls/tls.h"

#include <malloc.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/micro.h"

enum { ROUNDS = 5, HANDSHAKES = 200, SESSIONS = 64, RECORDS = 60, REPEAT = 20, RECORD = 4096, RECORD_FULL = 16384 };

struct wire {
	uint8_t data[65536];
	size_t length;
};

struct end {
	struct tls_session *session;
	uint8_t lent[TLS_OUTPUT_MIN];
	uint64_t ns; /* spent in this side's calls */
};

static struct end client, server;
static struct wire up, down;
static char certificate[512], key[512], authority[512];

static struct tls_context *make(bool is_server, int version)
{
	struct tls_problem problem;
	struct tls_context_config config = {
		.server = is_server,
		.verify_peer = !is_server,
		.ca_file = is_server ? NULL : authority,
		.certificate_file = is_server ? certificate : NULL,
		.private_key_file = is_server ? key : NULL,
		.tls12_only = version == 2,
		.tls13_only = version == 3,
	};
	struct tls_context *context = tls_context_new(&config, &problem);

	if (context == NULL)
		micro_fail("context", problem.text);
	return context;
}

static void collect(struct end *end, struct wire *out)
{
	size_t n = tls_output_length(end->session);

	memcpy(out->data + out->length, end->lent, n);
	out->length += n;
	tls_lend_output(end->session, end->lent, sizeof(end->lent));
}

static enum tls_status step(struct end *end, struct wire *in, struct wire *out)
{
	uint64_t start = micro_now_ns();

	tls_feed(end->session, in->data, in->length);
	enum tls_status status = tls_handshake(end->session);
	in->length = 0;
	collect(end, out);
	end->ns += micro_now_ns() - start;
	return status;
}

static void open_end(struct end *end, struct tls_context *context, struct tls_ticket *ticket, bool is_server)
{
	uint64_t start = micro_now_ns();

	end->session = tls_session_new(context, is_server ? NULL : "localhost", ticket);
	if (end->session == NULL)
		micro_fail("session", "out of memory");
	tls_lend_output(end->session, end->lent, sizeof(end->lent));
	end->ns += micro_now_ns() - start;
}

static void establish(struct tls_context *c, struct tls_context *s, struct tls_ticket *ticket)
{
	enum tls_status a = TLS_WANT_INPUT, b = TLS_WANT_INPUT;
	uint8_t octet;
	size_t n;

	up.length = down.length = 0;
	open_end(&client, c, ticket, false);
	open_end(&server, s, NULL, true);
	while (a == TLS_WANT_INPUT || b == TLS_WANT_INPUT) {
		if (a == TLS_WANT_INPUT)
			a = step(&client, &down, &up);
		if (b == TLS_WANT_INPUT)
			b = step(&server, &up, &down);
	}
	if (a != TLS_OK || b != TLS_OK)
		micro_fail(tls_error_text(client.session), tls_error_text(server.session));
	/* TLS 1.3 tickets come behind the handshake. */
	uint64_t start = micro_now_ns();
	tls_feed(client.session, down.data, down.length);
	if (tls_read(client.session, &octet, 1, &n) != TLS_WANT_INPUT)
		micro_fail("ticket", tls_error_text(client.session));
	down.length = 0;
	client.ns += micro_now_ns() - start;
}

static void close_both(void)
{
	tls_session_free(client.session);
	tls_session_free(server.session);
}

/* ---- records ---- */

struct kind {
	int version;
	bool plain; /* without acceleration */
};

static struct tls_context *contexts[2];
static uint8_t plaintext[RECORD_FULL], opened[RECORD_FULL];
static uint8_t sealed[RECORDS][TLS_OUTPUT_MIN];
static size_t sealed_length[RECORDS];

/* A new pair of sessions, because those that only seal leave their peer behind. */
static void record_setup(const struct micro_operation *operation)
{
	const struct kind *kind = operation->parameter;

	if (contexts[0]) {
		close_both();
		tls_context_free(contexts[0]);
		tls_context_free(contexts[1]);
	}
	tls_set_acceleration(!kind->plain);
	contexts[0] = make(false, kind->version);
	contexts[1] = make(true, kind->version);
	establish(contexts[0], contexts[1], NULL);
}

static void run_seal(const struct micro_operation *operation, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		tls_lend_output(client.session, sealed[i], sizeof(sealed[i]));
		if (tls_write(client.session, plaintext, operation->octets) != TLS_OK)
			micro_fail("write", tls_error_text(client.session));
		sealed_length[i] = tls_output_length(client.session);
	}
}

static void run_open(const struct micro_operation *operation, unsigned count)
{
	size_t n;

	for (unsigned i = 0; i < count; i++) {
		tls_feed(server.session, sealed[i], sealed_length[i]);
		if (tls_read(server.session, opened, sizeof(opened), &n) != TLS_OK || n != operation->octets)
			micro_fail("read", tls_error_text(server.session));
		if (tls_read(server.session, opened, sizeof(opened), &n) != TLS_WANT_INPUT)
			micro_fail("read", "more than was sent");
	}
}

#define RECORDS_OF(label, size, ...)                                                                                   \
	{.name = "tls.seal-" label,                                                                                    \
	 .octets = size,                                                                                               \
	 .repeat = REPEAT,                                                                                             \
	 .run = run_seal,                                                                                              \
	 .setup = record_setup,                                                                                        \
	 .parameter = &(const struct kind){__VA_ARGS__}},                                                              \
	{                                                                                                              \
		.name = "tls.open-" label, .octets = size, .repeat = REPEAT, .run = run_open, .setup = record_setup,   \
		.before = run_seal, .parameter = &(const struct kind)                                                  \
		{                                                                                                      \
			__VA_ARGS__                                                                                    \
		}                                                                                                      \
	}

static void records(void)
{
	const struct micro_operation operations[] = {
		RECORDS_OF("4k-tls13", RECORD, .version = 3),
		RECORDS_OF("4k-tls12", RECORD, .version = 2),
		RECORDS_OF("16k-tls13", RECORD_FULL, .version = 3),
		RECORDS_OF("4k-tls13-wolfssl", RECORD, .version = 3, .plain = true),
	};

	micro_run(operations, sizeof(operations) / sizeof(operations[0]));
	close_both();
	tls_context_free(contexts[0]);
	tls_context_free(contexts[1]);
}

/* ---- handshakes and memory ---- */

static void print(const char *name, double *us, const char *note)
{
	micro_sort(us, ROUNDS);
	printf("%-44s %9.2f us  (%.2f to %.2f)  %s\n", name, us[ROUNDS / 2], us[0], us[ROUNDS - 1], note);
}

struct signer {
	const char *label, *file;
	bool plain; /* without acceleration */
};

static void use(const char *directory, const struct signer *signer)
{
	snprintf(certificate, sizeof(certificate), "%s/%s.crt", directory, signer->file);
	snprintf(key, sizeof(key), "%s/%s.key", directory, signer->file);
	tls_set_acceleration(!signer->plain);
}

static void measure_handshake(const char *label, int version, bool resumed)
{
	struct tls_context *c = make(false, version), *s = make(true, version);
	struct tls_ticket *ticket = NULL;
	double client_us[ROUNDS], server_us[ROUNDS];
	struct tls_info info;
	char name[64];

	establish(c, s, NULL);
	if (resumed && (ticket = tls_ticket_take(client.session)) == NULL)
		micro_fail("ticket", "none came");
	close_both();
	for (int round = 0; round < ROUNDS; round++) {
		client.ns = server.ns = 0;
		for (unsigned i = 0; i < HANDSHAKES; i++) {
			establish(c, s, ticket);
			tls_session_info(client.session, &info);
			if (info.resumed != resumed)
				micro_fail("handshake", "resumption is not as it should be");
			close_both();
		}
		client_us[round] = (double)client.ns / HANDSHAKES / 1000;
		server_us[round] = (double)server.ns / HANDSHAKES / 1000;
	}
	snprintf(name, sizeof(name), "%s %s handshake, %s, client", info.version, label, resumed ? "resumed" : "full");
	print(name, client_us, info.group);
	snprintf(name, sizeof(name), "%s %s handshake, %s, server", info.version, label, resumed ? "resumed" : "full");
	print(name, server_us, "");
	tls_ticket_free(ticket);
	tls_context_free(c);
	tls_context_free(s);
}

/* Octets malloc has given out, with the large blocks it maps one by one. */
static size_t in_use(void)
{
	struct mallinfo2 info = mallinfo2();

	return info.uordblks + info.hblkhd;
}

/* Frees the other side's sessions as it goes, so that only one side's remain. */
static void measure_memory(int version, bool keep_client)
{
	struct tls_context *c = make(false, version), *s = make(true, version);
	struct tls_session *kept[SESSIONS];
	struct tls_info info;

	establish(c, s, NULL);
	tls_session_info(client.session, &info);
	char label[16];
	snprintf(label, sizeof(label), "%s", info.version);
	close_both();
	size_t before = in_use();
	for (int i = 0; i < SESSIONS; i++) {
		establish(c, s, NULL);
		kept[i] = keep_client ? client.session : server.session;
		tls_session_free(keep_client ? server.session : client.session);
	}
	printf("%s %s: %zu octets for each established session\n", label, keep_client ? "client" : "server",
	       (in_use() - before) / SESSIONS);
	for (int i = 0; i < SESSIONS; i++)
		tls_session_free(kept[i]);
	tls_context_free(c);
	tls_context_free(s);
}

static const struct signer signers[] = {
	{"ECDSA", "server", false},
	{"RSA-2048", "rsa", false},
	{"RSA-2048 wolfssl", "rsa", true},
	{"RSA-4096", "rsa4096", false},
};

int main(int argc, char **argv)
{
	int operand = micro_start(argc, argv, "CERTIFICATES [handshakes]");
	bool handshakes = operand + 2 == argc && strcmp(argv[operand + 1], "handshakes") == 0;

	if (operand + 1 != argc && !handshakes)
		micro_fail(argv[operand + 1], "one directory, and perhaps \"handshakes\"");
	use(argv[operand], &signers[0]);
	snprintf(authority, sizeof(authority), "%s/ca.crt", argv[operand]);
	tls_global_init();
	micro_note("tls", tls_library());
	micro_note("acceleration", tls_acceleration());
	if (!handshakes) {
		records();
		return 0;
	}
	for (int version = 2; version <= 3; version++) {
		for (size_t i = 0; i < sizeof(signers) / sizeof(signers[0]); i++) {
			use(argv[operand], &signers[i]);
			measure_handshake(signers[i].label, version, false);
		}
		use(argv[operand], &signers[0]);
		measure_handshake(signers[0].label, version, true);
	}
	for (int version = 2; version <= 3; version++) {
		measure_memory(version, true);
		measure_memory(version, false);
	}
	return 0;
}
