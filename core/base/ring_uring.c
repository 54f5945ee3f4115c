/*
 * core/base/ring_uring.c - the ring on Linux io_uring, the only user of liburing.
 *
 * user_data is the op's address in the low 48 bits and its generation in the high 16. Ops live in pools or objects
 * that outlive their completions (P10), so looking at a stale op is safe; a wrong generation is counted and dropped.
 *
 * Completions are first copied from the kernel's queue into `ready`, then their callbacks run. So callbacks may
 * submit as much as they like, the completion queue is empty meanwhile, and nothing recurses. Submission order is
 * not execution order (P1): callers wait for a completion before they submit what depends on it.
 *
 * A ring is made disabled, set up, restricted to the operations below (IORING_REGISTER_RESTRICTIONS) and enabled, all
 * by the thread that uses it, since enabling is what makes that its single issuer. From then on the kernel answers
 * -EACCES to any other operation, flag or registration, whoever has come to write into the queue.
 *
 * Kernel: 6.1 or later (SINGLE_ISSUER, DEFER_TASKRUN, multishot receive, buffer rings, MSG_RING).
 */
#include "core/base/ring.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <liburing.h>
#include <linux/filter.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "core/base/ring_pulse.h"

enum {
	GENERATION_SHIFT = 48,
	BUFFER_GROUP = 0,
	BUFFERS_OFFERED = 32, /* at first */
};

static const uint64_t DOORBELL = 1; /* user_data of a doorbell at its target; no op has this address */

struct ring {
	struct io_uring uring;
	struct io_uring_buf_ring *buffer_ring;
	uint8_t *buffers;
	unsigned buffer_count, buffer_size, buffers_lent;
	/* Those in the kernel's ring are kept few, because it uses them in turn and each would be out of the cache by
	 * then; the rest, `spare`, are on a stack. A shortage doubles what is offered. */
	uint16_t *spare;
	unsigned spare_count, buffers_offered, offer_target;
	uint64_t shortage_turn;
	struct io_uring_cqe *ready; /* copies, in order */
	unsigned ready_count, ready_max;
	void (*doorbell_fn)(void *context);
	void *doorbell_context;
	struct ring_stats stats;
	struct ring_pulse pulse;
	unsigned koverflow_seen;
	bool restricted;
	uint64_t *now_ns;
};

/* All that is ever submitted. */
static const struct {
	uint8_t op;
	const char *name;
} operations[] = {
	{IORING_OP_ACCEPT, "ACCEPT"},
	{IORING_OP_RECV, "RECV"},
	{IORING_OP_SEND, "SEND"},
	{IORING_OP_CONNECT, "CONNECT"},
	{IORING_OP_WRITE, "WRITE"},
	{IORING_OP_READ, "READ"},
	{IORING_OP_FSYNC, "FSYNC"},
	{IORING_OP_SHUTDOWN, "SHUTDOWN"},
	{IORING_OP_MSG_RING, "MSG_RING"},
	{IORING_OP_CLOSE, "CLOSE"},
	{IORING_OP_ASYNC_CANCEL, "ASYNC_CANCEL"},
};
enum { OPERATIONS = sizeof(operations) / sizeof(operations[0]) };

/* ---- start-up ---------------------------------------------------------------------------------------------- */

/* Docker since 25, containerd since 2 and Kubernetes' RuntimeDefault refuse these calls by their own profiles. */
#define SECCOMP_ADVICE                                                                                                 \
	"start the container with \"--security-opt seccomp=seccomp.json\" (the profile is in /usr/share/postrider; "   \
	"in "                                                                                                          \
	"Kubernetes a seccompProfile of type Localhost), and a service with io_uring_setup, io_uring_enter and "       \
	"io_uring_register in SystemCallFilter="

/* kernel.io_uring_disabled: 0 all may, 1 a group may, 2 nobody may. 0 where there is no such setting. */
static int disabled_by_setting(void)
{
	int fd = open("/proc/sys/kernel/io_uring_disabled", O_RDONLY | O_CLOEXEC);
	char digit = '0';

	if (fd < 0)
		return 0;
	if (read(fd, &digit, 1) != 1)
		digit = '0';
	close(fd);
	return digit - '0';
}

