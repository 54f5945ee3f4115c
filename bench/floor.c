/*
 * bench/floor.c - the floor: what the system calls of a message cost, with no work between them. This is no relay.
 *
 * It makes the calls postrider makes for a message, and no others: multishot receives into provided buffers, one send
 * for each client with output, one O_DIRECT|O_DSYNC write of a batch into a file written beforehand, and the batch sent
 * on by BDAT over one connection. One thread, one ring, TCP in the clear on both sides.
 *
 * With a fourth argument there are as many connections to the next hop, and messages take turns with them, as mail to
 * many sites does: each message has a send of its own, and an answer that is received by itself.
 *
 * It checks nothing. What comes in is not read but counted: bench/source sends transactions of equal length, and the
 * first one tells the lengths of the three commands and, with SIZE=, of the content. So it serves bench/source with one
 * sender, one recipient and one size, in the modes lockstep, grouped, pipelined and blind, with any number of messages
 * on a connection, and nobody else. It does not look at the next hop's answers, forgets what the kernel has taken,
 * recovers nothing, and ends at the first surprise.
 *
 * A slab holds what is written and then sent: MAIL, RCPT, BDAT and content, message behind message.
 *
 *     filling --the turn ends, a write is free--> writing --> durable: clients hear 250 --> sent, free again
 *
 * Slabs are a ring; each position below counts them since the start. With none free, what was received waits; then the
 * provided buffers run out, and the clients wait as well.
 */
#include <errno.h>
#include <fcntl.h>
#include <liburing.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "bench/common.h"

enum { ENTRIES = 1024, COMPLETIONS = 16384, BUFFERS = 512, BUFFER_SIZE = 16384, WRITES = 2, CLIENTS = 4096 };
enum { SLABS = 64, SLAB_SIZE = 1 << 20, BLOCK = 4096, FILE_SIZE = 256 << 20, MESSAGE_MIN = 256 };
enum { SEND = MSG_NOSIGNAL | MSG_WAITALL };     /* as postrider sends */
enum step { MAIL, RCPT, DATA, CONTENT, STEPS }; /* what a transaction consists of, each answered once */
enum kind { ON_ACCEPT, ON_RECEIVE, ON_SENT, ON_WRITTEN, ON_HOP_RECEIVE, ON_HOP_SENT, KIND_SHIFT = 48 };

struct client {
	int fd;         /* -1: closed */
	unsigned place; /* in `clients` */
	bool greeted, sending, starved;
	enum step step;        /* the one that is coming in */
	size_t got;            /* octets of it */
	uint64_t passed, told; /* steps that have come in, steps that were answered */
	uint64_t durable;      /* messages on disk */
	const char *say;       /* greeting, EHLO's answer or 221 */
	uint8_t *content;      /* where messages come in pieces */
	char replies[4096];
};

struct slab {
	_Alignas(BLOCK) uint8_t memory[SLAB_SIZE];
	size_t used;
	bool written;
	unsigned messages;
	struct client *from[SLAB_SIZE / MESSAGE_MIN];
};

static struct io_uring uring;
static _Alignas(BLOCK) struct io_uring_buf buffer_entries[BUFFERS];
static struct io_uring_buf_ring *const buffer_ring = (struct io_uring_buf_ring *)buffer_entries;
static uint8_t buffers[BUFFERS][BUFFER_SIZE];
static int listener, file;
static int *hops;
static unsigned hop_count = 1, hop_next;
static uint64_t file_at;
static size_t lengths[STEPS]; /* 0: not seen yet */
static char head[2048];       /* MAIL, RCPT and BDAT as they go to the next hop */
static size_t head_length;
static _Alignas(2 << 20) struct slab slabs[SLABS];
static uint64_t filling, writing, durable, sent; /* filling >= writing >= durable >= sent > filling - SLABS */
static unsigned writes;                          /* in flight */
static unsigned hops_busy;
static unsigned held_first, held_count;
/* Received, and waiting for a slab. Each keeps its buffer, so there cannot be more. */
static struct {
	struct client *client;
	unsigned buffer;
	size_t length;
} held[BUFFERS];
static struct client *clients[CLIENTS]; /* `client_count` that are open, then some that were: never freed */
static unsigned client_count;
static uint64_t messages, commits;
static volatile sig_atomic_t ended;

