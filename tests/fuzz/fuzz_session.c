/*
 * fuzz_session.c - a whole inbound session: a client's octets in, replies out (session_rig.h).
 *
 * The first octet says which of two things is tried with the rest.
 *
 *   even  Steps, each an octet what and an octet how much: octets arrive, output leaves, messages are answered (stored,
 *         refused, in doubt), time passes, memory is short and is there again, the client's FIN, a reset, the drain.
 *         Whatever happens, replies are whole lines, nothing is said behind FIN, 250 for a message only when all its
 *         owners have it, and in the end all memory has been given back. The listener has TLS or not; a handshake is
 *         what arrives first when it is awaited, and nothing that arrived before is heard behind it. The client comes
 *         by itself or through a load balancer, whose header is what it begins with; before that nothing is said.
 *   odd   A client's octets, once in one piece, once octet by octet, once in pieces of seven: the replies are the same,
 *         and so is what is stored.
 *
 * The client's entry says what its messages are to be like (core/receive/policy.c), or does not.
 */
#include "tests/fuzz/session_rig.h"

enum { STEPS_MAX = 4000, ERRORS = 4 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void step(unsigned what, unsigned much)
{
	static const int results[] = {0, 0, 0, -ENOSPC, -EIO, SPOOL_IN_DOUBT};

	switch (what) {
	case 0:
		leaves(1 + much * much);
		break;
	case 1:
		if (much < 128)
			answer(results[much % 6]);
		else
			verify((int[]){0, 0, -EBUSY, -ETIMEDOUT}[much % 4]);
		break;
	case 2:
		shard.now_ns += (1 + (uint64_t)much * much / 16) * CLOCK_NS_PER_S;
		wheel_advance(&shard.wheel, shard.now_ns);
		break;
	case 3:
		store.blocks.limit = much % 8;
		break;
	case 4:
		store.parts.limit = much & 1 ? 100 : 0;
		store.submissions.limit = much & 2 ? 100 : store.submissions.in_use;
		store.transfers.limit = much & 4 ? 100 : store.transfers.in_use;
		break;
	case 5:
		receiver.lines.limit = receiver.names.limit = much & 1 ? 4 : 0;
		line.no_buffer = (much & 30) == 2;
		break;
	case 6:
		end(much < 200 ? 0 : -ECONNRESET);
		break;
	case 7:
		if (much >= 128)
			shard.draining = true;
		if (much >= 192)
			receive_drain(&shard, much >= 250);
		break;
	default:
		break;
	}
}

static void steps(const uint8_t *data, size_t size)
{
	size_t at = 0;

	config.limits.errors_per_session = ERRORS;
	listener.tls = size > 0 ? (enum config_listener_tls)(data[0] >> 1 & 3) : CONFIG_LISTENER_TLS_OFF;
	listener.auth = size > 0 ? (enum config_listener_auth)((data[0] >> 3 & 3) % 3) : CONFIG_LISTENER_AUTH_OFF;
	listener.auth_in_clear = size == 0 || !(data[0] & 32);
	listener.proxy_count = size > 0 && data[0] & 64;
	listener.xclient_count = size > 0 && data[0] & 1;
	client.quirks = size > 0 && data[0] & 128 ? 7 : 0;
	client.terms = client.quirks ? &policy_terms : NULL;
	begin(size > 0 && data[0] & 1 ? STRANGER : CLIENT);
	for (unsigned n = 0; n < STEPS_MAX && at + 2 <= size && line.t; n++) {
		unsigned what = data[at] % 16, much = data[at + 1];
		at += 2;
		if (what < 8) {
			step(what, much);
		} else {
			size_t length = size - at < much ? size - at : much;
			arrives(data + at, length);
			at += length;
		}
		receive_run(&shard);
		receive_run_handshakes(&shard);
		gone();
	}
	finish();
}

static size_t pieces(const uint8_t *data, size_t size, size_t piece, unsigned with, char *out)
{
	size_t length;

	/* Where a segment ends makes a difference behind STARTTLS, and must. */
	listener.tls = CONFIG_LISTENER_TLS_OFF;
	listener.auth = CONFIG_LISTENER_AUTH_OFFERED;
	listener.auth_in_clear = true;
	listener.proxy_count = with >> 1 & 1;
	client.quirks = with >> 2 & 7; /* enum quirk */
	client.terms = with & 32 ? &policy_terms : NULL;
	/* Behind a message it depends on whether that has its answer. */
	listener.xclient_count = 0;
	/* So that each error is told as what it is. */
	config.limits.errors_per_session = 0;
	stored.kept = true;
	stored.length = 0;
	begin(CLIENT);
	quiet();
	for (size_t at = 0; at < size && line.t; at += piece) {
		arrives(data + at, size - at < piece ? size - at : piece);
		quiet();
	}
	if (line.t) {
		end(0);
		quiet();
	}
	stored.kept = false;
	need(!line.t);
	length = line.length < OUTPUT_MAX ? line.length : OUTPUT_MAX;
	memcpy(out, line.output, length);
	finish();
	return length;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char too_early[] = "503 5.5.1 Not inside a mail transaction\r\n";
	static char whole[OUTPUT_MAX], cut[OUTPUT_MAX];
	static uint8_t content[sizeof(stored.content)];
	size_t length, content_length;

	if (size < 1 || size > HELD_MAX)
		return 0;
	if (data[0] % 2 == 0) {
		steps(data + 1, size - 1);
		return 0;
	}
	length = pieces(data + 1, size - 1, size, data[0], whole);
	/* AUTH behind a message: it depends on whether that has its answer. */
	if (memmem(whole, length, too_early, strlen(too_early)))
		return 0;
	content_length = stored.length;
	memcpy(content, stored.content, content_length);
	for (size_t piece = 1; piece <= 7; piece += 6) {
		need(pieces(data + 1, size - 1, piece, data[0], cut) == length && memcmp(whole, cut, length) == 0);
		need(stored.length == content_length && memcmp(content, stored.content, content_length) == 0);
	}
	return 0;
}