static void explain_refusal(struct ring_problem *problem)
{
	int disabled = disabled_by_setting();

	if (disabled == 0)
		snprintf(problem->text, sizeof(problem->text),
			 "a seccomp filter refuses io_uring to this process: " SECCOMP_ADVICE);
	else
		snprintf(problem->text, sizeof(problem->text),
			 "the kernel refuses io_uring to this process, as kernel.io_uring_disabled is %d: run \"sysctl "
			 "kernel.io_uring_disabled=0\" on the host, and write it into a file of /etc/sysctl.d%s",
			 disabled,
			 disabled == 1 ? ", or make the user a member of the group kernel.io_uring_group" : "");
}

static void explain_setup(int error, struct ring_problem *problem)
{
	struct rlimit memlock = {0};

	switch (error) {
	case ENOSYS:
		snprintf(problem->text, sizeof(problem->text),
			 "this kernel has no io_uring, or a seccomp filter hides it: run Linux 6.1 or "
			 "later; " SECCOMP_ADVICE);
		return;
	case EPERM:
		explain_refusal(problem);
		return;
	case EINVAL:
		snprintf(problem->text, sizeof(problem->text),
			 "this kernel's io_uring is too old (it lacks SINGLE_ISSUER or DEFER_TASKRUN): run Linux 6.1 "
			 "or later");
		return;
	case ENOMEM:
		getrlimit(RLIMIT_MEMLOCK, &memlock);
		snprintf(problem->text, sizeof(problem->text),
			 "the kernel has no memory for the ring (locked memory limit %llu KiB): run \"ulimit -l "
			 "unlimited\" or "
			 "set LimitMEMLOCK=infinity in the service unit",
			 (unsigned long long)memlock.rlim_cur / 1024);
		return;
	case EMFILE:
		snprintf(problem->text, sizeof(problem->text),
			 "too many open files: raise the limit with \"ulimit -n\" or LimitNOFILE= in the service unit");
		return;
	default:
		snprintf(problem->text, sizeof(problem->text), "io_uring_setup failed: %s", strerror(error));
	}
}

static int check_kernel(struct ring_problem *problem)
{
	struct utsname name;
	unsigned major = 0, minor = 0;

	problem->text[0] = '\0';
	if (uname(&name) < 0)
		return -errno;
	if (sscanf(name.release, "%u.%u", &major, &minor) == 2 && (major < 6 || (major == 6 && minor < 1))) {
		snprintf(
			problem->text, sizeof(problem->text),
			"Linux %u.%u is too old: postrider needs Linux 6.1 or later (Debian 12, Ubuntu 23.04, RHEL 10)",
			major, minor);
		return -ENOSYS;
	}
	return 0;
}

static int check_operations(struct io_uring *uring, struct ring_problem *problem)
{
	struct io_uring_probe *probe = io_uring_get_probe_ring(uring);
	size_t i;

	if (!probe)
		return -ENOMEM;
	for (i = 0; i < OPERATIONS; i++) {
		if (!io_uring_opcode_supported(probe, operations[i].op)) {
			snprintf(problem->text, sizeof(problem->text),
				 "this kernel's io_uring lacks the operation %s: run Linux 6.1 or later",
				 operations[i].name);
			io_uring_free_probe(probe);
			return -ENOSYS;
		}
	}
	io_uring_free_probe(probe);
	return 0;
}

/* liburing 2.3 declares functions for these, and its library does not have them. */
static int register_call(struct io_uring *uring, unsigned what, const void *data, unsigned count)
{
	return syscall(SYS_io_uring_register, uring->ring_fd, what, data, count) < 0 ? -errno : 0;
}

/* What ends with the ring gives its registered descriptor back; nothing else is registered after the start. */
static bool restrict_operations(struct io_uring *uring)
{
	struct io_uring_restriction list[OPERATIONS + 2] = {
		{.opcode = IORING_RESTRICTION_SQE_FLAGS_ALLOWED, .sqe_flags = IOSQE_BUFFER_SELECT},
		{.opcode = IORING_RESTRICTION_REGISTER_OP, .register_op = IORING_UNREGISTER_RING_FDS},
	};
	size_t i;

	for (i = 0; i < OPERATIONS; i++)
		list[i + 2] =
			(struct io_uring_restriction){.opcode = IORING_RESTRICTION_SQE_OP, .sqe_op = operations[i].op};
	return register_call(uring, IORING_REGISTER_RESTRICTIONS, list, OPERATIONS + 2) == 0;
}

