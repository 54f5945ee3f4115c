/*
 * core/config/config.h - from a YAML file to a checked structure.
 *
 * config_load() answers with a complete, valid configuration, or with everything that is wrong with the file: place,
 * what is wrong and what to write instead. Unknown keys name the nearest known key. Keys of the documented interface
 * that this version does not implement are refused with a plain sentence, never ignored. Relative paths are relative to
 * the file. Durations carry ms, s, m, h, d; sizes carry B, KiB, MiB, GiB, TiB (0 needs none).
 * YAML aliases are refused. Routes, clients and listeners keep the file's order.
 * The structure owns all its memory; config_free() releases it. Read-only after loading.
 */
#ifndef POSTRIDER_CONFIG_CONFIG_H
#define POSTRIDER_CONFIG_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "core/base/address_text.h"
#include "core/base/ring.h"
#include "core/config/network_table.h"
#include "core/config/oauth.h"
#include "core/config/problems.h"
#include "core/config/quota.h"
#include "core/config/rates.h"
#include "core/config/sign_in.h"
#include "core/config/tls_mode.h"
#include "core/config/verdict_rule.h"

enum config_listener_tls {
	CONFIG_LISTENER_TLS_OFF,
	CONFIG_LISTENER_TLS_OFFERED,  /* STARTTLS, who wants */
	CONFIG_LISTENER_TLS_REQUIRED, /* STARTTLS before anything of mail */
	CONFIG_LISTENER_TLS_IMPLICIT, /* from the first octet */
};
enum config_client_certificates { CONFIG_CLIENT_CERTIFICATES_OFF, CONFIG_CLIENT_CERTIFICATES_REQUESTED };
enum config_tls_version { CONFIG_TLS_1_1 = 1, CONFIG_TLS_1_2, CONFIG_TLS_1_3 };
enum config_listener_auth { CONFIG_LISTENER_AUTH_OFF, CONFIG_LISTENER_AUTH_OFFERED, CONFIG_LISTENER_AUTH_REQUIRED };

struct config_listener {
	char *name;
	char *address_text;
	struct ring_address address;
	enum config_listener_tls tls;                        /* default off */
	enum config_tls_version min_version;                 /* default 1.2 */
	enum config_tls_version devices_min_version;         /* of devices that know nothing newer; 0: as all others */
	enum config_listener_auth auth;                      /* default off */
	bool auth_in_clear;                                  /* passwords are taken without TLS, too; default false */
	enum config_client_certificates client_certificates; /* default off */
	char *ca_file;                                       /* whose certificates' names are believed; NULL: none */
	struct network *proxies; /* proxy_protocol_from: who begins with a PROXY header; NULL: nobody */
	size_t proxy_count;
	struct network *xclients; /* xclient_from: who may say XCLIENT; NULL: nobody */
	size_t xclient_count;
};

/* What listeners show of themselves. */
struct config_certificate {
	char *certificate; /* the chain, PEM */
	char *private_key; /* NULL: in the same file */
};

enum config_syntax { CONFIG_SYNTAX_TOLERANT, CONFIG_SYNTAX_STRICT }; /* of commands; default tolerant */

enum config_priority { CONFIG_PRIORITY_NORMAL, CONFIG_PRIORITY_HIGH, CONFIG_PRIORITY_LOW };

struct client_index;   /* client_index.h */
struct config_profile; /* profile.h */
struct device_table;   /* device_table.h */
struct user_table;     /* user_table.h */

enum { CONFIG_LISTENERS_MAX = 64 };

/* What a client may say beside its networks. */
struct config_client_terms {
	char **users; /* names, "*@domain", "*" */
	size_t user_count;
	char **certificates; /* names, or "sha256:" and 64 small digits */
	size_t certificate_count;
	char **listener_names;
	size_t listener_count;
	uint64_t listeners;           /* of those names, a bit for each index; 0: any */
	bool any_user;                /* "*" is one of its users */
	bool devices;                 /* only those of the inventory */
	bool narrows;                 /* users or listeners are named: networks alone do not make the client */
	char **senders, **recipients; /* allowed patterns, as those of routes; none: all */
	size_t sender_count, recipient_count;
	struct config_quota quota;    /* limits.* of a second or minute */
	struct config_policy *policy; /* NULL: its messages stay as they are */
	char *owner;                  /* who hears of its mail in place of its senders; NULL: they do */
};

/* What is done to a client's messages as they come in. */
struct config_policy {
	const struct config_from *from; /* where it says anything of these; NULL: it does not */
	char **removed, **added;        /* remove_headers: names; add_headers: "Name: value" (field_form.h) */
	size_t removed_count, added_count;
	char *archive; /* who gets a copy of each; NULL: nobody */
	bool complete; /* add_missing_headers; default false */
};

