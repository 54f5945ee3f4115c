/*
 * core/control/control.c - see control.h.
 */
#include "core/control/control.h"

#include <errno.h>
#include <fcntl.h>
#include <microhttpd.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "core/base/file_stamp.h"
#include "core/base/scheduling.h"
#include "core/control/checkup.h"
#include "core/control/client_certificate.h"
#include "core/control/desk.h"
#include "core/control/gate.h"
#include "core/control/handlers.h"
#include "core/control/incident_watch.h"
#include "core/control/inquiry.h"
#include "core/control/issuers.h"
#include "core/control/pass.h"
#include "core/control/places.h"
#include "core/control/remote.h"
#include "core/control/scrape.h"
#include "core/control/socket.h"
#include "core/control/telling.h"
#include "core/events/running.h"
#include "core/relay/relay.h"
#include "core/shard/shard.h"

enum { STACK_SIZE = 512 << 10, LOOK_S = 2 };

/* A connection, from when it is there until it is gone. */
struct slot {
	int fd;               /* -1: free */
	uint64_t deadline_ns; /* what it is at must have ended; UINT64_MAX: a handler is at it */
	struct control_peer peer;
	struct ring_address address; /* over TCP */
	struct MHD_Daemon *daemon;   /* whose it is */
};

/* Where connections come in. */
struct entrance {
	struct control *control;
	struct MHD_Daemon *daemon; /* NULL: it is closed */
	bool remote;
	struct slot slots[PLACES_SLOTS];
	struct places places; /* of the same numbers */
};

/* The certificate that is shown over TCP. One that is renewed gets a daemon of its own, on the same socket; the one
 * before takes nobody new, and ends with its last connection, of which each has one more answer. */
struct renewal {
	uint64_t look_ns;
	uint64_t made_of, seen, refused; /* what the files were like */
	struct MHD_Daemon *before;       /* NULL: there is none; written with the lock of all slots */
	int fd, before_fd;               /* of each, of the same socket */
};

struct control {
	struct desk desk;
	const struct config *config;
	struct control_socket socket;
	struct entrance local, remote;
	struct renewal renewal; /* of `remote`; of who starts and stops */
	struct gate *gate;      /* of `remote`; NULL: nobody signs in */
	struct issuers issuers; /* the same */
	struct telling telling;
	pthread_mutex_t lock;              /* of all slots */
	pthread_mutex_t name_lock;         /* of the next two */
	char hostname[DESK_HOSTNAME_SIZE]; /* of the newest configuration */
	json_t *dates;                     /* the same; never changed */
};

/* ---- connections that take too long ------------------------------------------------------------------------- */

static bool look_at(const struct entrance *entrance, uint64_t now_ns)
{
	bool any = false;

	for (unsigned i = 0; i < PLACES_SLOTS; i++) {
		const struct slot *slot = &entrance->slots[i];
		any |= slot->fd >= 0;
		if (slot->fd >= 0 && slot->deadline_ns < now_ns)
			(void)shutdown(slot->fd, SHUT_RDWR);
	}
	return any;
}

/* What takes too long ends as if its peer had gone. */
static void look_at_connections(struct desk *desk)
{
	struct control *control = container_of(desk, struct control, desk);
	uint64_t now_ns = clock_monotonic_ns();

	pthread_mutex_lock(&control->lock);
	(void)look_at(&control->local, now_ns);
	(void)look_at(&control->remote, now_ns);
	pthread_mutex_unlock(&control->lock);
}

static bool any_connection(struct desk *desk)
{
	struct control *control = container_of(desk, struct control, desk);
	bool any;

	pthread_mutex_lock(&control->lock);
	any = look_at(&control->local, 0);
	any |= look_at(&control->remote, 0);
	pthread_mutex_unlock(&control->lock);
	return any;
}

/* ---- requests ----------------------------------------------------------------------------------------------- */

