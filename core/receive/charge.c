/*
 * core/receive/charge.c - what a second or a minute may bring, of a session's device, client and address, and in all:
 * messages and recipients are counted when they are named, octets when they are there. Never for a time that is over,
 * such as that at which the message began: whoever holds his transactions open for a minute would have no limit.
 *
 * What is refused later, or given up, is given back, so a client that may send sixty messages a minute gets sixty in;
 * of the recipients those that were named within one second with the last one, as nearly always all are.
 * Who is refused for this loses nothing: it is told to come again, and may stay.
 */
#include "core/agents/device_record.h"
#include "core/config/config.h"
#include "core/config/device_table.h"
#include "core/receive/peers.h"
#include "core/receive/session_private.h"
#include "core/shard/quota.h"
#include "core/shard/shard.h"
#include "core/shard/snapshot.h"

/* Whose limits count for a session. */
enum { OF_DEVICE, OF_CLIENT, OF_ADDRESS, IN_ALL, SUBJECTS_MAX };

struct subject {
	const struct config_quota *limits;
	unsigned whose;
	/* One of these, by whose they are. */
	struct device_record *device;
	struct quota *quota;
	struct peer *address;
	struct config_quota own; /* of a device: its limits, as its entry is packed */
};

static const char *const refusals[SUBJECTS_MAX][QUOTA_KINDS] = {
	[OF_DEVICE] =
		{
			[QUOTA_MESSAGES] =
				"452 4.7.0 More messages than this device may send in a minute, try again later\r\n",
			[QUOTA_RECIPIENTS] =
				"452 4.7.0 More recipients than this device may have in a minute, try again later\r\n",
		},
	[OF_CLIENT] =
		{
			"421 4.7.0 Too many connections in a second, try again later\r\n",
			"452 4.7.0 More messages than this client may send in a minute, try again later\r\n",
			"452 4.7.0 More recipients than this client may have in a minute, try again later\r\n",
			"452 4.7.0 More octets than this client may send in a minute, try again later\r\n",
		},
	[OF_ADDRESS] =
		{
			"421 4.7.0 Too many connections from this address in a second, try again later\r\n",
			"452 4.7.0 More messages than one address may send in a minute, try again later\r\n",
			"452 4.7.0 More recipients than one address may have in a minute, try again later\r\n",
			"452 4.7.0 More octets than one address may send in a minute, try again later\r\n",
			"421 4.7.0 Too many errors from this address in a minute, try again later\r\n",
		},
	[IN_ALL] =
		{
			"421 4.7.0 Too many connections in a second, try again later\r\n",
			"452 4.7.0 More messages than are taken in a minute, try again later\r\n",
			"452 4.7.0 More recipients than are taken in a minute, try again later\r\n",
			"452 4.7.0 More octets than are taken in a minute, try again later\r\n",
		},
};

static uint64_t most_of(const struct subject *subject, enum quota_kind kind)
{
	switch (kind) {
	case QUOTA_CONNECTIONS:
		return subject->limits->connections_per_second;
	case QUOTA_MESSAGES:
		return subject->limits->messages_per_minute;
	case QUOTA_RECIPIENTS:
		return subject->limits->recipients_per_minute;
	case QUOTA_ERRORS:
		return subject->limits->errors_per_minute;
	default:
		return subject->limits->octets_per_minute;
	}
}

/* Of those that a device has. */
static enum device_limit of_device(enum quota_kind kind)
{
	return kind == QUOTA_MESSAGES ? DEVICE_MESSAGES : DEVICE_RECIPIENTS;
}

static bool take(const struct subject *subject, enum quota_kind kind, uint64_t then_ns, uint64_t n)
{
	uint64_t most = most_of(subject, kind);

	if (subject->device)
		return device_take(subject->device, of_device(kind), then_ns, (unsigned)most, (unsigned)n);
	return subject->quota ? quota_take(subject->quota, kind, then_ns, most, n)
			      : peers_take(subject->address, kind, then_ns, most, n);
}

