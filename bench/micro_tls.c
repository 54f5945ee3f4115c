/*
 * bench/micro_tls.c - what TLS costs: records, handshakes and memory of the engine, without network.
 *
 * Usage: micro_tls CERTIFICATES-DIRECTORY [REPETITIONS]   (certificates: tests/certificates.sh DIR)
 *
 * Both sides run in this thread, and their time is taken apart. Each figure is the median of five rounds; the
 * spread is the distance between the fastest and the slowest round. Memory is what malloc says is in use, so run
 * it without sanitizers.
 */
#include "tls/tls.h"

#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { ROUNDS = 5, SESSIONS = 64, RECORD = 4096 };

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
static unsigned repetitions = 200;
static char certificate[512], key[512], authority[512];

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static _Noreturn void fail(const char *what, const char *why)
{
	fprintf(stderr, "micro_tls: %s: %s\n", what, why);
	exit(1);
}

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
		fail("context", problem.text);
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
	uint64_t start = now_ns();

	tls_feed(end->session, in->data, in->length);
	enum tls_status status = tls_handshake(end->session);
	in->length = 0;
	collect(end, out);
	end->ns += now_ns() - start;
	return status;
}

static void open_end(struct end *end, struct tls_context *context, struct tls_ticket *ticket, bool is_server)
{
	uint64_t start = now_ns();

	end->session = tls_session_new(context, is_server ? NULL : "localhost", ticket);
	if (end->session == NULL)
		fail("session", "out of memory");
	tls_lend_output(end->session, end->lent, sizeof(end->lent));
	end->ns += now_ns() - start;
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
		fail(tls_error_text(client.session), tls_error_text(server.session));
	/* TLS 1.3 tickets come behind the handshake. */
	uint64_t start = now_ns();
	tls_feed(client.session, down.data, down.length);
	if (tls_read(client.session, &octet, 1, &n) != TLS_WANT_INPUT)
		fail("ticket", tls_error_text(client.session));
	down.length = 0;
	client.ns += now_ns() - start;
}

static void close_both(void)
{
	tls_session_free(client.session);
	tls_session_free(server.session);
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static void print(const char *name, double *us, const char *note)
{
	qsort(us, ROUNDS, sizeof(us[0]), compare);
	printf("%-44s %9.2f us  (%.2f to %.2f)  %s\n", name, us[ROUNDS / 2], us[0], us[ROUNDS - 1], note);
}

static void measure_record(const char *name, int version)
{
	static uint8_t plaintext[RECORD], got[RECORD];
	struct tls_context *c = make(false, version), *s = make(true, version);
	struct tls_info info;
	double us[ROUNDS];
	size_t n;

	establish(c, s, NULL);
	tls_session_info(client.session, &info);
	for (int round = 0; round < ROUNDS; round++) {
		unsigned count = repetitions * 10;
		uint64_t start = now_ns();
		for (unsigned i = 0; i < count; i++) {
			if (tls_write(client.session, plaintext, sizeof(plaintext)) != TLS_OK)
				fail("write", tls_error_text(client.session));
			tls_feed(server.session, client.lent, tls_output_length(client.session));
			if (tls_read(server.session, got, sizeof(got), &n) != TLS_OK || n != sizeof(got))
				fail("read", tls_error_text(server.session));
			if (tls_read(server.session, got, sizeof(got), &n) != TLS_WANT_INPUT)
				fail("read", "more than was sent");
			tls_lend_output(client.session, client.lent, sizeof(client.lent));
		}
		us[round] = (double)(now_ns() - start) / count / 1000;
	}
	print(name, us, info.cipher);
	close_both();
	tls_context_free(c);
	tls_context_free(s);
}

static void measure_handshake(int version, bool resumed)
{
	struct tls_context *c = make(false, version), *s = make(true, version);
	struct tls_ticket *ticket = NULL;
	double client_us[ROUNDS], server_us[ROUNDS];
	struct tls_info info;
	char name[64];

	establish(c, s, NULL);
	if (resumed && (ticket = tls_ticket_take(client.session)) == NULL)
		fail("ticket", "none came");
	close_both();
	for (int round = 0; round < ROUNDS; round++) {
		client.ns = server.ns = 0;
		for (unsigned i = 0; i < repetitions; i++) {
			establish(c, s, ticket);
			tls_session_info(client.session, &info);
			if (info.resumed != resumed)
				fail("handshake", "resumption is not as it should be");
			close_both();
		}
		client_us[round] = (double)client.ns / repetitions / 1000;
		server_us[round] = (double)server.ns / repetitions / 1000;
	}
	snprintf(name, sizeof(name), "%s handshake, %s, client", info.version, resumed ? "resumed" : "full");
	print(name, client_us, info.group);
	snprintf(name, sizeof(name), "%s handshake, %s, server", info.version, resumed ? "resumed" : "full");
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

int main(int argc, char **argv)
{
	if (argc < 2 || argc > 3 || (argc == 3 && atoi(argv[2]) <= 0)) {
		fprintf(stderr, "usage: %s CERTIFICATES-DIRECTORY [REPETITIONS]\n", argv[0]);
		return 64;
	}
	if (argc == 3)
		repetitions = (unsigned)atoi(argv[2]);
	snprintf(certificate, sizeof(certificate), "%s/server.crt", argv[1]);
	snprintf(key, sizeof(key), "%s/server.key", argv[1]);
	snprintf(authority, sizeof(authority), "%s/ca.crt", argv[1]);
	tls_global_init();
	printf("%s; %s\n", tls_library(), tls_acceleration());
	measure_record("record of 4 KiB sealed and opened, TLS 1.3", 3);
	measure_record("record of 4 KiB sealed and opened, TLS 1.2", 2);
	tls_set_acceleration(false);
	measure_record("the same without acceleration, TLS 1.3", 3);
	tls_set_acceleration(true);
	for (int version = 2; version <= 3; version++) {
		measure_handshake(version, false);
		measure_handshake(version, true);
	}
	for (int version = 2; version <= 3; version++) {
		measure_memory(version, true);
		measure_memory(version, false);
	}
	return 0;
}