static void set_deadline(struct control *control, struct slot *slot, uint64_t deadline_ns)
{
	pthread_mutex_lock(&control->lock);
	slot->deadline_ns = deadline_ns;
	pthread_mutex_unlock(&control->lock);
}

/* He keeps his place from now on. */
static void keep_slot(struct control *control, struct entrance *entrance, const struct slot *slot)
{
	pthread_mutex_lock(&control->lock);
	places_let_in(&entrance->places, (int)(slot - entrance->slots));
	pthread_mutex_unlock(&control->lock);
}

static uint64_t in_seconds(unsigned seconds)
{
	return clock_monotonic_ns() + seconds * CLOCK_NS_PER_S;
}

static void tell(const struct control_request *request, uint64_t began_ns)
{
	telling_act(&container_of(request->desk, struct control, desk)->telling, request, began_ns);
}

static void refuse_method(struct control_request *request)
{
	request_fail(request, ANSWER_NOT_SO, "not with this method");
	request_add(request, "Allow", strcmp(request->allow, "GET") == 0 ? "GET, HEAD" : request->allow);
}

static void dispatch(struct control_request *request)
{
	uint64_t began_ns = clock_monotonic_ns();
	const struct control_handler *handler;
	bool known;

	if (request->too_large) {
		request_fail(request, ANSWER_TOO_LARGE, "a request's body has at most %d octets", CONTROL_BODY_MAX);
		return;
	}
	handler = handlers_find(request, &known);
	if (handler)
		handler->fn(request);
	else if (known)
		refuse_method(request);
	else
		request_fail(request, ANSWER_NOT_FOUND, "this version of postrider does not know that path");
	if (!request->response)
		request_answer(request, ANSWER_UNAVAILABLE, NULL);
	/* A page's own form becomes an act within (within.h), which is told. */
	if (handler && handler->role == CONTROL_OPERATE && !request->page)
		tell(request, began_ns);
}

static bool take_body(struct control_request *request, const char *data, size_t length)
{
	char *more;

	if (request->too_large || request->body_length + length > CONTROL_BODY_MAX) {
		request->too_large = true;
		return true;
	}
	more = realloc(request->body, request->body_length + length + 1);
	if (!more)
		return false;
	memcpy(more + request->body_length, data, length);
	request->body = more;
	request->body_length += length;
	more[request->body_length] = '\0';
	return true;
}

static struct control_request *new_request(struct entrance *entrance, struct MHD_Connection *connection,
					   const char *path, const char *method)
{
	const union MHD_ConnectionInfo *info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
	struct control_request *request = calloc(1, sizeof(*request));

	if (!request)
		return NULL;
	*request = (struct control_request){.desk = &entrance->control->desk,
					    .method = method,
					    .path = path,
					    .connection = connection,
					    .remote = entrance->remote,
					    .role = entrance->remote ? CONTROL_ANYBODY : CONTROL_OPERATE};
	request->slot = info ? info->socket_context : NULL;
	if (request->slot) {
		request->peer = ((struct slot *)request->slot)->peer;
		request->address = ((struct slot *)request->slot)->address;
	}
	return request;
}

/* Of the daemon before: who would stay there would keep what is renewed next from being taken. */
static bool is_last(struct control *control, const struct slot *slot)
{
	bool is;

	pthread_mutex_lock(&control->lock);
	is = slot->daemon == control->renewal.before;
	pthread_mutex_unlock(&control->lock);
	return is;
}

static enum MHD_Result send_answer(struct control *control, struct control_request *request)
{
	enum MHD_Result result;

	if (request->slot)
		set_deadline(control, request->slot, in_seconds(CONTROL_ANSWER_S));
	if (!request->response)
		return MHD_NO;
	if (request->slot && is_last(control, request->slot))
		request_add(request, MHD_HTTP_HEADER_CONNECTION, "close");
	result = MHD_queue_response(request->connection, request->status, request->response);
	MHD_destroy_response(request->response);
	request->response = NULL;
	return result;
}