static void on_signal(int number)
{
	ended = 1;
}

static void must(const char *what, int result)
{
	if (result < 0)
		common_fail(COMMON_EXIT_ENVIRONMENT, "%s: %s", what, strerror(-result));
}

static struct io_uring_sqe *take(enum kind kind, const void *object)
{
	struct io_uring_sqe *sqe;
	while ((sqe = io_uring_get_sqe(&uring)) == NULL)
		must("io_uring", io_uring_submit(&uring));
	sqe->user_data = (uintptr_t)object | (uint64_t)kind << KIND_SHIFT; /* preparing leaves it as it is */
	return sqe;
}

static void receive(enum kind kind, int fd, const void *object)
{
	struct io_uring_sqe *sqe = take(kind, object);
	io_uring_prep_recv_multishot(sqe, fd, NULL, 0, 0);
	sqe->flags |= IOSQE_BUFFER_SELECT;
	sqe->ioprio |= IORING_RECVSEND_POLL_FIRST;
}

static void buffer_release(unsigned id)
{
	io_uring_buf_ring_add(buffer_ring, buffers[id], BUFFER_SIZE, (unsigned short)id,
			      io_uring_buf_ring_mask(BUFFERS), 0);
	io_uring_buf_ring_advance(buffer_ring, 1);
}

static struct slab *slab_at(uint64_t position)
{
	return &slabs[position % SLABS];
}

/* Is there a slab behind the one being filled? Together they take what a received buffer can complete. */
static bool slab_free(void)
{
	return filling + 1 - sent < SLABS;
}

static void slab_next(void)
{
	struct slab *slab = slab_at(++filling);
	slab->used = slab->messages = slab->written = 0;
}

static void write_batches(void)
{
	while (writes < WRITES && (writing < filling || (slab_at(filling)->used > 0 && slab_free()))) {
		if (writing == filling)
			slab_next();
		struct slab *slab = slab_at(writing++);
		size_t length = (slab->used + BLOCK - 1) / BLOCK * BLOCK;
		if (file_at + length > FILE_SIZE)
			file_at = 0;
		io_uring_prep_write(take(ON_WRITTEN, slab), file, slab->memory, (unsigned)length, file_at);
		file_at += length;
		writes++;
		commits++;
	}
}

/* Answers go out in order: those to the commands behind a message wait until it is on disk. */
static void tell(struct client *client)
{
	static const char answers[STEPS][15] = {"250 2.1.0 Ok\r\n", "250 2.1.5 Ok\r\n", "354 Go ahead\r\n",
						"250 2.0.0 Ok\r\n"};
	uint64_t may = client->durable * STEPS + CONTENT;
	size_t length = 0;
	if (client->starved && held_count == 0) {
		client->starved = false;
		receive(ON_RECEIVE, client->fd, client);
	}
	if (client->sending)
		return;
	if (client->say)
		length = (size_t)sprintf(client->replies, "%s", client->say);
	client->say = NULL;
	while (client->told < client->passed && client->told < may && length < sizeof(client->replies) - 32) {
		memcpy(client->replies + length, answers[client->told++ % STEPS], 14);
		length += 14;
	}
	client->sending = length > 0;
	if (length > 0)
		io_uring_prep_send(take(ON_SENT, client), client->fd, client->replies, length, SEND);
}