struct config_client {
	char *name;
	char *networks_file;               /* NULL: none */
	char *default_domain;              /* what local parts without a domain get; NULL: they are refused */
	struct config_client_terms *terms; /* NULL: none */
	unsigned network_count;            /* in the index of all, under this client's number */
	enum config_syntax syntax;
	unsigned connections_max; /* limits.connections: at once from this group, 0: no limit of its own */
	unsigned weight;          /* 0 or 1: as others; more: so many messages where others have one */
	enum config_priority priority;
	uint8_t quirks;  /* enum quirk (quirks.h), or'ed: line_endings, long_lines, and of its profile */
	uint8_t profile; /* its number, from 1; 0: none */
};

/* Default keep. MATCH: kept, and by a mailbox that may send as the sender. */
enum config_sender { CONFIG_SENDER_KEEP, CONFIG_SENDER_MAILBOX, CONFIG_SENDER_MATCH };

/* What becomes of 8-bit content where a host does not offer 8BITMIME. */
enum config_eight_bit { CONFIG_EIGHT_BIT_CONVERT, CONFIG_EIGHT_BIT_SEND, CONFIG_EIGHT_BIT_REFUSE };

struct config_host {
	char *text; /* as written, "mail.example.org:25" */
	char *name; /* without port and brackets */
	uint16_t port;
	bool numeric;
	bool whole; /* the DNS gave the name, and nothing is to be put behind it (resolv.conf's search list) */
	struct ring_address address; /* when numeric */
};

enum { CONFIG_CONNECTIONS_MAX = 100000 }; /* of one destination */

/* EHLO keywords that a destination's hosts may be told not to be believed in. */
enum config_extension {
	CONFIG_PIPELINING = 1 << 0,
	CONFIG_CHUNKING = 1 << 1,
	CONFIG_SIZE = 1 << 2,
	CONFIG_8BITMIME = 1 << 3,
	CONFIG_ENHANCEDSTATUSCODES = 1 << 4,
	CONFIG_DSN = 1 << 5,
};

struct config_words {
	char **list;
	size_t count;
};

/* Rules about replies, in their order (verdict_rule.h). */
struct config_verdicts {
	struct verdict_rule *rules;
	size_t count;
};

/* How it is signed in, by the names of AUTH (core/smtp/mechanism.h has the same order). */
enum config_mechanism { CONFIG_AUTH_PLAIN, CONFIG_AUTH_LOGIN, CONFIG_AUTH_XOAUTH2, CONFIG_AUTH_OAUTHBEARER };
enum { CONFIG_MECHANISMS = CONFIG_AUTH_OAUTHBEARER + 1, CONFIG_USER_MAX = 240 };

/* Who signs in. */
struct config_mailbox {
	char *user;
	char *password_file;
	char **senders; /* beside the user, where `sender` is match: patterns as those of routes, "<>" and "*" */
	size_t sender_count;
};

/* Where connections to next hops come from. */
struct config_source {
	struct ring_address address; /* without a port */
	char *text;                  /* as written */
	char *hostname;              /* what it is called in EHLO; NULL: as the relay is */
};
struct config_sources {
	struct config_source *list;
	size_t count;
};
enum { CONFIG_SOURCES_MAX = 64 };

/* The family of a next hop's addresses that is tried first. */
enum config_prefer { CONFIG_PREFER_NEITHER, CONFIG_PREFER_IPV4, CONFIG_PREFER_IPV6 };