static void copy_hostname(struct desk *desk, char out[DESK_HOSTNAME_SIZE])
{
	struct control *control = container_of(desk, struct control, desk);

	pthread_mutex_lock(&control->name_lock);
	memcpy(out, control->hostname, DESK_HOSTNAME_SIZE);
	pthread_mutex_unlock(&control->name_lock);
}

static json_t *get_dates(struct desk *desk)
{
	struct control *control = container_of(desk, struct control, desk);
	json_t *dates;

	pthread_mutex_lock(&control->name_lock);
	dates = json_incref(control->dates);
	pthread_mutex_unlock(&control->name_lock);
	return dates;
}

/* What of a configuration is shown, and may be another one after a reload. */
static void keep_shown(struct control *control, const struct config *config)
{
	json_t *dates = json_array(), *old;

	for (size_t i = 0; i < config->date_count; i++) {
		const struct config_date *date = &config->dates[i];
		json_array_append_new(dates,
				      json_pack("{so so so so}", "destination",
						request_text(span_text(config->destinations[date->destination].name)),
						"preset", request_text(span_text(date->preset)), "after",
						request_text(span_text(date->after)), "say",
						request_text(span_text(date->say))));
	}
	pthread_mutex_lock(&control->name_lock);
	snprintf(control->hostname, sizeof(control->hostname), "%s", config->hostname);
	old = control->dates;
	control->dates = dates;
	pthread_mutex_unlock(&control->name_lock);
	json_decref(old);
}

/* Before its body: who is not let in has none read. A slot is what is known of where it comes from. */
static enum MHD_Result admit(struct control *control, struct control_request *request)
{
	char hostname[DESK_HOSTNAME_SIZE];
	bool in;

	if (!request->slot)
		return MHD_NO;
	set_deadline(control, request->slot, UINT64_MAX);
	copy_hostname(&control->desk, hostname);
	in = request->remote ? remote_admit(request, control->gate, control->config, hostname)
			     : remote_admit_local(request, hostname);
	if (request->refused || (!in && request->status == ANSWER_FORBIDDEN))
		telling_refused(&control->telling, request);
	set_deadline(control, request->slot, in_seconds(CONTROL_REQUEST_S));
	/* Not who may only ask whether it is well. */
	if (in && request->role != CONTROL_ANYBODY)
		keep_slot(control, request->remote ? &control->remote : &control->local, request->slot);
	return in ? MHD_YES : send_answer(control, request);
}

/* A connection has a thread of its own. */
static void give_way(void)
{
	static _Thread_local bool gives_way;

	if (!gives_way)
		scheduling_background();
	gives_way = true;
}

static enum MHD_Result on_request(void *context, struct MHD_Connection *connection, const char *path,
				  const char *method, const char *version, const char *data, size_t *length, void **own)
{
	struct control_request *request = *own;
	struct entrance *entrance = context;

	give_way();
	if (!request) {
		*own = request = new_request(entrance, connection, path, method);
		/* Without a slot it was ended already. */
		if (!request || !request->slot)
			return MHD_NO;
		return admit(entrance->control, request);
	}
	if (*length > 0) {
		bool taken = take_body(request, data, *length);
		*length = 0;
		return taken ? MHD_YES : MHD_NO;
	}
	set_deadline(entrance->control, request->slot, UINT64_MAX);
	dispatch(request);
	return send_answer(entrance->control, request);
}

static void on_completed(void *context, struct MHD_Connection *connection, void **own,
			 enum MHD_RequestTerminationCode code)
{
	struct control_request *request = *own;

	if (!request)
		return;
	if (request->slot)
		set_deadline(((struct entrance *)context)->control, request->slot, in_seconds(CONTROL_REQUEST_S));
	if (request->response)
		MHD_destroy_response(request->response);
	free(request->body);
	free(request->certificate);
	free(request);
	*own = NULL;
}

/* ---- connections -------------------------------------------------------------------------------------------- */