/* A disabled ring. */
static int setup_uring(struct io_uring *uring, unsigned entries, unsigned completions, struct ring_problem *problem)
{
	struct io_uring_params params = {
		.flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_SUBMIT_ALL |
			 IORING_SETUP_CQSIZE | IORING_SETUP_CLAMP | IORING_SETUP_R_DISABLED,
		.cq_entries = completions,
	};
	int r = check_kernel(problem);

	if (r < 0)
		return r;
	r = io_uring_queue_init_params(entries, uring, &params);
	if (r < 0) {
		explain_setup(-r, problem);
		return r;
	}
	r = check_operations(uring, problem);
	if (r < 0)
		io_uring_queue_exit(uring);
	return r;
}

/* Gives the kernel spare buffers until it has as many as it should. */
static void offer_buffers(struct ring *ring)
{
	int added = 0;

	while (ring->buffers_offered < ring->offer_target && ring->spare_count > 0) {
		unsigned id = ring->spare[--ring->spare_count];
		io_uring_buf_ring_add(ring->buffer_ring, ring->buffers + (size_t)id * ring->buffer_size,
				      ring->buffer_size, (unsigned short)id, io_uring_buf_ring_mask(ring->buffer_count),
				      added++);
		ring->buffers_offered++;
	}
	if (added)
		io_uring_buf_ring_advance(ring->buffer_ring, added);
}

static int setup_buffers(struct ring *ring, const struct ring_config *config)
{
	struct io_uring_buf_reg registration = {.ring_entries = config->buffers, .bgid = BUFFER_GROUP};
	size_t ring_octets = config->buffers * sizeof(struct io_uring_buf);
	size_t buffer_octets = (size_t)config->buffers * config->buffer_size;
	unsigned i;
	int r;

	ring->buffer_ring = mmap(NULL, ring_octets, PROT_READ | PROT_WRITE, MAP_ANONYMOUS | MAP_PRIVATE, -1, 0);
	if (ring->buffer_ring == MAP_FAILED) {
		ring->buffer_ring = NULL;
		return -errno;
	}
	ring->buffers = mmap(NULL, buffer_octets, PROT_READ | PROT_WRITE, MAP_ANONYMOUS | MAP_PRIVATE, -1, 0);
	if (ring->buffers == MAP_FAILED) {
		ring->buffers = NULL;
		return -errno;
	}
	ring->buffer_count = config->buffers;
	ring->buffer_size = config->buffer_size;
	ring->spare = calloc(config->buffers, sizeof(*ring->spare));
	if (!ring->spare)
		return -ENOMEM;
	io_uring_buf_ring_init(ring->buffer_ring);
	registration.ring_addr = (uintptr_t)ring->buffer_ring;
	r = io_uring_register_buf_ring(&ring->uring, &registration, 0);
	if (r < 0)
		return r;
	for (i = config->buffers; i-- > 0;)
		ring->spare[ring->spare_count++] = (uint16_t)i;
	ring->offer_target = config->buffers < BUFFERS_OFFERED ? config->buffers : BUFFERS_OFFERED;
	offer_buffers(ring);
	return 0;
}

int ring_open(struct ring **out, const struct ring_config *config, struct ring_problem *problem)
{
	struct ring *ring = calloc(1, sizeof(*ring));
	int r;

	if (!ring)
		return -ENOMEM;
	r = setup_uring(&ring->uring, config->entries, config->completions, problem);
	if (r < 0) {
		free(ring);
		return r;
	}
	ring->now_ns = config->now_ns;
	/* Twice the queue: what one reap can find, plus what a full submission in a callback may force out early. */
	ring->ready_max = 2 * *ring->uring.cq.kring_entries;
	ring->ready = calloc(ring->ready_max, sizeof(*ring->ready));
	r = ring->ready ? 0 : -ENOMEM;
	if (r == 0 && config->buffers > 0)
		r = setup_buffers(ring, config);
	if (r < 0) {
		explain_setup(-r, problem);
		ring_close(ring);
		return r;
	}
	/* Saves a descriptor look-up per system call; works without. */
	(void)io_uring_register_ring_fd(&ring->uring);
	ring->restricted = restrict_operations(&ring->uring);
	r = register_call(&ring->uring, IORING_REGISTER_ENABLE_RINGS, NULL, 0);
	if (r < 0) {
		explain_setup(-r, problem);
		ring_close(ring);
		return r;
	}
	*out = ring;
	return 0;
}