/* The first transaction of all tells how long a step is; the next hop is told what it says. */
static void learn(const struct client *client, const char *line, size_t length)
{
	const char *newline = memchr(line, '\n', length);
	length = newline ? (size_t)(newline - line) + 1 : 0;
	must("a first transaction that bench/source does not send",
	     length == 0 || client->got > 0 || head_length + length + 64 > sizeof(head) ? -EPROTO : 0);
	lengths[client->step] = length;
	if (client->step == DATA)
		return;
	memcpy(head + head_length, line, length);
	head_length += length;
	if (client->step == MAIL) {
		const char *size = strstr(head, " SIZE=");
		lengths[CONTENT] = size ? strtoul(size + 6, NULL, 10) + 3 : 0;
		must("the size", lengths[CONTENT] < MESSAGE_MIN || lengths[CONTENT] > SLAB_SIZE / 2 ? -EMSGSIZE : 0);
	} else {
		head_length += (size_t)sprintf(head + head_length, "BDAT %zu LAST\r\n", lengths[CONTENT] - 3);
	}
}

static void take_content(struct client *client, const uint8_t *data, size_t taken)
{
	size_t length = lengths[CONTENT] - 3; /* without the dot */
	if (taken < lengths[CONTENT]) {
		if (!client->content && !(client->content = malloc(lengths[CONTENT])))
			must("a message", -ENOMEM);
		memcpy(client->content + client->got, data, taken);
		data = client->content;
	}
	if (client->got + taken < lengths[CONTENT])
		return;
	if (slab_at(filling)->used + head_length + length > SLAB_SIZE)
		slab_next();
	struct slab *slab = slab_at(filling);
	memcpy(slab->memory + slab->used, head, head_length);
	memcpy(slab->memory + slab->used + head_length, data, length);
	slab->used += head_length + length;
	slab->from[slab->messages++] = client;
	messages++;
}

static void take_in(struct client *client, const uint8_t *data, size_t length)
{
	if (!client->greeted || (client->step == MAIL && client->got == 0 && *data == 'Q')) {
		client->say = client->greeted ? "221 2.0.0 Bye\r\n" : "250-floor\r\n250-PIPELINING\r\n250 SIZE\r\n";
		client->greeted = true;
		return;
	}
	while (length > 0) {
		if (lengths[client->step] == 0)
			learn(client, (const char *)data, length);
		size_t wanted = lengths[client->step] - client->got;
		size_t taken = length < wanted ? length : wanted;
		if (client->step == CONTENT)
			take_content(client, data, taken);
		client->got += taken;
		data += taken;
		length -= taken;
		if (taken < wanted)
			return;
		client->got = 0;
		client->step = (client->step + 1) % STEPS;
		client->passed++;
	}
}

static void take_held(void)
{
	for (; held_count > 0 && slab_free(); held_count--, held_first = (held_first + 1) % BUFFERS) {
		unsigned buffer = held[held_first].buffer;
		take_in(held[held_first].client, buffers[buffer], held[held_first].length);
		buffer_release(buffer);
	}
}

/* It is closed: the next one that comes has its memory. */
static void give_up(struct client *client)
{
	struct client *last = clients[client_count - 1];

	if (client->sending)
		return; /* on_sent() comes back here */
	clients[client->place] = last;
	last->place = client->place;
	client->place = --client_count;
	clients[client_count] = client;
}

static void on_accept(int fd)
{
	struct client *client;

	must("a client", client_count < CLIENTS ? fd : -EMFILE);
	client = clients[client_count];
	if (!client && !(client = malloc(sizeof(*client))))
		must("a client", -ENOMEM);
	if (clients[client_count])
		free(client->content);
	/* The replies' room is not to be cleared for each. */
	memset(client, 0, offsetof(struct client, replies));
	client->fd = fd;
	client->place = client_count;
	client->say = "220 floor.invalid, no relay\r\n";
	clients[client_count++] = client;
	receive(ON_RECEIVE, fd, client);
}

static void on_sent(struct client *client)
{
	client->sending = false;
	if (client->fd < 0)
		give_up(client);
}

static void on_receive(struct client *client, int result, uint32_t flags)
{
	if (result > 0) {
		unsigned last = (held_first + held_count++) % BUFFERS;
		held[last].client = client;
		held[last].buffer = flags >> IORING_CQE_BUFFER_SHIFT;
		held[last].length = (size_t)result;
		take_held();
	} else if (result != -ENOBUFS) {
		close(client->fd);
		client->fd = -1;
		give_up(client);
		return;
	}
	client->starved = !(flags & IORING_CQE_F_MORE);
}