/* Octets. */
static bool has(const struct subject *subject, enum quota_kind kind, uint64_t now_ns, uint64_t n)
{
	uint64_t most = most_of(subject, kind);

	if (subject->device)
		return true;
	return subject->quota ? quota_has(subject->quota, kind, now_ns, most, n)
			      : peers_has(subject->address, kind, now_ns, most, n);
}

/* False: it is none, or none with a limit. */
static bool device_subject(const struct session *s, struct subject *out)
{
	const struct snapshot *snapshot = s->snapshot;
	struct device device;

	if (s->device < 0 || !snapshot->devices)
		return false;
	device_table_get(snapshot->config->devices, (size_t)s->device, &device);
	*out = (struct subject){.limits = &out->own,
				.whose = OF_DEVICE,
				.device = snapshot->devices[s->device],
				.own = {.messages_per_minute = device.messages_per_minute,
					.recipients_per_minute = device.recipients_per_minute}};
	return config_quota_any(&out->own);
}

/* Whoever is smallest first: what it may not have itself is not taken from all. */
static unsigned subjects_of(const struct session *s, struct subject subjects[SUBJECTS_MAX])
{
	const struct config *config = s->snapshot->config;
	const struct config_client_terms *terms = s->client >= 0 ? config->clients[s->client].terms : NULL;
	unsigned count = device_subject(s, &subjects[0]);

	if (terms && config_quota_any(&terms->quota))
		subjects[count++] = (struct subject){
			.limits = &terms->quota, .whose = OF_CLIENT, .quota = snapshot_client(s->snapshot, s->client)};
	if (s->address && config_quota_any(&config->limits.address))
		subjects[count++] =
			(struct subject){.limits = &config->limits.address, .whose = OF_ADDRESS, .address = s->address};
	if (config_quota_any(&config->limits.quota))
		subjects[count++] = (struct subject){
			.limits = &config->limits.quota, .whose = IN_ALL, .quota = &s->shard->receiver->shared->all};
	return count;
}

/* Taken at `then_ns`. */
struct taken {
	enum quota_kind kind;
	uint64_t then_ns, n;
};

static void give_back(const struct subject *subjects, unsigned count, struct taken taken, uint64_t now_ns)
{
	while (count-- > 0) {
		uint64_t most = most_of(&subjects[count], taken.kind);
		/* What was taken longer ago has come back by itself. */
		bool lately = now_ns - taken.then_ns < quota_window_ns(taken.kind);
		if (most > 0 && subjects[count].quota)
			quota_give_back(subjects[count].quota, taken.kind, taken.then_ns, taken.n);
		else if (lately && subjects[count].device)
			device_give_back(subjects[count].device, of_device(taken.kind), (unsigned)most,
					 (unsigned)taken.n);
		else if (lately)
			peers_give_back(subjects[count].address, taken.kind, most, taken.n);
	}
}

/* Now; or a refusal: nothing is. */
static const char *charge(const struct session *s, enum quota_kind kind, uint64_t n)
{
	struct subject subjects[SUBJECTS_MAX];
	unsigned count = subjects_of(s, subjects);
	uint64_t now_ns = s->shard->now_ns;

	for (unsigned i = 0; i < count; i++) {
		if (take(&subjects[i], kind, now_ns, n))
			continue;
		give_back(subjects, i, (struct taken){kind, now_ns, n}, now_ns);
		return refusals[subjects[i].whose][kind];
	}
	return NULL;
}

const char *receive_charge_message(const struct session *s, uint64_t size)
{
	uint64_t now_ns = s->shard->now_ns;
	struct subject subjects[SUBJECTS_MAX];
	unsigned count = subjects_of(s, subjects);

	/* Before it has come in vain. */
	for (unsigned i = 0; i < count; i++) {
		if (!has(&subjects[i], QUOTA_OCTETS, now_ns, size > 0 ? size : 1))
			return refusals[subjects[i].whose][QUOTA_OCTETS];
	}
	return count > 0 ? charge(s, QUOTA_MESSAGES, 1) : NULL;
}