void ring_close(struct ring *ring)
{
	if (!ring)
		return;
	io_uring_queue_exit(&ring->uring);
	if (ring->buffer_ring)
		munmap(ring->buffer_ring, ring->buffer_count * sizeof(struct io_uring_buf));
	if (ring->buffers)
		munmap(ring->buffers, (size_t)ring->buffer_count * ring->buffer_size);
	free(ring->spare);
	free(ring->ready);
	free(ring);
}

bool ring_restricted(const struct ring *ring)
{
	return ring->restricted;
}

int ring_probe(struct ring_problem *problem)
{
	struct io_uring uring;
	int r = setup_uring(&uring, 8, 16, problem);

	if (r == 0)
		io_uring_queue_exit(&uring);
	return r;
}

/* ---- submission and completion ------------------------------------------------------------------------------ */

/* Moves every visible completion into `ready`. */
static void collect(struct ring *ring)
{
	struct io_uring_cqe *cqe;
	unsigned head, count = 0;

	io_uring_for_each_cqe(&ring->uring, head, cqe)
	{
		assert(ring->ready_count < ring->ready_max);
		ring->ready[ring->ready_count].user_data = cqe->user_data;
		ring->ready[ring->ready_count].res = cqe->res;
		ring->ready[ring->ready_count].flags = cqe->flags;
		ring->ready_count++;
		count++;
	}
	io_uring_cq_advance(&ring->uring, count);
}

static struct io_uring_sqe *take_sqe(struct ring *ring)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&ring->uring);

	while (!sqe) {
		int r = io_uring_submit(&ring->uring);
		/* -EBUSY: completions must be taken first (P8); the rest is transient. */
		if (r == -EBUSY || r == -EAGAIN)
			collect(ring);
		else
			assert(r >= 0 || r == -EINTR);
		sqe = io_uring_get_sqe(&ring->uring);
	}
	ring->stats.submissions++;
	return sqe;
}

static void submit(struct io_uring_sqe *sqe, struct ring_op *op, enum ring_kind kind)
{
	assert(!op->in_flight);
	assert(((uintptr_t)op >> GENERATION_SHIFT) == 0);
	op->in_flight = true;
	op->generation++;
	op->kind = (uint8_t)kind;
	sqe->user_data = (uintptr_t)op | ((uint64_t)op->generation << GENERATION_SHIFT);
}

/* All connections that ran dry in one turn report it, but the first has done what helps them all. */
static void on_shortage(struct ring *ring)
{
	ring->stats.buffer_shortages++;
	if (ring->shortage_turn == ring->stats.turns)
		return;
	ring->shortage_turn = ring->stats.turns;
	ring->offer_target *= 2;
	if (ring->offer_target > ring->buffer_count)
		ring->offer_target = ring->buffer_count;
	offer_buffers(ring);
}

static void dispatch(struct ring *ring, const struct io_uring_cqe *cqe)
{
	struct ring_op *op = (struct ring_op *)(uintptr_t)(cqe->user_data & ((UINT64_C(1) << GENERATION_SHIFT) - 1));
	uint32_t flags = 0;

	if (cqe->user_data == DOORBELL) {
		ring_pulse_callback(&ring->pulse, RING_KIND_DOORBELL, true);
		if (ring->doorbell_fn)
			ring->doorbell_fn(ring->doorbell_context);
		return;
	}
	if (cqe->flags & IORING_CQE_F_BUFFER) {
		flags |= RING_BUFFER | (cqe->flags & ~((1u << IORING_CQE_BUFFER_SHIFT) - 1));
		ring->buffers_lent++;
		ring->buffers_offered--;
	}
	if (op->generation != (uint16_t)(cqe->user_data >> GENERATION_SHIFT) || !op->in_flight) {
		ring->stats.stale_completions++;
		if (flags & RING_BUFFER)
			ring_buffer_release(ring, flags);
		return;
	}
	if (cqe->flags & IORING_CQE_F_MORE)
		flags |= RING_MORE;
	else
		op->in_flight = false;
	if (cqe->res == -ENOBUFS)
		on_shortage(ring);
	ring_pulse_callback(&ring->pulse, (enum ring_kind)op->kind, cqe->res > 0);
	op->fn(op, cqe->res, flags);
	/* The callback may have kept its buffer. */
	if (flags & RING_BUFFER)
		offer_buffers(ring);
}

