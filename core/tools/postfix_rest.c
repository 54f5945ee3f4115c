/*
 * core/tools/postfix_rest.c - parameters of Postfix that nothing was made of: what each did, and what to do here.
 */
#include <string.h>

#include "core/tools/postfix_source.h"

/* Where nothing is to be done: the machine's own paths, what is only logged, local delivery's, and what is so here. A
 * star at the end stands for anything. */
static const char *const nothing[] = {
	"compatibility_level",
	"append_dot_mydomain",
	"append_at_myorigin",
	"biff",
	"readme_directory",
	"html_directory",
	"manpage_directory",
	"sample_directory",
	"queue_directory",
	"command_directory",
	"daemon_directory",
	"data_directory",
	"shlib_directory",
	"meta_directory",
	"config_directory",
	"mail_owner",
	"setgid_group",
	"default_privs",
	"sendmail_path",
	"mailq_path",
	"newaliases_path",
	"debug*",
	"maillog*",
	"syslog_*",
	"unknown_local_recipient_reject_code",
	"alias_database",
	"mailbox_size_limit",
	"recipient_delimiter",
	"home_mailbox",
	"mail_spool_directory",
	"mydomain",
	"smtp_tls_session_cache*",
	"smtpd_tls_session_cache*",
	"smtp_tls_loglevel",
	"smtpd_tls_loglevel",
	"smtpd_tls_received_header",
	"smtp_tls_note_starttls_offer",
	"smtp_sasl_security_options",
	"smtp_sasl_tls_security_options",
	"smtpd_sasl_security_options",
	"smtpd_sasl_tls_security_options",
	"smtpd_sasl_type",
	"smtpd_sasl_path",
	"smtpd_sasl_local_domain",
	"smtpd_sasl_authenticated_header",
	"broken_sasl_auth_clients",
	"smtpd_banner",
	"smtpd_helo_required",
	"disable_vrfy_command",
	"smtputf8_enable",
	"strict_rfc821_envelopes",
	"smtpd_delay_reject",
	"smtp_tls_CApath",
	"smtpd_tls_CApath",
	"tls_random_source",
	"import_environment",
	"export_environment",
	"process_id_directory",
	"program_directory",
	"mail_version",
	"mail_release_date",
	"mua_*",
	"inet_protocols",
	"default_process_limit",
	"in_flow_delay",
	"qmgr_*",
	"queue_run_delay",
	"daemon_timeout",
	"multi_instance*",
	"alternate_config_directories",
	"lmtp_*",
	"virtual_uid_maps",
	"virtual_gid_maps",
	"virtual_minimum_uid",
	"local_*",
	"allow_mail_to_*",
	"owner_request_special",
	"swap_bangpath",
	"smtp_tls_ciphers",
	"smtp_tls_mandatory_ciphers",
	"smtpd_tls_ciphers",
	"smtpd_tls_mandatory_ciphers",
	"tls_preempt_cipherlist",
	"tls_high_cipherlist",
	"tls_medium_cipherlist",
	"smtp_tls_exclude_ciphers",
	"smtpd_tls_exclude_ciphers",
	"smtp_tls_mandatory_exclude_ciphers",
	"smtpd_tls_mandatory_exclude_ciphers",
	"smtpd_tls_dh*_param_file",
	"smtpd_tls_eecdh_grade",
	"milter_protocol",
	"milter_default_action",
	"milter_*",
	"smtpd_discard_ehlo_keywords",
	"smtpd_tls_fingerprint_digest",
	"smtp_tls_fingerprint_digest",
	"header_size_limit",
	"mime_nesting_limit",
	"address_verify_*",
	"notify_classes",
	"error_notice_recipient",
	"bounce_notice_recipient",
	"2bounce_notice_recipient",
	"delay_notice_recipient",
	"postscreen_*",
	"anvil_*",
	"parent_domain_matches_subdomains",
	"remote_header_rewrite_domain",
	"mynetworks_style",
	"smtp_use_tls",
	"smtpd_use_tls",
	"smtp_enforce_tls",
	"smtpd_enforce_tls",
	"smtp_tls_enforce_peername",
	"relay_transport",
	"smtpd_tls_ask_ccert",
};