static void on_written(struct slab *slab, int result)
{
	must("the file", result < (int)slab->used ? -EIO : 0);
	slab->written = true;
	writes--;
	for (; durable < writing && slab_at(durable)->written; durable++)
		for (unsigned i = 0; i < slab_at(durable)->messages; i++)
			slab_at(durable)->from[i]->durable++;
}

/* All of it over one connection, or a message over each. */
static size_t sent_at_once(const struct slab *slab)
{
	return hop_count == 1 ? slab->used : slab->used / slab->messages;
}

static void send_slab(void)
{
	const struct slab *slab = slab_at(sent);
	size_t length = sent_at_once(slab);

	/* Two sends of one connection would overtake each other. */
	must("more messages at once than connections", slab->used / length > hop_count ? -E2BIG : 0);
	for (size_t at = 0; at < slab->used; at += length) {
		io_uring_prep_send(take(ON_HOP_SENT, NULL), hops[hop_next], slab->memory + at, length, SEND);
		hop_next = (hop_next + 1) % hop_count;
		hops_busy++;
	}
}

static void complete(const struct io_uring_cqe *cqe)
{
	void *object = (void *)(uintptr_t)(cqe->user_data & ((UINT64_C(1) << KIND_SHIFT) - 1));
	switch ((enum kind)(cqe->user_data >> KIND_SHIFT)) {
	case ON_ACCEPT:
		on_accept(cqe->res);
		break;
	case ON_RECEIVE:
		on_receive(object, cqe->res, cqe->flags);
		break;
	case ON_SENT:
		on_sent(object);
		break;
	case ON_WRITTEN:
		on_written(object, cqe->res);
		break;
	case ON_HOP_RECEIVE:
		must("the next hop", cqe->res == 0 ? -EPIPE : cqe->res == -ENOBUFS ? 0 : cqe->res);
		if (cqe->flags & IORING_CQE_F_BUFFER)
			buffer_release(cqe->flags >> IORING_CQE_BUFFER_SHIFT);
		if (!(cqe->flags & IORING_CQE_F_MORE))
			receive(ON_HOP_RECEIVE, *(int *)object, object);
		break;
	default:
		must("the next hop", cqe->res < (int)sent_at_once(slab_at(sent)) ? -EPIPE : 0);
		if (--hops_busy == 0)
			sent++;
	}
}

static void open_ring(void)
{
	struct io_uring_params params = {.flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN |
						  IORING_SETUP_SUBMIT_ALL | IORING_SETUP_CQSIZE,
					 .cq_entries = COMPLETIONS};
	must("io_uring", io_uring_queue_init_params(ENTRIES, &uring, &params));
	(void)io_uring_register_ring_fd(&uring);
	struct io_uring_buf_reg registration = {.ring_addr = (uintptr_t)buffer_ring, .ring_entries = BUFFERS};
	must("buffers", io_uring_register_buf_ring(&uring, &registration, 0));
	for (unsigned i = 0; i < BUFFERS; i++)
		buffer_release(i);
}

/* Written to its end beforehand, so that no write that is measured allocates anything; nor does memory come then. */
static void open_file(const char *path)
{
	file = open(path, O_RDWR | O_CREAT | O_DSYNC | O_CLOEXEC, 0600);
	must(path, file < 0 ? -errno : 0);
	(void)fcntl(file, F_SETFL, O_DIRECT);               /* where the file system can, like the spool */
	(void)madvise(slabs, sizeof(slabs), MADV_HUGEPAGE); /* as the spool's */
	memset(slabs, 0, sizeof(slabs));
	for (off_t at = 0; at < FILE_SIZE; at += SLAB_SIZE)
		must(path, pwrite(file, slabs[0].memory, SLAB_SIZE, at) < SLAB_SIZE ? -EIO : 0);
}