/* NULL: there is no place for it. Who has to go for it is ended as one that takes too long. */
static struct slot *take_slot(struct entrance *entrance, const struct slot *comes)
{
	struct control *control = entrance->control;
	struct places_from from;
	struct slot *slot = NULL;
	int number, leaves;

	if (entrance->remote)
		places_from_address(&comes->address, &from);
	else
		places_from_user(comes->peer.uid, &from);
	pthread_mutex_lock(&control->lock);
	number = places_take(&entrance->places, &from, &leaves);
	if (leaves >= 0) {
		entrance->slots[leaves].deadline_ns = 0;
		(void)shutdown(entrance->slots[leaves].fd, SHUT_RDWR);
	}
	if (number >= 0) {
		slot = &entrance->slots[number];
		*slot = *comes;
	}
	pthread_mutex_unlock(&control->lock);
	if (!slot)
		(void)shutdown(comes->fd, SHUT_RDWR);
	return slot;
}

static void give_back_slot(struct entrance *entrance, struct slot *slot)
{
	pthread_mutex_lock(&entrance->control->lock);
	slot->fd = -1;
	places_give_back(&entrance->places, (int)(slot - entrance->slots));
	pthread_mutex_unlock(&entrance->control->lock);
}

static void on_connection(void *context, struct MHD_Connection *connection, void **own,
			  enum MHD_ConnectionNotificationCode code)
{
	struct entrance *entrance = context;
	struct ucred credentials = {.uid = (uid_t)-1};
	socklen_t length = sizeof(credentials);
	struct slot comes = {.deadline_ns = in_seconds(CONTROL_REQUEST_S)};

	if (code == MHD_CONNECTION_NOTIFY_CLOSED) {
		if (*own)
			give_back_slot(entrance, *own);
		return;
	}
	comes.fd = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
	comes.daemon = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_DAEMON)->daemon;
	comes.address.length = sizeof(comes.address.v6);
	if (entrance->remote && getpeername(comes.fd, &comes.address.any, &comes.address.length) < 0)
		comes.address.length = 0;
	/* As it was when it connected: who has gone since, or has become another, changes nothing. */
	if (!entrance->remote && getsockopt(comes.fd, SOL_SOCKET, SO_PEERCRED, &credentials, &length) == 0)
		comes.peer = (struct control_peer){credentials.uid, credentials.gid, credentials.pid};
	*own = take_slot(entrance, &comes);
	/* It sleeps for long where there was none. */
	desk_look(&entrance->control->desk);
}

static void say_nothing(void *context, const char *format, va_list arguments)
{
}

/* What both entrances are like; `more`: ends with MHD_OPTION_END. Takes `fd`, which is closed where it fails. */
static bool start_daemon(struct entrance *entrance, int fd, unsigned flags, struct MHD_OptionItem *more)
{
	struct stat was = {0};

	(void)fstat(fd, &was);
	entrance->daemon = MHD_start_daemon(
		MHD_USE_THREAD_PER_CONNECTION | MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_POLL | MHD_USE_ITC | flags, 0,
		NULL, NULL, on_request, entrance, MHD_OPTION_EXTERNAL_LOGGER, say_nothing, NULL,
		MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_CONNECTION_LIMIT, (unsigned)PLACES_SLOTS,
		MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)CONTROL_SILENT_S, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
		(size_t)CONTROL_MEMORY, MHD_OPTION_THREAD_STACK_SIZE, (size_t)STACK_SIZE, MHD_OPTION_NOTIFY_COMPLETED,
		on_completed, entrance, MHD_OPTION_NOTIFY_CONNECTION, on_connection, entrance, MHD_OPTION_ARRAY, more,
		MHD_OPTION_END);
	if (!entrance->daemon)
		control_socket_give_up(fd, &was);
	return entrance->daemon != NULL;
}