/* `did`, and what to do here. */
static const struct {
	const char *name, *did, *here;
} known[] = {
	{"smtpd_milters", "Milters saw each message, to sign it (DKIM), mark it or refuse it.",
	 "There are no milters: let the smart host sign, or put the program that did before or behind this relay."},
	{"non_smtpd_milters", "Milters saw each message of local programs.", "There are no milters, as above."},
	{"content_filter", "Each message went through a filter and came back on another port.",
	 "Put the filter in front: clients hand mail to it, and it to this relay."},
	{"virtual_alias_maps", "Recipients were written anew, also one as several.",
	 "Recipients stay as clients name them: let clients or the next server name those that are meant; `archive` of "
	 "a client copies all of its mail to one address."},
	{"recipient_canonical_maps", "Recipients were written anew.", "Recipients stay as clients name them."},
	{"recipient_bcc_maps", "Some recipients' mail was copied.", "`archive` of a client copies all of its mail."},
	{"sender_bcc_maps", "Some senders' mail was copied.",
	 "`archive` of a client copies its mail: make those senders a client of their own."},
	{"alias_maps", "Mail for names of that machine went to others (root to the administrator).",
	 "There are no aliases: let cron and daemons write to the real address."},
	{"relay_domains", "Mail from anywhere was taken for these domains.",
	 "Only `clients` may hand in mail: this relay is no MX for others."},
	{"relay_recipient_maps", "Only these recipients of relay_domains were taken.",
	 "allowed_recipients of a client does that, or routes with `refuse`."},
	{"virtual_mailbox_maps", "Mailboxes on that machine.", "This relay has none."},
	{"virtual_mailbox_base", "Mailboxes on that machine.", "This relay has none."},
	{"virtual_transport", "Mail for mailboxes on that machine.", "This relay has none."},
	{"mailbox_command", "Local mail went to a program.", "Nothing is delivered on this machine."},
	{"mailbox_transport", "Local mail went elsewhere.", "Write a destination and a route for its domains."},
	{"luser_relay", "Mail for unknown names of that machine went to one address.", "Nothing is delivered here."},
	{"default_transport", "Everything went by another transport.", "Where it led is to be the last of `routes`."},
	{"sender_dependent_default_transport_maps", "The transport followed from the sender.",
	 "Write a destination for each, and routes with `sender`."},
	{"smtp_fallback_relay", "Where a next hop could not be reached mail went there.",
	 "Write it as a destination, and `fallback: ITS-NAME` at those that it stands in for."},
	{"fallback_relay", "Where a next hop could not be reached mail went there.",
	 "Write it as a destination, and `fallback: ITS-NAME` at those that it stands in for."},
	{"bounce_queue_lifetime", "Reports were tried for so long.",
	 "They are tried as long as all mail: retry.expire."},
	{"smtpd_client_connection_rate_limit", "So many connections of a client within anvil_rate_time_unit.",
	 "limits.address.connections_per_second; there it held for none of mynetworks, here it holds for all."},
	{"smtpd_client_message_rate_limit", "So many messages of a client within anvil_rate_time_unit.",
	 "limits.address.messages_per_minute, or limits of a client; there it held for none of mynetworks."},
	{"smtpd_client_recipient_rate_limit", "So many recipients of a client within anvil_rate_time_unit.",
	 "limits.address.recipients_per_minute, or limits of a client; there it held for none of mynetworks."},
	{"smtpd_tls_req_ccert", "Clients had to show a certificate.",
	 "client_certificates: requested at the listener, and `certificates` of a client."},
	{"relay_clientcerts", "Who may relay by a certificate's fingerprint.",
	 "client_certificates: requested at the listener, and `certificates: [\"sha256:...\"]` of a client, by "
	 "SHA-256."},
	{"smtpd_tls_CAfile", "Whose signature a client's certificate needed.",
	 "ca_file at the listener, with client_certificates: requested."},
	{"smtpd_tls_auth_only", "Whether passwords were taken without TLS.",
	 "They are not, unless a listener says auth_in_clear."},
	{"smtp_tls_protocols", "Which versions of TLS were spoken, where it was not demanded.", "1.2 and 1.3."},
	{"smtp_tls_mandatory_protocols", "Which versions of TLS were spoken to next hops.", "1.2 and 1.3."},
	{"smtpd_tls_protocols", "Which versions of TLS clients could speak.",
	 "1.2 and 1.3; min_version: 1.1 at a listener, or devices_min_version, is for old devices. 1.0 cannot be had."},
	{"smtpd_tls_mandatory_protocols", "Which versions of TLS clients could speak.",
	 "1.2 and 1.3; min_version: 1.1 at a listener, or devices_min_version, is for old devices. 1.0 cannot be had."},
	{"smtpd_authorized_xclient_hosts", "Who could say whose a session is, by XCLIENT.",
	 "xclient_from at the listener, with networks."},
	{"smtpd_upstream_proxy_protocol", "A load balancer said whose a connection is.",
	 "proxy_protocol_from at the listener, with its networks."},
	{"smtpd_proxy_filter", "Each message went through a filter before it was taken.",
	 "Put the filter in front: clients hand mail to it, and it to this relay."},
	{"soft_bounce", "What was refused for good was tried again.",
	 "verdicts: [{ code: 5xx, do: defer }] does that; it is no state to stay in."},
	{"defer_transports", "What was kept back.", "`postrider destination suspend NAME` keeps mail back."},
	{"smtp_host_lookup", "How names of hosts were found.",
	 "By hosts(5), and then by name servers; nsswitch.conf(5) is not asked: postrider.yaml(5), dns."},
	{"smtp_bind_address", "Where connections came from.", "source_addresses of a destination."},
	{"smtp_connection_cache_destinations", "Connections that were kept open.", "They are, for all: idle_timeout."},
	{"undisclosed_recipients_header", "What was written where there was no recipient in the header.",
	 "add_missing_headers of a client writes \"To: undisclosed-recipients:;\"."},
	{"authorized_submit_users", "Who could hand in mail by sendmail(1).",
	 "`postrider sendmail` hands it in by SMTP at 127.0.0.1: who may is said below `clients`."},
	{"smtp_destination_rate_delay", "A pause between messages.", "messages_per_minute of a destination."},
	{"masquerade_classes", "Which addresses were hidden behind a domain.", "Senders and authors."},
};