struct config_destination {
	char *name;
	bool gone; /* only its place is left (succession.h): no hosts, and no route leads there */
	struct config_host *hosts;
	size_t host_count;
	char *mx_of;       /* instead of hosts: the domain whose MX they are; NULL: not given */
	bool mx;           /* instead of hosts: the MX of each recipient's domain */
	uint16_t mx_port;  /* of both; default 25 */
	bool site_presets; /* with `mx`: what large providers bear holds beside the limits; default true */
	struct config_words
		mx_ends; /* hosts_end_with, or what the preset knows: as those may be called; none: any way */
	struct config_sources sources; /* source_addresses; none: the system chooses */
	enum config_prefer prefer;     /* default neither */
	enum config_tls_mode tls_mode; /* default verify */
	bool tls_implicit;             /* tls.implicit: true, or by default when every host's port is 465 */
	bool mta_sts;                  /* what the domain's MTA-STS policy demands is demanded (RFC 8461) */
	char *ca_file, *certificate, *private_key, *server_name; /* NULL where not given */
	/* Of certificates or of their keys, "sha256:" and 64 small digits: with mode verify one of them instead of a
	 * chain and a name. */
	struct config_words fingerprints;
	unsigned connections;             /* limits.connections, default 20: of the whole process, or of each mailbox */
	unsigned messages_per_connection; /* default 0: no limit */
	uint64_t connection_age_ns;       /* a connection is replaced after so long, default 10m; 0: never */
	unsigned messages_in_flight;      /* on one connection, at most; default 4096 */
	unsigned recipients_per_message;  /* default 100 */
	struct config_limits limits;      /* of time: limits.messages_per_minute and its like, pacing */
	unsigned ignored_extensions;      /* ignore_extensions: enum config_extension, or'ed */
	bool pipeline_across_messages;    /* commands behind the end of a message before its reply; default false */
	struct config_oauth *oauth;       /* whose tokens sign in there; NULL: not given */
	uint64_t idle_timeout_ns;         /* an unused pooled connection is closed, default 30s */
	char *preset;                     /* NULL: none */
	struct config_verdicts verdicts;  /* its own rules about replies, and behind them those of its preset */
	struct verdict_rules *rules;      /* all that come before the built-in ones, in order; NULL: none */
	struct config_mailbox *mailboxes; /* "mailboxes", or the one of "auth"; none: nobody signs in */
	size_t mailbox_count;
	uint8_t mechanisms[CONFIG_MECHANISMS]; /* enum config_mechanism, in the order in which they are tried */
	unsigned mechanism_count;
	struct config_mailbox auth;      /* what "auth" says for all mailboxes; NULL where not given */
	size_t fallback;                 /* number of the destination that takes over, from 1; 0: none */
	uint64_t fallback_after_ns;      /* when all hosts have failed for so long, default 5m */
	enum config_sender sender;       /* under whose name mail goes, where its client does not say */
	enum config_eight_bit eight_bit; /* default convert */
};

/* Under whose name a client's mail goes where somebody signs in, and under whose it comes in; clients that say nothing
 * are not there. */
enum config_rewrite { CONFIG_REWRITE_DESTINATION, CONFIG_REWRITE_ALWAYS, CONFIG_REWRITE_NEVER };
enum config_reply_to { CONFIG_REPLY_TO_AUTHOR, CONFIG_REPLY_TO_KEEP };
enum { CONFIG_FROM_NAME_MAX = 200, CONFIG_ADDRESS_MAX = 254 };

/* A sender, or all of a domain, and who takes their place: "*@domain" keeps the local part. */
struct config_mapping {
	char *from, *to;
};
struct config_from {
	const char *client; /* its name; borrowed */
	size_t index;       /* of the client */
	enum config_rewrite rewrite;
	char *name; /* NULL: the name stays; UTF-8 without control characters, CONFIG_FROM_NAME_MAX octets at most */
	/* As it comes in: sender and author. */
	char *address;              /* whoever it was; NULL: not given */
	struct config_mapping *map; /* the first that fits */
	size_t map_count;
	enum config_reply_to reply_to; /* what becomes of an author who is displaced; default author */
	bool bind;                     /* From names none but allowed senders; default false */
};

/* Connections that all its mailboxes may have together: limits.connections is for each. */
static inline unsigned config_connections(const struct config_destination *destination)
{
	size_t all = destination->connections * (destination->mailbox_count ? destination->mailbox_count : 1);

	return all < CONFIG_CONNECTIONS_MAX ? (unsigned)all : CONFIG_CONNECTIONS_MAX;
}

/* All that is given must fit. Patterns: "*@domain", "local@domain", "*@*.domain". */
struct config_route {
	char *recipient;    /* NULL: any */
	size_t destination; /* index; without meaning where `refuse` is given */
	char *sender;       /* NULL: any; "<>": none, as bounces have */
	char *refuse;       /* NULL: nothing is refused; printable ASCII */
	size_t client;      /* number from 1; 0: any */
	size_t listener;    /* number from 1; 0: any */
	uint64_t size;      /* announced to be larger than so many octets; 0: any */
};

/* Who validates what name servers answer: nobody, or this process. */
enum config_dnssec { CONFIG_DNSSEC_OFF, CONFIG_DNSSEC_VALIDATE };

struct config_retry {
	uint64_t first_ns, max_ns, expire_ns;
	double factor;
	unsigned attempts; /* after so many it fails, however young it is; default 0: age alone counts */
};