const char *receive_charge_recipient(const struct session *s)
{
	const char *refusal = charge(s, QUOTA_RECIPIENTS, 1);
	struct submission *m = s->message;
	uint64_t now_ns = s->shard->now_ns;

	if (refusal)
		return refusal;
	m->named = quota_given_back_together(QUOTA_RECIPIENTS, m->named_ns, now_ns) ? m->named + 1 : 1;
	m->named_ns = now_ns;
	return NULL;
}

const char *receive_charge_octets(const struct session *s)
{
	struct submission *m = s->message;

	m->ended_ns = s->shard->now_ns;
	return charge(s, QUOTA_OCTETS, m->letter.content_length);
}

void receive_give_back_unused(const struct session *s, enum quota_kind kind)
{
	struct subject subjects[SUBJECTS_MAX];
	uint64_t now_ns = s->shard->now_ns;

	if (kind == QUOTA_RECIPIENTS)
		s->message->named--;
	give_back(subjects, subjects_of(s, subjects), (struct taken){kind, now_ns, 1}, now_ns);
}

void receive_give_back_message(const struct session *s, const struct submission *m, bool octets)
{
	struct subject subjects[SUBJECTS_MAX];
	unsigned count = subjects_of(s, subjects);
	uint64_t now_ns = s->shard->now_ns;

	if (count == 0)
		return;
	give_back(subjects, count, (struct taken){QUOTA_MESSAGES, m->started_ns, 1}, now_ns);
	/* Nobody was charged for the copy in an archive. */
	give_back(subjects, count, (struct taken){QUOTA_RECIPIENTS, m->named_ns, m->named}, now_ns);
	if (octets)
		give_back(subjects, count, (struct taken){QUOTA_OCTETS, m->ended_ns, m->letter.content_length}, now_ns);
}

const char *receive_count_client(const struct session *s)
{
	const struct config *config = s->snapshot->config;
	struct quota *quota = snapshot_client(s->snapshot, s->client);
	const struct config_client *client = quota ? &config->clients[s->client] : NULL;
	unsigned before;

	if (!quota)
		return NULL;
	before = atomic_fetch_add_explicit(&quota->connections, 1, memory_order_relaxed);
	if (client->connections_max > 0 && before >= client->connections_max)
		return "421 4.3.2 Too many connections, try again later\r\n";
	if (client->terms &&
	    !quota_take(quota, QUOTA_CONNECTIONS, s->shard->now_ns, client->terms->quota.connections_per_second, 1))
		return refusals[OF_CLIENT][QUOTA_CONNECTIONS];
	return NULL;
}

void receive_uncount_client(const struct session *s)
{
	struct quota *quota = snapshot_client(s->snapshot, s->client);

	if (quota)
		atomic_fetch_sub_explicit(&quota->connections, 1, memory_order_relaxed);
}

const char *receive_count_second(const struct session *s)
{
	struct subject subjects[SUBJECTS_MAX];
	unsigned count = subjects_of(s, subjects);

	for (unsigned i = 0; i < count; i++) {
		if (subjects[i].whose != OF_CLIENT && !take(&subjects[i], QUOTA_CONNECTIONS, s->shard->now_ns, 1))
			return refusals[subjects[i].whose][QUOTA_CONNECTIONS];
	}
	return NULL;
}

bool receive_count_error(struct session *s)
{
	const struct config *config = s->snapshot->config;
	unsigned most = config->limits.errors_per_session;
	bool many;

	s->errors++;
	many = most > 0 && s->errors >= most;
	if (s->address &&
	    !peers_take(s->address, QUOTA_ERRORS, s->shard->now_ns, config->limits.address.errors_per_minute, 1))
		many = true;
	return many;
}

const char *receive_errors_spent(const struct session *s)
{
	unsigned most = s->snapshot->config->limits.address.errors_per_minute;

	if (!s->address || peers_has(s->address, QUOTA_ERRORS, s->shard->now_ns, most, 1))
		return NULL;
	return refusals[OF_ADDRESS][QUOTA_ERRORS];
}