/*
 * Under DEFER_TASKRUN the kernel posts what has completed elsewhere (a poll that fired, -ECANCELED) only when the
 * thread enters with GETEVENTS. liburing leaves that out while a completion can be seen already, so an operation that
 * completes inline at each turn would keep everything else from ever being posted. Hence each turn asks for events,
 * whatever is there already.
 */
static int enter(struct ring *ring, uint64_t deadline_ns)
{
	struct io_uring_cqe *cqe;
	struct __kernel_timespec timeout = {0};
	uint64_t now;

	if (deadline_ns == 0 || io_uring_cq_ready(&ring->uring) > 0)
		return io_uring_submit_and_get_events(&ring->uring);
	if (deadline_ns == UINT64_MAX)
		return io_uring_submit_and_wait_timeout(&ring->uring, &cqe, 1, NULL, NULL);
	now = clock_monotonic_ns();
	if (deadline_ns > now) {
		timeout.tv_sec = (int64_t)((deadline_ns - now) / CLOCK_NS_PER_S);
		timeout.tv_nsec = (int64_t)((deadline_ns - now) % CLOCK_NS_PER_S);
	}
	return io_uring_submit_and_wait_timeout(&ring->uring, &cqe, 1, &timeout, NULL);
}

int ring_turn(struct ring *ring, uint64_t deadline_ns)
{
	unsigned i, count;
	int r;

	if (ring->ready_count)
		deadline_ns = 0;
	ring_pulse_wait(&ring->pulse, deadline_ns);
	r = enter(ring, deadline_ns);
	ring_pulse_turn(&ring->pulse);
	/* Nothing came in time, a signal, or completions have to be taken first: none is an error. */
	if (r < 0 && r != -ETIME && r != -EINTR && r != -EAGAIN && r != -EBUSY)
		return r;
	ring->stats.turns++;
	if (ring->now_ns)
		*ring->now_ns = clock_monotonic_ns();
	collect(ring);
	if (*ring->uring.cq.koverflow != ring->koverflow_seen) {
		/* With NODROP the kernel keeps what does not fit; a growing counter means that it could not (P7). */
		ring->koverflow_seen = *ring->uring.cq.koverflow;
		ring->stats.overflows++;
		return -EOVERFLOW;
	}
	/* Callbacks may add to `ready` when they fill the submission queue: those run too. */
	for (i = 0, count = 0; i < ring->ready_count; i++, count++)
		dispatch(ring, &ring->ready[i]);
	ring_pulse_callbacks_end(&ring->pulse);
	ring->ready_count = 0;
	ring->stats.completions += count;
	return (int)count;
}

void ring_submit(struct ring *ring)
{
	/* Whatever goes wrong is repeated, and told, by the next turn. */
	if (io_uring_sq_ready(&ring->uring) > 0)
		(void)io_uring_submit(&ring->uring);
}

/* ---- network ------------------------------------------------------------------------------------------------ */

int ring_socket(struct ring *ring, int family)
{
	int one = 1;
	int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, IPPROTO_TCP);

	if (fd < 0)
		return -errno;
	if (setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)) < 0) {
		int r = -errno;
		close(fd);
		return r;
	}
	return fd;
}

int ring_bind(struct ring *ring, int fd, const struct ring_address *address)
{
	int one = 1;

	/* Else each address has only as many connections as there are ports, and not as many to each host. Where the
	 * kernel does not know it, that is all that is lost. */
	(void)setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof(one));
	return bind(fd, &address->any, address->length) < 0 ? -errno : 0;
}