/* What the list of addresses that no mail goes to is to a client: its mail does not go there; and what comes back of it
 * fills the list; or it is none of its business. */
/* What is kept of what became of mail (core/trace). */
enum config_trace_detail { CONFIG_TRACE_OFF, CONFIG_TRACE_PROBLEMS, CONFIG_TRACE_ALL, CONFIG_TRACE_AUTO };
struct config_trace {
	char *file; /* default trace.db below spool.directory */
	uint64_t keep_ns, size_max;
	int detail; /* enum config_trace_detail */
};

enum config_suppression_use { CONFIG_SUPPRESSION_HONOUR, CONFIG_SUPPRESSION_FEED, CONFIG_SUPPRESSION_IGNORE };
struct config_suppression_client {
	const char *name; /* borrowed, the client's */
	size_t index;     /* of the client */
	uint8_t use;
	uint32_t line, column; /* where it says so, from 0 */
};
struct config_suppression {
	char *directory;                           /* NULL: there is none */
	struct config_suppression_client *clients; /* those that say something, sorted by name */
	size_t client_count;
};

/* What a provider has said will be, as its preset knows it, and as far as it is about what is configured. */
struct config_date {
	size_t destination;
	char *preset, *after, *say; /* owned; `after`: "2026-12-31" */
};

struct config {
	char *file;
	char *hostname;
	char *user; /* whom a process becomes that was started as root; NULL: it stays what it is */
	struct {
		bool seccomp, landlock;          /* default true */
		struct config_words directories; /* whose files may be read as well */
	} hardening;
	struct config_words paths; /* all that the file has named, as they are opened */
	unsigned shards;           /* resolved: at least 1, at most CONFIG_SHARDS_MAX */
	struct {
		char *directory;           /* default /var/lib/postrider */
		uint64_t size_max;         /* default 20GiB; at least four segments for each shard */
		uint64_t message_size_max; /* default 150MiB or a quarter of size_max, never more than that */
		uint64_t segment_size;     /* default 64MiB; whole MiB, 4MiB to 1GiB */
		uint64_t memory_max;       /* message contents, shared between the shards; 16MiB each at least */
	} spool;
	char *users_file;                /* NULL: none */
	struct user_table *users;        /* of it; NULL: nobody may sign in */
	char *devices_path;              /* devices: of the inventory; NULL: none */
	struct device_table *devices;    /* of it; NULL: there is none */
	struct config_profile *profiles; /* those that are named somewhere */
	size_t profile_count;
	struct config_date *dates;
	size_t date_count;
	struct config_listener *listeners;
	size_t listener_count;
	struct config_certificate *certificates; /* tls.certificates */
	size_t certificate_count;
	struct config_client *clients;
	size_t client_count;
	char *client_names;        /* what their names point into; NULL: each is a block of its own */
	struct config_from *froms; /* sorted by the client's name */
	size_t from_count;
	struct client_index *index; /* which client a session is; first match wins */
	struct config_destination *destinations;
	size_t destination_count;
	struct config_route *routes;
	size_t route_count;
	struct config_retry retry;
	struct {
		char *from;                 /* who writes reports; default MAILER-DAEMON@hostname */
		unsigned to_owner_per_hour; /* to each owner, beside a digest; default 10 */
		uint64_t delay_after_ns;    /* so late a message's sender hears of it; default 4h, 0: never */
	} reports;
	struct {
		char *organization; /* whose relay this is; NULL: nothing is counted or reported (RFC 8460) */
		char *from;         /* who writes reports, and whom they come back to */
		char *contact;      /* whom questions go to; default from */
		char *ca_file;      /* whom places for reports are trusted by; NULL: the system's authorities */
	} tls_reports;
	struct {
		bool watched;            /* default true */
		char *mail;              /* whom incidents are told; NULL: nobody by mail */
		char *from;              /* who tells; default reports.from */
		unsigned mails_per_hour; /* default 6 */
		uint64_t calm_ns;        /* one closes when it has been well for so long; default 5m */
		/* From when on it is one; 0: it is not looked for. */
		uint64_t destination_down_ns, no_delivery_ns, old_mail_ns; /* 2m, 15m, 4h */
		uint64_t certificate_ns;                                   /* before its end; 14d */
		unsigned spool_percent, budget_percent;                    /* of what there may be; 80, 90 */
	} incidents;
	struct {
		struct {
			char *url; /* https://; NULL: nobody is posted to */
			char *secret_file;
			char **kinds; /* of events, with a star at the end for anything; default incident_* */
			size_t kind_count;
			char *ca_file;     /* NULL: the system's authorities */
			unsigned batch;    /* events at a time, default 100 */
			uint64_t delay_ns; /* so long others are waited for, default 1s */
			uint64_t size_max; /* of what waits, octets; default 64MiB */
		} webhook;
	} events;
	struct config_verdicts verdicts; /* for every destination, behind its own */
	struct config_suppression suppression;
	struct config_trace trace;
	struct {
		char *socket; /* where commands ask; NULL: nobody can */
		char *group;  /* whose members may, beside its user; NULL: the process's own */
		struct {
			char *address_text; /* NULL: nobody can over TCP */
			struct ring_address address;
			char *users_file;                /* NULL: none */
			char *certificate, *private_key; /* both, or NULL: without TLS */
			char *client_ca;                 /* whose certificates users may sign in by; NULL: by none */
			char *client_crl;                /* which of them are revoked; NULL: nobody looks */
			struct sign_in sign_in;          /* who answers requests takes it away */
			bool signs_in; /* false: who reaches the address may look, and nobody may act */
		} http;
	} control;
	struct {
		char **servers; /* dns.servers: "192.0.2.53" or "192.0.2.53@5353"; none: the system's */
		size_t server_count;
		enum config_dnssec dnssec; /* default off, but with a destination with `mx` */
		char *trust_anchor;        /* file; NULL: the root's, built in */
		bool allow_private;        /* mail of `mx: true` goes to private addresses, too; default false */
	} dns;
	struct {
		unsigned connections;            /* inbound, whole process, default 10000 */
		unsigned connections_per_client; /* per IP address, default 0: none */
		unsigned recipients_per_message; /* default 1000 */
		unsigned errors_per_session;     /* bad commands before 421, default 20 */
		uint64_t octets_per_second_min;  /* of content, on the whole; default 500, 0: timeouts.data alone */
		uint64_t future_release_ns;      /* how long a sender may have mail kept, default 0: not at all */
		unsigned hops;                   /* Received fields from which on a message loops, default 100 */
		struct config_quota quota;       /* of all together, default 0: none */
		struct config_quota address;     /* of each address, default 0: none */
	} limits;
	struct {
		uint64_t command_ns;    /* from a reply to the end of the next command, default 5m */
		uint64_t session_ns;    /* a whole session, between messages; default 0: no limit */
		uint64_t data_ns;       /* from 354 to the end of data, default 30m */
		uint64_t connect_ns;    /* outbound: TCP and TLS each, default 30s */
		uint64_t greeting_ns;   /* outbound: the greeting, default 5m */
		uint64_t reply_ns;      /* outbound: a reply to a command, default 5m */
		uint64_t data_reply_ns; /* outbound: the reply to the end of data, default 10m */
		uint64_t drain_ns;      /* SIGTERM: how long transactions may take to finish, default 30s */
	} timeouts;
	uint64_t stats_interval_ns;      /* log.stats_interval, default 60s, 0: at exit only */
	bool log_sessions, log_messages; /* log.sessions, log.messages: default true */
	bool log_journal;                /* log.journal: the same; natively, where standard error is the journal */
};