/* Greeting and EHLO's answer come whole from a next hop on the same machine; what they say is not of interest. */
static int open_hop(const struct ring_address *next_hop)
{
	char answer[4096];
	int one = 1, hop = socket(next_hop->any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (hop < 0 || connect(hop, &next_hop->any, next_hop->length) < 0 || read(hop, answer, sizeof(answer)) <= 0 ||
	    write(hop, "EHLO floor.invalid\r\n", 20) != 20 || read(hop, answer, sizeof(answer)) <= 0)
		must("the next hop", errno ? -errno : -EPIPE);
	setsockopt(hop, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	return hop;
}

static void open_sockets(const struct ring_address *address, const struct ring_address *next_hop)
{
	int one = 1;

	hops = calloc(hop_count, sizeof(*hops));
	must("connections", hops ? 0 : -ENOMEM);
	for (unsigned i = 0; i < hop_count; i++)
		hops[i] = open_hop(next_hop);
	listener = socket(address->any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	setsockopt(listener, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	if (bind(listener, &address->any, address->length) < 0 || listen(listener, 1024) < 0)
		must("listening", -errno);
	io_uring_prep_multishot_accept(take(ON_ACCEPT, NULL), listener, NULL, NULL, SOCK_CLOEXEC);
	for (unsigned i = 0; i < hop_count; i++)
		receive(ON_HOP_RECEIVE, hops[i], &hops[i]);
}

static void turn(void)
{
	struct io_uring_cqe *cqe;
	unsigned position, count = 0;
	int result = io_uring_submit_and_wait(&uring, 1);
	must("io_uring", result == -EINTR ? 0 : result);
	io_uring_for_each_cqe(&uring, position, cqe)
	{
		complete(cqe);
		count++;
	}
	io_uring_cq_advance(&uring, count);
	take_held();
	/* The disk works while the rest is done, as in postrider. */
	write_batches();
	if (io_uring_sq_ready(&uring) > 0)
		io_uring_submit(&uring);
	if (hops_busy == 0 && sent < durable)
		send_slab();
	for (unsigned i = 0; i < client_count; i++)
		if (clients[i]->fd >= 0)
			tell(clients[i]);
}

static const char help_text[] =
	"usage: floor LISTEN:PORT NEXT-HOP:PORT FILE [CONNECTIONS]\n"
	"What the system calls of a message cost alone, between bench/source and bench/sink; it is no relay.\n"
	"FILE is overwritten, 256 MiB long, and stays. CONNECTIONS to the next hop, which take turns with messages: 1, "
	"or\n"
	"more than there are messages of the size in 1 MiB.\n";

int main(int argc, char **argv)
{
	struct ring_address address, next_hop;
	struct sigaction action = {.sa_handler = on_signal};
	common_program = "floor";
	common_help(argc, argv, help_text);
	if (argc != 4 && argc != 5)
		common_fail(COMMON_EXIT_USAGE, "arguments are LISTEN:PORT NEXT-HOP:PORT FILE [CONNECTIONS]");
	if (argc == 5)
		hop_count = (unsigned)strtoul(argv[4], NULL, 10);
	if (hop_count == 0 || hop_count > 60000)
		common_fail(COMMON_EXIT_USAGE, "CONNECTIONS is a number from 1 to 60000, not \"%s\"", argv[4]);
	common_address("the first argument", argv[1], &address);
	common_address("the second argument", argv[2], &next_hop);
	common_raise_descriptors();
	sigaction(SIGTERM, &action, NULL);
	open_ring();
	open_file(argv[3]);
	open_sockets(&address, &next_hop);
	puts("{\"event\":\"ready\"}");
	fflush(stdout);
	double before = common_cpu_seconds();
	while (!ended)
		turn();
	double cpu_us = (common_cpu_seconds() - before) * 1e6;
	printf("{\"messages\":%llu,\"commits\":%llu,\"cpu_us_per_message\":%.2f}\n", (unsigned long long)messages,
	       (unsigned long long)commits, messages ? cpu_us / (double)messages : 0);
	return COMMON_EXIT_OK;
}