/* Nothing comes in at this socket: the peer tries again a second later. There are kernels that want CAP_NET_ADMIN for a
 * filter, from which no ordinary user's relay would start; there what has come over a router, or from a host that does
 * not count from 255, is dropped by its hops, which asks for nothing. */
static int let_nothing_in(int fd, int family)
{
	static struct sock_filter nothing = BPF_STMT(BPF_RET | BPF_K, 0);
	static const struct sock_fprog filter = {.len = 1, .filter = &nothing};
	int most = 255;

	if (setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &filter, sizeof(filter)) == 0)
		return 0;
	if (errno != EPERM)
		return -errno;
	if (family == AF_INET6)
		return setsockopt(fd, IPPROTO_IPV6, IPV6_MINHOPCOUNT, &most, sizeof(most)) < 0 ? -errno : 0;
	return setsockopt(fd, IPPROTO_IP, IP_MINTTL, &most, sizeof(most)) < 0 ? -errno : 0;
}

static int open_listener(struct ring *ring, const struct ring_address *address, int backlog, enum ring_share share)
{
	int one = 1, shared = share == RING_SHARED, family = address->any.sa_family, r = 0;
	/* Accepted sockets inherit TCP_NODELAY. */
	int fd = ring_socket(ring, family);

	if (fd < 0)
		return fd;
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &shared, sizeof(shared)) < 0 ||
	    (family == AF_INET6 && setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof(one)) < 0))
		r = -errno;
	if (r == 0 && !shared)
		r = let_nothing_in(fd, family);
	if (r == 0 && (bind(fd, &address->any, address->length) < 0 || listen(fd, backlog) < 0))
		r = -errno;
	if (r < 0) {
		close(fd);
		return r;
	}
	return fd;
}

/*
 * A socket without SO_REUSEPORT listens only where no other does, and of two processes only one can, by the kernel's
 * lock. While it does, and takes nothing in, it becomes one that may be shared with, and the real one joins it: at no
 * time the address is free for a third.
 */
int ring_listen(struct ring *ring, const struct ring_address *address, int backlog, enum ring_share share)
{
	struct ring_address bound;
	int one = 1, guard, fd;

	if (share == RING_SHARED)
		return open_listener(ring, address, backlog, RING_SHARED);
	guard = open_listener(ring, address, 1, RING_ALONE);
	if (guard < 0)
		return guard;
	if (setsockopt(guard, SOL_SOCKET, SO_REUSEPORT, &one, sizeof(one)) < 0)
		fd = -errno;
	else
		/* Port 0 is now a port. */
		fd = ring_local_address(ring, guard, &bound);
	if (fd == 0)
		fd = open_listener(ring, &bound, backlog, RING_SHARED);
	close(guard);
	return fd;
}

int ring_local_address(struct ring *ring, int fd, struct ring_address *out)
{
	out->length = sizeof(out->v6);
	return getsockname(fd, &out->any, &out->length) < 0 ? -errno : 0;
}

int ring_peer_address(struct ring *ring, int fd, struct ring_address *out)
{
	out->length = sizeof(out->v6);
	return getpeername(fd, &out->any, &out->length) < 0 ? -errno : 0;
}

void ring_accept(struct ring *ring, struct ring_op *op, int fd)
{
	struct io_uring_sqe *sqe = take_sqe(ring);

	io_uring_prep_multishot_accept(sqe, fd, NULL, NULL, SOCK_CLOEXEC);
	submit(sqe, op, RING_KIND_ACCEPT);
}

void ring_recv(struct ring *ring, struct ring_op *op, int fd)
{
	struct io_uring_sqe *sqe = take_sqe(ring);

	io_uring_prep_recv_multishot(sqe, fd, NULL, 0, 0);
	sqe->flags |= IOSQE_BUFFER_SELECT;
	sqe->buf_group = BUFFER_GROUP;
	/* Armed before the peer has answered: a first attempt would only find nothing. */
	sqe->ioprio |= IORING_RECVSEND_POLL_FIRST;
	submit(sqe, op, RING_KIND_RECV);
}

void ring_send(struct ring *ring, struct ring_op *op, int fd, const void *data, size_t length)
{
	struct io_uring_sqe *sqe = take_sqe(ring);

	io_uring_prep_send(sqe, fd, data, length, MSG_NOSIGNAL | MSG_WAITALL);
	submit(sqe, op, RING_KIND_SEND);
}