static bool is_in(const char *const *list, size_t count, const char *name)
{
	for (size_t i = 0; i < count; i++) {
		const char *star = strchr(list[i], '*');
		if (star ? strncmp(list[i], name, (size_t)(star - list[i])) == 0 : strcmp(list[i], name) == 0)
			return true;
	}
	return false;
}

static void take(struct postfix_source *s, const struct postfix_service *service,
		 const struct postfix_parameter *parameter)
{
	if (parameter->used || is_in(nothing, sizeof(nothing) / sizeof(nothing[0]), parameter->name))
		return;
	if (*parameter->value == '\0')
		return;
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		if (strcmp(known[i].name, parameter->name) == 0) {
			postfix_source_note(s, service, parameter->name, known[i].did, "%s", known[i].here);
			return;
		}
	}
	postfix_source_note_unknown(s, service, parameter->name);
}

void postfix_take_rest(struct postfix_source *s)
{
	for (size_t i = 0; i < s->conf.parameter_count; i++)
		take(s, NULL, &s->conf.parameters[i]);
	for (size_t i = 0; i < s->conf.service_count; i++) {
		const struct postfix_service *service = &s->conf.services[i];
		if (strcmp(service->type, "inet") != 0 || strcmp(service->program, "smtpd") != 0)
			continue;
		for (size_t j = 0; j < service->option_count; j++)
			take(s, service, &service->options[j]);
	}
}