/* What they are asked for by; NULL: by nothing, as no certificate is asked for. False: `problem`. */
static bool read_issuers(const struct config *config, char **issuers, char *problem, size_t size)
{
	struct client_trust *trust;
	char why[256];

	if (!config->control.http.client_ca)
		return true;
	*issuers = remote_issuers_read(config, problem, size);
	if (!*issuers)
		return false;
	trust = client_trust_new(*issuers, NULL, why, sizeof(why));
	if (!trust)
		snprintf(problem, size, "control.http.client_ca: %s: %s", config->control.http.client_ca, why);
	client_trust_free(trust);
	return trust != NULL;
}

/* Takes `fd`, as start_daemon() does. */
static bool start_secured(struct control *control, int fd, char *problem, size_t size)
{
	static char priorities[] = "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2";
	struct remote_key key;
	char *issuers = NULL;
	bool started;

	if (!read_issuers(control->config, &issuers, problem, size) ||
	    remote_key_read(control->config, &key, problem, size) < 0) {
		free(issuers);
		close(fd);
		return false;
	}
	/* Without issuers nobody is asked for a certificate. Which are believed issuers.h says. */
	struct MHD_OptionItem tls[] = {
		{MHD_OPTION_HTTPS_MEM_KEY, 0, key.private_key},
		{MHD_OPTION_HTTPS_MEM_CERT, 0, key.certificate},
		{MHD_OPTION_HTTPS_PRIORITIES, 0, priorities},
		{issuers ? MHD_OPTION_HTTPS_MEM_TRUST : MHD_OPTION_END, 0, issuers},
		{MHD_OPTION_END, 0, NULL},
	};
	started = start_daemon(&control->remote, fd, MHD_USE_TLS, tls);
	remote_key_wipe(&key);
	free(issuers);
	if (!started)
		snprintf(problem, size, "control.http: %s and its private_key cannot be used",
			 control->config->control.http.certificate);
	return started;
}

static uint64_t files_of(const struct config *config)
{
	uint64_t sum = file_stamp(file_stamp(0, config->control.http.certificate), config->control.http.private_key);

	return config->control.http.client_ca ? file_stamp(sum, config->control.http.client_ca) : sum;
}

static int64_t show_lists(struct control *control)
{
	int64_t wall_s = (int64_t)(clock_wall_ns() / CLOCK_NS_PER_S);
	bool ending;

	atomic_store(&control->desk.lists_end, issuers_lists_end(&control->issuers, wall_s, &ending));
	atomic_store(&control->desk.lists_ending, ending);
	return wall_s;
}

/* 0 or -errno with a problem. */
static int open_remote(struct control *control, char *problem, size_t size)
{
	const struct config *config = control->config;
	struct MHD_OptionItem none[] = {{MHD_OPTION_END, 0, NULL}};
	bool started;
	int fd;

	if (!config->control.http.address_text)
		return 0;
	if (config->control.http.signs_in && !(control->gate = gate_new(control->desk.relay->config))) {
		snprintf(problem, size, "control.http: out of memory");
		return -ENOMEM;
	}
	if (issuers_begin(&control->issuers, config, control->gate, problem, size) < 0)
		return -EINVAL;
	(void)show_lists(control);
	fd = remote_listen(config, problem, size);
	if (fd < 0)
		return fd;
	control->renewal.fd = fd;
	control->renewal.made_of = control->renewal.seen = files_of(config);
	if (config->control.http.certificate) {
		started = start_secured(control, fd, problem, size);
	} else {
		started = start_daemon(&control->remote, fd, 0, none);
		snprintf(problem, size, "control.http: no thread that answers can be started: %s", strerror(errno));
	}
	return started ? 0 : -EINVAL;
}

/* ---- a certificate that is renewed --------------------------------------------------------------------------- */

static void set_before(struct control *control, struct MHD_Daemon *daemon)
{
	pthread_mutex_lock(&control->lock);
	control->renewal.before = daemon;
	pthread_mutex_unlock(&control->lock);
}