void ring_connect(struct ring *ring, struct ring_op *op, int fd, const struct ring_address *address)
{
	struct io_uring_sqe *sqe = take_sqe(ring);

	io_uring_prep_connect(sqe, fd, &address->any, address->length);
	submit(sqe, op, RING_KIND_CONNECT);
}

void ring_shutdown(struct ring *ring, struct ring_op *op, int fd, int how)
{
	struct io_uring_sqe *sqe = take_sqe(ring);

	io_uring_prep_shutdown(sqe, fd, how);
	submit(sqe, op, RING_KIND_SHUTDOWN);
}

void ring_close_fd(struct ring *ring, struct ring_op *op, int fd)
{
	struct io_uring_sqe *sqe = take_sqe(ring);

	io_uring_prep_close(sqe, fd);
	submit(sqe, op, RING_KIND_CLOSE);
}

void ring_drop_fd(struct ring *ring, int fd)
{
	close(fd);
}

void ring_cancel(struct ring *ring, struct ring_op *op, struct ring_op *target)
{
	struct io_uring_sqe *sqe = take_sqe(ring);
	uint64_t user_data = (uintptr_t)target | ((uint64_t)target->generation << GENERATION_SHIFT);

	io_uring_prep_cancel64(sqe, user_data, 0);
	submit(sqe, op, RING_KIND_CANCEL);
}

uint8_t *ring_buffer(struct ring *ring, uint32_t flags)
{
	unsigned id = flags >> IORING_CQE_BUFFER_SHIFT;

	assert(flags & RING_BUFFER);
	assert(id < ring->buffer_count);
	return ring->buffers + (size_t)id * ring->buffer_size;
}

void ring_buffer_release(struct ring *ring, uint32_t flags)
{
	unsigned id = flags >> IORING_CQE_BUFFER_SHIFT;

	assert(ring->buffers_lent > 0);
	ring->buffers_lent--;
#ifdef POSTRIDER_DEBUG_MEMORY
	memset(ring_buffer(ring, flags), 0xd5, ring->buffer_size);
#endif
	ring->spare[ring->spare_count++] = (uint16_t)id;
	offer_buffers(ring);
}

unsigned ring_buffers_free(const struct ring *ring)
{
	return ring->buffer_count - ring->buffers_lent;
}

/* ---- disk --------------------------------------------------------------------------------------------------- */

void ring_write(struct ring *ring, struct ring_op *op, int fd, const void *data, size_t length, uint64_t offset)
{
	struct io_uring_sqe *sqe = take_sqe(ring);

	io_uring_prep_write(sqe, fd, data, (unsigned)length, offset);
	submit(sqe, op, RING_KIND_WRITE);
}

void ring_read(struct ring *ring, struct ring_op *op, int fd, void *data, size_t length, uint64_t offset)
{
	struct io_uring_sqe *sqe = take_sqe(ring);

	io_uring_prep_read(sqe, fd, data, (unsigned)length, offset);
	submit(sqe, op, RING_KIND_READ);
}

void ring_fsync(struct ring *ring, struct ring_op *op, int fd)
{
	struct io_uring_sqe *sqe = take_sqe(ring);

	io_uring_prep_fsync(sqe, fd, 0);
	submit(sqe, op, RING_KIND_FSYNC);
}

/* ---- doorbells ---------------------------------------------------------------------------------------------- */

void ring_on_doorbell(struct ring *ring, void (*fn)(void *context), void *context)
{
	ring->doorbell_fn = fn;
	ring->doorbell_context = context;
}

void ring_doorbell(struct ring *ring, struct ring_op *op, struct ring *target)
{
	struct io_uring_sqe *sqe = take_sqe(ring);

	io_uring_prep_msg_ring(sqe, target->uring.ring_fd, 0, DOORBELL, 0);
	submit(sqe, op, RING_KIND_DOORBELL);
}

void ring_stats(const struct ring *ring, struct ring_stats *out)
{
	*out = ring->stats;
}

const struct ring_pulse *ring_pulse(const struct ring *ring)
{
	return &ring->pulse;
}