enum { CONFIG_DNS_SERVERS_MAX = 8, CONFIG_SHARDS_MAX = 64, CONFIG_IN_FLIGHT_MAX = 4096 };

/* What the client of that name says of senders; NULL: nothing. */
const struct config_from *config_from_find(const struct config *config, const char *client, size_t length);

/* What the client of that name makes of the list of addresses that no mail goes to. */
enum config_suppression_use config_suppression_use(const struct config *config, const char *client, size_t length);

/* NULL when there are errors; *problems has them and the warnings, in the file's order. */
struct config *config_load(const char *file, struct config_problems *problems);
/* The same, with an inventory that is empty: its files are not read, however many devices there are. */
struct config *config_load_without_devices(const char *file, struct config_problems *problems);
/* The same from memory; `file` is used for messages and relative paths. For tests and the fuzz target. */
struct config *config_parse(const char *file, const char *text, size_t length, struct config_problems *problems);
/* The same as config_load(), and writes to `out` what is in force and where each value comes from (show.h). */
struct config *config_load_shown(const char *file, struct config_problems *problems, FILE *out);
/* The same for whom it does not concern: without what may be a secret of its own (show.h). */
struct config *config_load_bare(const char *file, struct config_problems *problems, FILE *out);
void config_free(struct config *config);
/* From now on a file is refused that names a path for which this says false: what the process has given up. */
void config_paths_within(bool (*inside)(const char *path));
/* Where presets and profiles are looked for; NULL behind the last. */
const char *config_preset_place(size_t index);

#endif