/* It is asked for its socket no more; the socket is another descriptor's as well. */
static void end_before(struct control *control)
{
	if (!control->renewal.before)
		return;
	MHD_stop_daemon(control->renewal.before);
	close(control->renewal.before_fd);
	set_before(control, NULL);
}

/* What is renewed again waits for it: its answers, which may be read slowly, end sooner than others. */
static void hurry_before(struct control *control)
{
	uint64_t most_ns = in_seconds(CONTROL_REQUEST_S);

	pthread_mutex_lock(&control->lock);
	for (unsigned i = 0; i < PLACES_SLOTS; i++) {
		struct slot *slot = &control->remote.slots[i];
		if (slot->daemon == control->renewal.before && slot->deadline_ns != UINT64_MAX &&
		    slot->deadline_ns > most_ns)
			slot->deadline_ns = most_ns;
	}
	pthread_mutex_unlock(&control->lock);
}

/* Its threads are joined when it stops: only then does nobody wait for that. */
static bool before_is_over(struct control *control)
{
	const struct renewal *r = &control->renewal;
	const union MHD_DaemonInfo *info =
		r->before ? MHD_get_daemon_info(r->before, MHD_DAEMON_INFO_CURRENT_CONNECTIONS) : NULL;

	if (info && info->num_connections == 0)
		end_before(control);
	return !r->before;
}

/* The next one takes connections before the one before ceases to: nobody is refused. */
static bool renew(struct control *control, char *problem, size_t size)
{
	struct renewal *r = &control->renewal;
	struct MHD_Daemon *before = control->remote.daemon;
	int fd = fcntl(r->fd, F_DUPFD_CLOEXEC, 0);

	if (fd < 0) {
		snprintf(problem, size, "control.http: %s", strerror(errno));
		return false;
	}
	if (!start_secured(control, fd, problem, size)) {
		control->remote.daemon = before;
		return false;
	}
	(void)MHD_quiesce_daemon(before);
	set_before(control, before);
	r->before_fd = r->fd;
	r->fd = fd;
	return true;
}

/* Both files are written one after the other: they are taken when they have been the same for a while. */
void control_look(struct control *control, uint64_t now_ns, struct log *log)
{
	struct renewal *r = control ? &control->renewal : NULL;
	char problem[512];
	bool settled, over, in_force;
	uint64_t files;

	if (!r || !control->remote.daemon || !control->config->control.http.certificate)
		return;
	in_force = issuers_look(&control->issuers, now_ns, show_lists(control), log);
	/* Who is told that he may show another one is to be believed then. */
	if (now_ns < r->look_ns || !in_force)
		return;
	r->look_ns = now_ns + LOOK_S * CLOCK_NS_PER_S;
	files = files_of(control->config);
	settled = files == r->seen;
	r->seen = files;
	over = before_is_over(control);
	if (files == r->made_of || files == r->refused || !settled)
		return;
	if (!over)
		hurry_before(control);
	else if (renew(control, problem, sizeof(problem))) {
		r->made_of = files;
		event_certificate_renewed(log, 1);
	} else {
		r->refused = files;
		event_certificate_refused(log, problem);
	}
}

/* ---- life --------------------------------------------------------------------------------------------------- */

static int open_desk(struct control *control, struct relay *relay, struct log *log, const struct control_more *more)
{
	int r;

	control->desk.look = look_at_connections;
	control->desk.busy = any_connection;
	control->desk.tell = tell;
	control->desk.hostname = copy_hostname;
	control->desk.dates = get_dates;
	telling_init(&control->telling, log);
	pthread_mutex_init(&control->lock, NULL);
	pthread_mutex_init(&control->name_lock, NULL);
	control->config = relay->config;
	keep_shown(control, relay->config);
	control->local.control = control->remote.control = control;
	control->remote.remote = true;
	for (unsigned i = 0; i < PLACES_SLOTS; i++)
		control->local.slots[i].fd = control->remote.slots[i].fd = -1;
	r = desk_start(&control->desk, relay);
	if (r < 0)
		return r;
	control->desk.scrape = scrape_new(&control->desk);
	control->desk.passes = passes_new();
	control->desk.checkup = checkup_new(&control->desk);
	control->desk.more = more;
	if (control->desk.scrape && control->desk.passes && control->desk.checkup &&
	    (!more || (control->desk.more_context = more->start(&control->desk))))
		return 0;
	checkup_free(control->desk.checkup);
	passes_free(control->desk.passes);
	scrape_free(control->desk.scrape);
	desk_stop(&control->desk);
	return -ENOMEM;
}

static void stop_more(struct control *control)
{
	desk_stopping(&control->desk);
	if (control->desk.more)
		control->desk.more->stop(control->desk.more_context);
	control->desk.more = NULL;
}

static int open_local(struct control *control, char *problem, size_t size)
{
	struct MHD_OptionItem none[] = {{MHD_OPTION_END, 0, NULL}};
	const struct config *config = control->config;
	int r;

	if (!config->control.socket)
		return 0;
	r = control_socket_open(&control->socket, config->control.socket, config->control.group, problem, size);
	if (r < 0)
		return r;
	if (start_daemon(&control->local, control->socket.fd, 0, none))
		return 0;
	snprintf(problem, size, "control.socket: no thread that answers can be started: %s", strerror(errno));
	control->socket.fd = -1;
	control_socket_close(&control->socket);
	return -EAGAIN;
}

bool control_wanted(const struct config *config)
{
	return config->control.socket || config->incidents.watched;
}

struct control *control_start(struct relay *relay, struct log *log, struct log *incident_log,
			      const struct control_more *more, char *problem, size_t size)
{
	struct control *control = calloc(1, sizeof(*control));
	int r = control ? open_desk(control, relay, log, relay->config->control.socket ? more : NULL) : -ENOMEM;

	if (r < 0) {
		snprintf(problem, size, "control.socket: no thread that answers can be started: %s", strerror(-r));
		free(control);
		return NULL;
	}
	/* Before anybody asks. */
	control->desk.incidents = incident_watch_start(&control->desk, control->config, incident_log);
	snprintf(problem, size, "no thread that watches for incidents can be started");
	if (control->desk.incidents && open_local(control, problem, size) == 0 &&
	    open_remote(control, problem, size) == 0)
		return control;
	control_stop(control);
	control_free(control);
	return NULL;
}

void control_follow(struct control *control, struct config *next)
{
	if (!control)
		return;
	keep_shown(control, next);
	desk_follow(&control->desk, next);
	if (control->gate)
		gate_follow(control->gate, next);
	incident_watch_follow(control->desk.incidents, next);
}

void control_stop(struct control *control)
{
	if (!control)
		return;
	desk_stopping(&control->desk);
	/* Its threads look at the socket no more when this returns; it closes the descriptor. */
	if (control->local.daemon) {
		control->socket.fd = MHD_quiesce_daemon(control->local.daemon);
		control_socket_close(&control->socket);
		MHD_stop_daemon(control->local.daemon);
	}
	if (control->remote.daemon)
		MHD_stop_daemon(control->remote.daemon);
	end_before(control);
	stop_more(control);
	checkup_free(control->desk.checkup);
	control->desk.checkup = NULL;
	incident_watch_stop(control->desk.incidents);
	control->desk.incidents = NULL;
}

void control_free(struct control *control)
{
	if (!control)
		return;
	scrape_free(control->desk.scrape);
	passes_free(control->desk.passes);
	inquiries_end(&control->desk);
	desk_stop(&control->desk);
	issuers_end(&control->issuers);
	gate_free(control->gate);
	telling_deinit(&control->telling);
	pthread_mutex_destroy(&control->lock);
	pthread_mutex_destroy(&control->name_lock);
	json_decref(control->dates);
	free(control);
}
