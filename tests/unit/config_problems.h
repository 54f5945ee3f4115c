/*
 * tests/unit/config_problems.h - what test_config.c feeds the configuration's reader, and the answers word for word.
 *
 * The pieces HOST to ROUTES together are the smallest complete file; a row replaces or adds what it is about, in
 * front, so that lines and columns are easy to check by eye.
 */
#ifndef POSTRIDER_TESTS_CONFIG_PROBLEMS_H
#define POSTRIDER_TESTS_CONFIG_PROBLEMS_H

#define DIGITS "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define HOST "hostname: relay.example.org\n"
#define LISTENERS "listeners: [{ name: lan, address: \"127.0.0.1:25\" }]\n"
#define CLIENTS "clients: [{ name: all, networks: [127.0.0.0/8] }]\n"
#define DESTINATIONS "destinations: [{ name: next, hosts: [\"mail.example.org:25\"] }]\n"
#define ROUTES "routes: [{ destination: next }]\n"
#define ALL HOST LISTENERS CLIENTS DESTINATIONS ROUTES

static const struct {
	const char *text, *problem;
} problem_rows[] = {
	/* Syntax and shape. */
	{"", "t.yaml:1:1: the file is empty: write at least listeners, clients, destinations and routes"},
	{"# only a comment\n",
	 "t.yaml:1:1: the file is empty: write at least listeners, clients, destinations and routes"},
	{"- a\n- b\n", "t.yaml:1:1: the file must be a mapping: write keys such as hostname: relay.example.org"},
	{"hostname: [\n", "t.yaml:2:1: while parsing a flow node, did not find expected node content"},
	{"hostname: \"a\n", "t.yaml:2:1: while scanning a quoted scalar, found unexpected end of stream"},
	{"a: b: c\n", "t.yaml:1:5: mapping values are not allowed in this context"},
	{"\thostname: x\n",
	 "t.yaml:1:1: while scanning for the next token, found character that cannot start any token"},
	{"hostname: \xff\n", "t.yaml:1:11: invalid leading UTF-8 octet: write the file in UTF-8"},
	{"--- {}\n--- {}\n", "t.yaml:2:1: a second document begins here: write one per file"},
	{"hostname: &a x.example.org\nshards: *a\n", "t.yaml:2:9: aliases are not supported: write the value out"},
	{"a: &a [*a]\n", "t.yaml:1:8: aliases are not supported: write the value out"},
	{"a: [[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]\n", "t.yaml:1:19: values are nested too deeply"},
	{"[a]: b\n", "t.yaml:1:1: a key must be a word"},
	{"{}\n", "t.yaml:1:1: the key \"listeners\" is missing: write listeners: [{ name: lan, address: "
		 "\"0.0.0.0:25\" }]"},
	{"hostname\n", "t.yaml:1:1: the file must be a mapping: write keys such as hostname: relay.example.org"},
	/* Keys. */
	{"hostnme: relay.example.org\n" LISTENERS CLIENTS DESTINATIONS ROUTES,
	 "t.yaml:1:1: unknown key \"hostnme\"; did you mean \"hostname\"?"},
	{"colour: blue\n" ALL,
	 "t.yaml:1:1: unknown key \"colour\": the keys here are hostname, shards, user, hardening, control, spool, "
	 "listeners, tls, users_file, devices, dns, "
	 "clients, destinations, routes, verdicts, suppression, trace, retry, reports, tls_reports, incidents, events, "
	 "limits, "
	 "timeouts, "
	 "log"},
	{"\"hostname\\0\": x\n", "t.yaml:1:1: unknown key \"hostname\"; did you mean \"hostname\"?"},
	{"\"a\\e[31m\\nb\": x\n",
	 "t.yaml:1:1: unknown key \"a?[31m?b\": the keys here are hostname, shards, user, hardening, control, spool, "
	 "listeners, tls, users_file, devices, dns, clients, destinations, routes, verdicts, "
	 "suppression, trace, retry, reports, tls_reports, incidents, events, limits, timeouts, log"},
	{"<<: {}\n",
	 "t.yaml:1:1: unknown key \"<<\": the keys here are hostname, shards, user, hardening, control, spool, "
	 "listeners, tls, users_file, devices, dns, clients, destinations, routes, verdicts, suppression, "
	 "trace, retry, "
	 "reports, tls_reports, incidents, events, limits, timeouts, log"},
	{"dns: { servers: [dns.example.org] }\n" ALL,
	 "t.yaml:1:18: servers: \"dns.example.org\" is no address: write one such as 192.0.2.53, 192.0.2.53:5353 or "
	 "[2001:db8::53]:53"},
	{"dns: { servers: [\"192.0.2.53:\"] }\n" ALL,
	 "t.yaml:1:18: servers: \"192.0.2.53:\" is no address: write one such as 192.0.2.53, 192.0.2.53:5353 or "
	 "[2001:db8::53]:53"},
	{"dns: { servers: [] }\n" ALL,
	 "t.yaml:1:17: servers: the list is empty: write at least one, as in servers: [192.0.2.53]"},
	{"hostname: a.example.org\nhostname: b.example.org\n" LISTENERS CLIENTS DESTINATIONS ROUTES,
	 "t.yaml:2:1: duplicate key \"hostname\": the first is in line 1"},
	{"spool: { size_max: 20GiB, size_max: 20GiB }\n" ALL,
	 "t.yaml:1:27: duplicate key \"size_max\": the first is in line 1"},
	{"spool: { size-max: 20GiB }\n" ALL, "t.yaml:1:10: unknown key \"size-max\"; did you mean \"size_max\"?"},
	{"listeners: [{ name: lan, adress: \"127.0.0.1:25\" }]\n" HOST CLIENTS DESTINATIONS ROUTES,
	 "t.yaml:1:26: unknown key \"adress\"; did you mean \"address\"?"},
	{HOST CLIENTS DESTINATIONS ROUTES, "t.yaml:1:1: the key \"listeners\" is missing: write listeners: "
					   "[{ name: lan, address: \"0.0.0.0:25\" }]"},
	{HOST LISTENERS DESTINATIONS ROUTES, "t.yaml:1:1: the key \"clients\" is missing: write clients: [{ "
					     "name: printers, networks: [10.20.0.0/16] }]"},
	{HOST LISTENERS CLIENTS ROUTES,
	 "t.yaml:1:1: the key \"destinations\" is missing: write destinations: [{ name: office365, hosts: "
	 "[\"mail.example.org:25\"] }]"},
	{HOST LISTENERS CLIENTS DESTINATIONS,
	 "t.yaml:1:1: the key \"routes\" is missing: write routes: [{ destination: office365 }]"},
	{"listeners: [{ address: \"127.0.0.1:25\" }]\n" HOST CLIENTS DESTINATIONS ROUTES,
	 "t.yaml:1:13: the key \"name\" is missing: write name: lan"},
	{"listeners: [{ name: lan }]\n" HOST CLIENTS DESTINATIONS ROUTES,
	 "t.yaml:1:13: the key \"address\" is missing: write address: \"0.0.0.0:25\""},
	{"clients: [{ name: all }]\n" HOST LISTENERS DESTINATIONS ROUTES,
	 "t.yaml:1:11: the key \"networks\" is missing: write networks: [10.20.0.0/16], or users, certificates, "
	 "devices or "
	 "listeners"},
	{"destinations: [{ name: next }]\n" HOST LISTENERS CLIENTS ROUTES,
	 "t.yaml:1:16: the key \"hosts\" is missing: write hosts: [\"mail.example.org:25\"]"},
	{"routes: [{ recipient: \"*@example.org\" }]\n" HOST LISTENERS CLIENTS DESTINATIONS,
	 "t.yaml:1:10: the key \"destination\" is missing: write destination: office365"},
	/* Not in this version. */
	{"control: on\n" ALL,
	 "t.yaml:1:10: control: write a mapping, as in control: { socket: /run/postrider/control.sock }"},
	{"control: { group: mail }\n" ALL, "t.yaml:1:10: the key \"socket\" is missing: write control: { socket: "
					   "/run/postrider/control.sock }"},
	{"control: { socket: /run/c, http: 127.0.0.1:80 }\n" ALL,
	 "t.yaml:1:34: http: write a mapping, as in http: { address: \"127.0.0.1:6525\", users_file: operators }"},
	{"tls: { certificate: relay.crt, private_key: relay.key }\n" ALL,
	 "t.yaml:1:8: unknown key \"certificate\"; did you mean \"certificates\"?"},
	{"listeners:\n  - { name: lan, address: \"0.0.0.0:25\", tls: offered }\n" HOST CLIENTS DESTINATIONS ROUTES,
	 "t.yaml:2:46: tls: the listener \"lan\" needs a certificate: write, beside \"listeners\", tls: { "
	 "certificates: [{ "
	 "certificate: relay.crt, private_key: relay.key }] }"},
	{"listeners: [{ name: lan, address: \"0.0.0.0:25\", auth: required }]\n" HOST CLIENTS DESTINATIONS ROUTES,
	 "t.yaml:1:55: auth: there is nobody who may sign in: write users_file: users, and make its lines with "
	 "`postrider "
	 "hash NAME`"},
	{"listeners: [{ name: lan, address: \"0.0.0.0:25\", auth_in_clear: true }]\n" HOST CLIENTS DESTINATIONS ROUTES,
	 "t.yaml:1:64: auth_in_clear: nobody signs in at this listener: write auth: offered beside it"},
	{"users_file: /nowhere/users\n" HOST LISTENERS CLIENTS DESTINATIONS ROUTES,
	 "t.yaml:1:13: users_file: /nowhere/users: No such file or directory"},
	{"clients: [{ name: apps, users_file: users }]\n" HOST LISTENERS DESTINATIONS ROUTES,
	 "t.yaml:1:25: unknown key \"users_file\": the keys here are name, networks, networks_file, limits, from, "
	 "users, "
	 "listeners, certificates, devices, profile, allowed_senders, allowed_recipients, weight, priority, syntax, "
	 "owner, default_domain, "
	 "line_endings, long_lines, add_missing_headers, remove_headers, add_headers, archive, suppression"},
	{"clients: [{ name: apps, users: [\"*\"] }]\n" HOST LISTENERS DESTINATIONS ROUTES,
	 "t.yaml:1:32: users: there is nobody who may sign in: write users_file: users at the top"},
	{"clients: [{ name: apps, listeners: [lam] }]\n" HOST LISTENERS DESTINATIONS ROUTES,
	 "t.yaml:1:36: listeners: there is no listener \"lam\""},
	{"clients: [{ name: apps, users: [\"a*\", \"*b\"] }]\n" HOST LISTENERS DESTINATIONS ROUTES,
	 "t.yaml:1:39: users: a user's name begins with *, which stands for many: write names of users_file, "
	 "\"*@example.org\", or \"*\" for all of them"},
	{"clients: [{ name: apps, networks: [10.0.0.0/8], allowed_senders: [joe] }]\n" HOST LISTENERS DESTINATIONS
		 ROUTES,
	 "t.yaml:1:67: allowed_senders: \"joe\" is no pattern: write \"*@example.org\", \"local@example.org\", "
	 "\"*@*.example.org\" or \"<>\""},
	{"clients: [{ name: apps, certificates: [\"sha256:12\"] }]\n" HOST LISTENERS DESTINATIONS ROUTES,
	 "t.yaml:1:40: certificates: write sha256: and 64 hexadecimal digits"},
	{"clients: [{ name: a, networks: [\"::1\"], line_endings: lf }]\n" HOST LISTENERS DESTINATIONS ROUTES,
	 "t.yaml:1:55: line_endings: unknown value \"lf\": write one of reject, normalize, any"},
	{"clients: [{ name: a, networks: [\"::1\"], long_lines: 998 }]\n" HOST LISTENERS DESTINATIONS ROUTES,
	 "t.yaml:1:53: long_lines: unknown value \"998\": write one of keep, wrap"},
	{"clients: [{ name: a, networks: [\"::1\"], limits: { messages_per_minut: 60 } }]\n" HOST LISTENERS DESTINATIONS
		 ROUTES,
	 "t.yaml:1:51: unknown key \"messages_per_minut\"; did you mean \"messages_per_minute\"?"},
	{"destinations: [{ name: internet, mx: true, hosts: [\"a:25\"] }]\n" HOST LISTENERS CLIENTS ROUTES,
	 "t.yaml:1:38: mx: mail goes to whatever hosts recipients' domains name: remove \"hosts\", or this"},
	{"destinations: [{ name: internet, mx: true, fallback: next }, { name: next, hosts: [\"a:25\"] }]\n" HOST
		 LISTENERS CLIENTS ROUTES,
	 "t.yaml:1:38: mx: mail goes to whatever hosts recipients' domains name: remove \"fallback\", or this"},
	{"destinations: [{ name: internet, mx: true, tls: { server_name: a.example.org } }]\n" HOST LISTENERS CLIENTS
		 ROUTES,
	 "t.yaml:1:64: server_name: there is not one for all hosts of mx: true: remove it"},
	{"destinations: [{ name: internet, mx: true, limits: { recipients_per_day: 5 } }]\n" HOST LISTENERS CLIENTS
		 ROUTES,
	 "t.yaml:1:74: recipients_per_day: not with mx: true in this version: remove it"},
	{"destinations: [{ name: next, hosts: [\"a:25\"], mx_port: 26 }]\n" HOST LISTENERS CLIENTS ROUTES,
	 "t.yaml:1:56: mx_port: without effect here: it is for mx: true"},
	{"dns: { trust_anchor: /etc/hosts }\n" ALL,
	 "t.yaml:1:22: trust_anchor: without effect here: write dnssec: validate, or remove it"},
	{"dns: { dnssec: yes }\n" ALL, "t.yaml:1:16: dnssec: unknown value \"yes\": write one of off, validate"},
	{"destinations: [{ name: next, hosts: [\"a:25\"], tls: { mode: required, fingerprints: [\"sha256:12\"] } "
	 "}]\n" HOST LISTENERS CLIENTS ROUTES,
	 "t.yaml:1:85: fingerprints: write sha256: and 64 hexadecimal digits"},
	{"destinations: [{ name: next, hosts: [\"a:25\"], tls: { mode: opportunistic, fingerprints: [\"sha256:" DIGITS
	 "\"] } }]\n" HOST LISTENERS CLIENTS ROUTES,
	 "t.yaml:1:89: fingerprints: without effect in this mode: write mode: verify, or remove it"},
	{"destinations: [{ name: next, hosts: [\"a:25\"], tls: { ca_file: /etc/passwd, fingerprints: [\"sha256:" DIGITS
	 "\"] } }]\n" HOST LISTENERS CLIENTS ROUTES,
	 "t.yaml:1:63: ca_file: without effect beside fingerprints, which no authority vouches for: remove the one or "
	 "the other"},
	{"destinations: [{ name: next, hosts: [\"a:25\"], tls: { fingerprints: [] } }]\n" HOST LISTENERS CLIENTS ROUTES,
	 "t.yaml:1:68: fingerprints: the list is empty: write at least one, as in [\"sha256:...\"] of a certificate or "
	 "its key"},
	{"destinations: [{ name: next, hosts: [\"a:25\"], tls: { mode: opportunistic },\n  auth: { user: joe, "
	 "password_file: /etc/passwd } }]\n" HOST LISTENERS CLIENTS ROUTES,
	 "t.yaml:2:9: auth: a password is only given to a host whose name TLS has verified: write tls: { mode: verify "
	 "}; "
	 "its ca_file may be the host's own certificate"},
	{"destinations: [{ name: next, hosts: [\"a:25\"], tls: { mode: dane } }]\n" HOST LISTENERS CLIENTS ROUTES,
	 "t.yaml:1:60: mode: dane needs answers of the DNS that are proven: write dns: { dnssec: validate } as well"},
	{"destinations: [{ name: next, hosts: [\"a:25\"], tls: { mode: opportunistic, mta_sts: true } }]\n" HOST
		 LISTENERS CLIENTS ROUTES,
	 "t.yaml:1:84: mta_sts: hosts belong to no domain that could have a policy: write mx_of: DOMAIN instead of "
	 "hosts, or remove it"},
	{"destinations: [{ name: next, mx_of: a.example, tls: { mode: none, mta_sts: true } }]\n" HOST LISTENERS CLIENTS
		 ROUTES,
	 "t.yaml:1:76: mta_sts: without effect in this mode: write mode: opportunistic, or remove it"},
	{"destinations: [{ name: next, hosts: [\"a:25\"], tls: { mode: dane, ca_file: /etc/passwd } }]\n"
	 "dns: { dnssec: validate }\n" HOST LISTENERS CLIENTS ROUTES,
	 "t.yaml:1:75: ca_file: without effect in this mode: the DNS says whose certificate it must be; remove it, or "
	 "write mode: verify"},
	{"destinations: [{ name: next, hosts: [\"192.0.2.1:25\"], tls: { mode: dane } }]\ndns: { dnssec: validate "
	 "}\n" HOST LISTENERS CLIENTS ROUTES,
	 "t.yaml:1:38: hosts: \"192.0.2.1:25\" has no name that DANE could look for: write its name, or another mode"},
	{"destinations: [{ name: next, hosts: [\"a:25\"], auth: { mechanism: login } }]\n" HOST LISTENERS CLIENTS
		 ROUTES,
	 "t.yaml:1:53: auth: write user: NAME, or mailboxes beside it"},
	{"destinations: [{ name: next, hosts: [\"a:25\"], auth: { user: joe } }]\n" HOST LISTENERS CLIENTS ROUTES,
	 "t.yaml:1:53: auth: write password_file: FILE, or oauth beside it; a password never stands in this file "
	 "itself"},
	{"destinations: [{ name: next, hosts: [\"a:25\"], auth: { user: joe, password: secret } }]\n" HOST LISTENERS
		 CLIENTS ROUTES,
	 "t.yaml:1:66: unknown key \"password\": the keys here are mechanism, user, password_file"},
	{"destinations: [{ name: next, hosts: [\"a:25\"], auth: { mechanism: xoauth2 } }]\n" HOST LISTENERS CLIENTS
		 ROUTES,
	 "t.yaml:1:53: auth: write user: NAME, or mailboxes beside it"},
	{"destinations: [{ name: next, hosts: [\"a:25\"], auth: { mechanism: xoauth2, user: joe, password_file: "
	 "/etc/passwd } }]\n" HOST LISTENERS CLIENTS ROUTES,
	 "t.yaml:1:53: auth: xoauth2 and oauthbearer take tokens, no passwords: write plain or login, or oauth instead "
	 "of the password"},
	{"destinations: [{ name: next, hosts: [\"a:25\"], auth: { mechanism: cram-md5 } }]\n" HOST LISTENERS CLIENTS
		 ROUTES,
	 "t.yaml:1:66: mechanism: unknown value \"cram-md5\": write one of plain, login, xoauth2, oauthbearer"},
	{"destinations: [{ name: next, hosts: [\"a:25\"], auth: { mechanism: [login, login] } }]\n" HOST LISTENERS
		 CLIENTS ROUTES,
	 "t.yaml:1:74: mechanism: the same twice"},
	{"destinations: [{ name: next, hosts: [\"a:25\"], auth: { user: \"a\tb\" } }]\n" HOST LISTENERS CLIENTS ROUTES,
	 "t.yaml:1:61: user: has a control character in it"},
	{"destinations: [{ name: next, hosts: [\"a:25\"], auth: { user: joe, password_file: /nowhere/p } }]\n" HOST
		 LISTENERS CLIENTS ROUTES,
	 "t.yaml:1:81: password_file: /nowhere/p: No such file or directory"},
	{"destinations: [{ name: next, hosts: [\"a:25\"], auth: { user: joe, password_file: $CREDENTIALS_DIRECTORY/a/b "
	 "} }]\n" HOST LISTENERS CLIENTS ROUTES,
	 "t.yaml:1:81: password_file: write $CREDENTIALS_DIRECTORY/NAME, as in LoadCredential=NAME:PATH"},
	{"destinations: [{ name: next, hosts: [\"a:25\"], tls: { mode: required }, auth: { user: joe, password_file: "
	 "/etc/passwd } }]\n" HOST LISTENERS CLIENTS ROUTES,
	 "t.yaml:1:78: auth: a password is only given to a host whose name TLS has verified: write tls: { mode: verify "
	 "}; its ca_file may be the host's own certificate"},
	{"destinations: [{ name: next, hosts: [\"a:25\"], tls: { mode: none }, mailboxes: [{ user: joe, password_file: "
	 "/etc/passwd }] }]\n" HOST LISTENERS CLIENTS ROUTES,
	 "t.yaml:1:79: mailboxes: a password is only given to a host whose name TLS has verified: write tls: { mode: "
	 "verify }; its ca_file may be the host's own certificate"},
	{"destinations: [{ name: next, hosts: [\"a:25\"], mailboxes: [{ user: joe }] }]\n" HOST LISTENERS CLIENTS
		 ROUTES,
	 "t.yaml:1:58: mailboxes: \"joe\" has nothing to sign in with: write password_file: FILE beside its user, or "
	 "oauth for all of them"},
	{"destinations: [{ name: next, hosts: [\"a:25\"], mailboxes: [{ user: joe }, { user: joe }] }]\n" HOST LISTENERS
		 CLIENTS ROUTES,
	 "t.yaml:1:74: mailboxes: \"joe\" is there twice"},
	{"destinations: [{ name: next, hosts: [\"a:25\"], auth: { user: joe }, mailboxes: [{ user: jim, password_file: "
	 "/etc/passwd }] }]\n" HOST LISTENERS CLIENTS ROUTES,
	 "t.yaml:1:53: auth: its user is one of the mailboxes: write it there"},
	{"destinations: [{ name: next, hosts: [\"a:25\"], pacing: steady }]\n" HOST LISTENERS CLIENTS ROUTES,
	 "t.yaml:1:55: pacing: unknown value \"steady\": write one of even, burst"},
	{"destinations: [{ name: next, hosts: [\"a:25\"], limits: { recipients_per_day: 10000000000 } }]\n" HOST
		 LISTENERS CLIENTS ROUTES,
	 "t.yaml:1:77: recipients_per_day: 10000000000 is out of range: write a number from 0 to 100000000"},
	{"retry: { warn_after: 4h }\n" ALL, "t.yaml:1:10: warn_after: not available in this version; remove it"},
	/* Values. */
	{"hostname: relay\n" LISTENERS CLIENTS DESTINATIONS ROUTES,
	 "t.yaml:1:11: hostname: \"relay\" is no fully qualified name: write one as in relay.example.org"},
	{"hostname: 10.0.0.1\n" LISTENERS CLIENTS DESTINATIONS ROUTES,
	 "t.yaml:1:11: hostname: \"10.0.0.1\" is no fully qualified name: write one as in relay.example.org"},
	{"hostname:\n" LISTENERS CLIENTS DESTINATIONS ROUTES,
	 "t.yaml:1:10: hostname: the value is missing: write one or remove the key"},
	{"hostname: ~\n" LISTENERS CLIENTS DESTINATIONS ROUTES,
	 "t.yaml:1:11: hostname: the value is missing: write one or remove the key"},
	{"hostname: [a, b]\n" LISTENERS CLIENTS DESTINATIONS ROUTES,
	 "t.yaml:1:11: hostname: write a single value here"},
	{"hostname: \"a.b\\0c\"\n" LISTENERS CLIENTS DESTINATIONS ROUTES,
	 "t.yaml:1:11: hostname: the value contains a NUL octet"},
	{"shards: 65\n" ALL, "t.yaml:1:9: shards: 65 is out of range: write a number from 0 to 64"},
	{"shards: two\n" ALL, "t.yaml:1:9: shards: \"two\" is no number: write one from 0 to 64"},
	{"shards: -1\n" ALL, "t.yaml:1:9: shards: \"-1\" is no number: write one from 0 to 64"},
	{"shards: 010\n" ALL, "t.yaml:1:9: shards: \"010\" is no number: write one from 0 to 64"},
	{"shards: 99999999999999999999\n" ALL,
	 "t.yaml:1:9: shards: 99999999999999999999 is out of range: write a number from 0 to 64"},
	{"spool: /var/lib/postrider\n" ALL,
	 "t.yaml:1:8: spool: write a mapping, as in { directory: /var/lib/postrider }"},
	{"spool: { size_max: 20 }\n" ALL, "t.yaml:1:20: size_max: the unit is missing: write 20MiB, not 20"},
	{"spool: { size_max: 20GB }\n" ALL, "t.yaml:1:20: size_max: write 20GiB, not 20GB"},
	{"spool: { size_max: 20 G }\n" ALL, "t.yaml:1:20: size_max: write 20GiB, not 20 G"},
	{"spool: { size_max: 20XB }\n" ALL,
	 "t.yaml:1:20: size_max: \"20XB\" has an unknown unit: write B, KiB, MiB, GiB or TiB, as in 20GiB"},
	{"spool: { size_max: 1.5GiB }\n" ALL, "t.yaml:1:20: size_max: \"1.5GiB\" is no size: write a whole "
					      "number and B, KiB, MiB, GiB or TiB, as in 20GiB"},
	{"spool: { size_max: 99999999999TiB }\n" ALL,
	 "t.yaml:1:20: size_max: 99999999999TiB is out of range: write 16MiB to 1024TiB"},
	{"spool: { size_max: 99999999999999999999MiB }\n" ALL,
	 "t.yaml:1:20: size_max: 99999999999999999999MiB is out of range: write 16MiB to 1024TiB"},
	{"spool: { size_max: 1MiB }\n" ALL, "t.yaml:1:20: size_max: 1MiB is out of range: write 16MiB to 1024TiB"},
	{"spool: { message_size_max: 0 }\n" ALL,
	 "t.yaml:1:28: message_size_max: 0 is out of range: write 1KiB to 1GiB"},
	{"spool: { memory_max: 1MiB }\n" ALL, "t.yaml:1:22: memory_max: 1MiB is out of range: write 16MiB to 1TiB"},
	{"retry: { first: 30 }\n" ALL, "t.yaml:1:17: first: the unit is missing: write 30s, not 30"},
	{"retry: { first: 30 sec }\n" ALL, "t.yaml:1:17: first: write 30s, not 30 sec"},
	{"retry: { first: 30min }\n" ALL, "t.yaml:1:17: first: write 30m, not 30min"},
	{"retry: { first: 2w }\n" ALL,
	 "t.yaml:1:17: first: \"2w\" has an unknown unit: write ms, s, m, h or d, as in 30s"},
	{"retry: { first: soon }\n" ALL,
	 "t.yaml:1:17: first: \"soon\" is no duration: write a whole number and ms, s, m, h or d, as in 30s"},
	{"retry: { first: -30s }\n" ALL,
	 "t.yaml:1:17: first: \"-30s\" is no duration: write a whole number and ms, s, m, h or d, as in 30s"},
	{"retry: { first: 0 }\n" ALL, "t.yaml:1:17: first: 0 is out of range: write 10ms to 1d"},
	{"retry: { expire: 300000000000d }\n" ALL,
	 "t.yaml:1:18: expire: 300000000000d is out of range: write 10ms to 30d"},
	{"retry: { factor: 0.5 }\n" ALL,
	 "t.yaml:1:18: factor: \"0.5\" is no factor: write a number from 1 to 10, as in 1.5"},
	{"retry: { factor: two }\n" ALL,
	 "t.yaml:1:18: factor: \"two\" is no factor: write a number from 1 to 10, as in 1.5"},
	{"timeouts: { command: 2h }\n" ALL, "t.yaml:1:22: command: 2h is out of range: write 10ms to 1h"},
	{"log: { sessions: maybe }\n" ALL, "t.yaml:1:18: sessions: \"maybe\" is neither true nor false"},
	{"limits: { connections: 0 }\n" ALL,
	 "t.yaml:1:24: connections: 0 is out of range: write a number from 1 to 100000"},
	{"limits: { connections: 100001 }\n" ALL,
	 "t.yaml:1:24: connections: 100001 is out of range: write a number from 1 to 100000"},
	{"limits: { recipients_per_message: 1001 }\n" ALL,
	 "t.yaml:1:35: recipients_per_message: 1001 is out of range: write a number from 1 to 1000"},
	/* Listeners and clients. */
	{"listeners: []\n" HOST CLIENTS DESTINATIONS ROUTES,
	 "t.yaml:1:12: listeners: the list is empty: write at least one, as in listeners: [{ name: lan, "
	 "address: \"0.0.0.0:25\" }]"},
	{"listeners: lan\n" HOST CLIENTS DESTINATIONS ROUTES,
	 "t.yaml:1:12: listeners: write a list, as in listeners: [{ name: lan, address: \"0.0.0.0:25\" }]"},
	{"listeners: [lan]\n" HOST CLIENTS DESTINATIONS ROUTES,
	 "t.yaml:1:13: listeners: write a mapping, as in { name: lan, address: \"0.0.0.0:25\" }"},
	{"listeners: [{ name: \"my lan\", address: \"127.0.0.1:25\" }]\n" HOST CLIENTS DESTINATIONS ROUTES,
	 "t.yaml:1:21: name: \"my lan\" is no name: write 1 to 64 letters, digits, dots, hyphens or "
	 "underscores"},
	{"listeners: [{ name: lan, address: \"127.0.0.1:25\", tls: offred }]\n" HOST CLIENTS DESTINATIONS ROUTES,
	 "t.yaml:1:56: tls: unknown value \"offred\"; did you mean \"offered\"?"},
	{"listeners: [{ name: lan, address: \"127.0.0.1:25\", tls: sometimes }]\n" HOST CLIENTS DESTINATIONS ROUTES,
	 "t.yaml:1:56: tls: unknown value \"sometimes\": write one of off, offered, required, implicit"},
	{"listeners: [{ name: lan, address: \"127.0.0.1\" }]\n" HOST CLIENTS DESTINATIONS ROUTES,
	 "t.yaml:1:35: address: \"127.0.0.1\" lacks a port: write host:port, as in 127.0.0.1:25"},
	{"listeners: [{ name: lan, address: \"127.0.0.1:65536\" }]\n" HOST CLIENTS DESTINATIONS ROUTES,
	 "t.yaml:1:35: address: \"65536\" is no port: write a number from 1 to 65535"},
	{"listeners: [{ name: lan, address: \"::1:25\" }]\n" HOST CLIENTS DESTINATIONS ROUTES,
	 "t.yaml:1:35: address: \"::1:25\": write an IPv6 address in brackets, as in [::1]:25"},
	{"listeners: [{ name: lan, address: \"localhost:25\" }]\n" HOST CLIENTS DESTINATIONS ROUTES,
	 "t.yaml:1:35: address: \"localhost:25\" is no numeric address: write IPv4:port or [IPv6]:port, as "
	 "in 0.0.0.0:25 or [::]:25"},
	{"listeners:\n  - { name: lan, address: \"127.0.0.1:25\" }\n  - { name: lan, address: "
	 "\"127.0.0.1:26\" }\n" HOST CLIENTS DESTINATIONS ROUTES,
	 "t.yaml:3:13: duplicate name \"lan\": each needs its own"},
	{"listeners:\n  - { name: lan, address: \"127.0.0.1:25\" }\n  - { name: dmz, address: "
	 "\"127.0.0.1:25\" }\n" HOST CLIENTS DESTINATIONS ROUTES,
	 "t.yaml:3:27: address: 127.0.0.1:25 already belongs to the listener \"lan\""},
	{"clients: []\n" HOST LISTENERS DESTINATIONS ROUTES,
	 "t.yaml:1:10: clients: the list is empty: write at least one, as in clients: [{ name: printers, "
	 "networks: [10.20.0.0/16] }]"},
	{"clients: [{ name: a, networks: [] }]\n" HOST LISTENERS DESTINATIONS ROUTES,
	 "t.yaml:1:32: networks: the list is empty: write at least one, as in [10.20.0.0/16]"},
	{"clients: [{ name: a, networks: [10.20.0.1/16] }]\n" HOST LISTENERS DESTINATIONS ROUTES,
	 "t.yaml:1:33: networks: \"10.20.0.1/16\" has bits set beyond its prefix: write 10.20.0.0/16 for the "
	 "network or 10.20.0.1 for the one address"},
	{"clients: [{ name: a, networks: [10.20.0.0/33] }]\n" HOST LISTENERS DESTINATIONS ROUTES,
	 "t.yaml:1:33: networks: \"10.20.0.0/33\": write a prefix from 0 to 32 after the /"},
	{"clients: [{ name: a, networks: [10.0.0.0/8], syntax: lax }]\n" HOST LISTENERS DESTINATIONS ROUTES,
	 "t.yaml:1:54: syntax: unknown value \"lax\": write one of tolerant, strict"},
	{"clients: [{ name: a, networks: [10.0.0.0/8], default_domain: example }]\n" HOST LISTENERS DESTINATIONS ROUTES,
	 "t.yaml:1:62: default_domain: \"example\" is no fully qualified name: write one as in relay.example.org"},
	{"clients: [{ name: a, networks: [printers] }]\n" HOST LISTENERS DESTINATIONS ROUTES,
	 "t.yaml:1:33: networks: \"printers\" is no network: write a network such as 10.20.0.0/16 or "
	 "2001:db8::/32"},
	{"clients: [{ name: a, networks: [\"2001:db8::1/32\"] }]\n" HOST LISTENERS DESTINATIONS ROUTES,
	 "t.yaml:1:33: networks: \"2001:db8::1/32\" has bits set beyond its prefix: write 2001:db8::/32 for "
	 "the network or 2001:db8::1 for the one address"},
	{"clients:\n  - { name: a, networks: [\"::1\"] }\n  - { name: a, networks: [\"::2\"] }\n" HOST LISTENERS
		 DESTINATIONS ROUTES,
	 "t.yaml:3:13: duplicate name \"a\": each needs its own"},
	{"clients: [{ name: a, networks: [\"::1\"], limits: { connections: 100001 } }]\n" HOST LISTENERS DESTINATIONS
		 ROUTES,
	 "t.yaml:1:64: connections: 100001 is out of range: write a number from 0 to 100000"},
	/* Destinations. */
	{"destinations: [{ name: next, hosts: [] }]\n" HOST LISTENERS CLIENTS ROUTES,
	 "t.yaml:1:37: hosts: the list is empty: write at least one, as in [\"mail.example.org:25\"]"},
	{"destinations: [{ name: next, hosts: \"mail.example.org:25\" }]\n" HOST LISTENERS CLIENTS ROUTES,
	 "t.yaml:1:37: hosts: write a list, as in [\"mail.example.org:25\"]"},
	{"destinations: [{ name: next, hosts: [mail.example.org] }]\n" HOST LISTENERS CLIENTS ROUTES,
	 "t.yaml:1:38: hosts: \"mail.example.org\" lacks a port: write host:port, as in mail.example.org:25"},
	{"destinations: [{ name: next, hosts: [\"mail.example.org:smtp\"] }]\n" HOST LISTENERS CLIENTS ROUTES,
	 "t.yaml:1:38: hosts: \"smtp\" is no port: write a number from 1 to 65535"},
	{"destinations: [{ name: next, hosts: [\"10.0.0.300:25\"] }]\n" HOST LISTENERS CLIENTS ROUTES,
	 "t.yaml:1:38: hosts: \"10.0.0.300\" is no valid address"},
	{"destinations: [{ name: next, hosts: [\"[mail.example.org]:25\"] }]\n" HOST LISTENERS CLIENTS ROUTES,
	 "t.yaml:1:38: hosts: \"[mail.example.org]:25\" is no address: write [IPv6]:port, as in [::1]:25"},
	{"destinations: [{ name: next, hosts: [\"mail..example.org:25\"] }]\n" HOST LISTENERS CLIENTS ROUTES,
	 "t.yaml:1:38: hosts: \"mail..example.org\" is no host name: write letters, digits, hyphens and "
	 "dots"},
	{"destinations: [{ name: next, hosts: [\"a:25\", \"b:25\", \"A:25\"] }]\n" HOST LISTENERS CLIENTS ROUTES,
	 "t.yaml:1:54: hosts: duplicate host \"A:25\""},
	{"destinations:\n  - { name: next, hosts: [\"a:25\"] }\n  - { name: next, hosts: [\"b:25\"] }\n" HOST LISTENERS
		 CLIENTS ROUTES,
	 "t.yaml:3:13: duplicate name \"next\": each needs its own"},
	{"destinations: [{ name: next, hosts: [\"a:25\"], tls: required }]\n" HOST LISTENERS CLIENTS ROUTES,
	 "t.yaml:1:52: tls: write a mapping, as in { mode: verify }"},
	{"destinations: [{ name: next, hosts: [\"a:25\"], tls: { mode: verfy } }]\n" HOST LISTENERS CLIENTS ROUTES,
	 "t.yaml:1:60: mode: unknown value \"verfy\"; did you mean \"verify\"?"},
	{"destinations: [{ name: next, hosts: [\"a:25\"], tls: { mode: off } }]\n" HOST LISTENERS CLIENTS ROUTES,
	 "t.yaml:1:60: mode: unknown value \"off\": write one of none, opportunistic, required, verify, dane"},
	{"destinations: [{ name: next, hosts: [\"a:25\", \"10.0.0.1:25\"] }]\n" HOST LISTENERS CLIENTS ROUTES,
	 "t.yaml:1:46: hosts: \"10.0.0.1:25\" has no name that TLS could verify: write tls: { server_name: "
	 "mail.example.org }, or fingerprints, or another mode"},
	{"destinations: [{ name: next, hosts: [\"[::1]:25\"], tls: { mode: verify } }]\n" HOST LISTENERS CLIENTS ROUTES,
	 "t.yaml:1:38: hosts: \"[::1]:25\" has no name that TLS could verify: write tls: { server_name: "
	 "mail.example.org }, or fingerprints, or another mode"},
	{"destinations: [{ name: next, hosts: [\"a:25\"], tls: { server_name: 10.0.0.1 } }]\n" HOST LISTENERS CLIENTS
		 ROUTES,
	 "t.yaml:1:67: server_name: \"10.0.0.1\" is no host name: write one as in mail.example.org"},
	{"destinations: [{ name: next, hosts: [\"a:25\"], tls: { mode: none, server_name: b } }]\n" HOST LISTENERS
		 CLIENTS ROUTES,
	 "t.yaml:1:79: server_name: without effect in this mode: write mode: required or verify, or remove "
	 "it"},
	{"destinations: [{ name: next, hosts: [\"a:25\"], tls: { mode: none, implicit: true } }]\n" HOST LISTENERS
		 CLIENTS ROUTES,
	 "t.yaml:1:76: implicit: without effect in this mode: write mode: required or verify, or remove it"},
	{"destinations: [{ name: next, hosts: [\"a:25\"], tls: { mode: required, ca_file: /dev/null } "
	 "}]\n" HOST LISTENERS CLIENTS ROUTES,
	 "t.yaml:1:79: ca_file: /dev/null is not a regular file"},
	{"destinations: [{ name: next, hosts: [\"a:25\"], tls: { mode: required, ca_file: /etc/passwd } "
	 "}]\n" HOST LISTENERS CLIENTS ROUTES,
	 "t.yaml:1:79: ca_file: without effect in this mode: write mode: verify, or remove it"},
	{"destinations: [{ name: next, hosts: [\"a.b:25\"], oauth: { command: [/bin/true] } }]\n" HOST LISTENERS CLIENTS
		 ROUTES,
	 "t.yaml:1:56: oauth: nobody signs in with it: write mailboxes: [{ user: scan1@example.org }]"},
	{"destinations: [{ name: next, hosts: [\"a:25\"], tls: { ca_file: no-such-file.pem } }]\n" HOST LISTENERS
		 CLIENTS ROUTES,
	 "t.yaml:1:63: ca_file: no-such-file.pem: No such file or directory"},
	{"destinations: [{ name: next, hosts: [\"a:25\"], tls: { certificate: /etc/passwd } }]\n" HOST LISTENERS CLIENTS
		 ROUTES,
	 "t.yaml:1:67: certificate: its key is missing: write private_key: relay.key"},
	{"destinations: [{ name: next, hosts: [\"a:25\"], tls: { private_key: /etc/passwd } }]\n" HOST LISTENERS CLIENTS
		 ROUTES,
	 "t.yaml:1:67: private_key: its certificate is missing: write certificate: relay.crt"},
	{"destinations: [{ name: next, hosts: [\"a:25\"], limits: { messages_in_flight: 0 } }]\n" HOST LISTENERS CLIENTS
		 ROUTES,
	 "t.yaml:1:77: messages_in_flight: 0 is out of range: write a number from 1 to 4096"},
	{"destinations: [{ name: next, hosts: [\"a:25\"], limits: { messages_in_flight: 4097 } }]\n" HOST LISTENERS
		 CLIENTS ROUTES,
	 "t.yaml:1:77: messages_in_flight: 4097 is out of range: write a number from 1 to 4096"},
	{"destinations: [{ name: next, hosts: [\"a:25\"], limits: { connections: 0 } }]\n" HOST LISTENERS CLIENTS
		 ROUTES,
	 "t.yaml:1:70: connections: 0 is out of range: write a number from 1 to 100000"},
	{"destinations: [{ name: next, hosts: [\"a:25\"], idle_timeout: 2h }]\n" HOST LISTENERS CLIENTS ROUTES,
	 "t.yaml:1:61: idle_timeout: 2h is out of range: write 10ms to 1h"},
	{"destinations: [{ name: next, hosts: [\"a:25\"], ignore_extensions: CHUNKING }]\n" HOST LISTENERS CLIENTS
		 ROUTES,
	 "t.yaml:1:66: ignore_extensions: write a list, as in [CHUNKING]"},
	{"destinations: [{ name: next, hosts: [\"a:25\"], ignore_extensions: [CHUNKNG] }]\n" HOST LISTENERS CLIENTS
		 ROUTES,
	 "t.yaml:1:67: ignore_extensions: unknown value \"CHUNKNG\"; did you mean \"CHUNKING\"?"},
	{"destinations: [{ name: next, hosts: [\"a:25\"], ignore_extensions: [STARTTLS] }]\n" HOST LISTENERS CLIENTS
		 ROUTES,
	 "t.yaml:1:67: ignore_extensions: whether STARTTLS is used is for tls.mode to say: write tls: { mode: none }"},
	/* Across the file. */
	{"destinations: [{ name: next, hosts: [\"a:25\"], fallback: nxt }, { name: nx, hosts: [\"b:25\"] }]\n" HOST
		 LISTENERS CLIENTS ROUTES,
	 "t.yaml:1:57: fallback: there is no destination \"nxt\"; did you mean \"nx\"?"},
	{"destinations: [{ name: next, hosts: [\"a:25\"], fallback: next }]\n" HOST LISTENERS CLIENTS ROUTES,
	 "t.yaml:1:57: fallback: from \"next\" it leads back to where it began: write another destination, or remove "
	 "it"},
	{"destinations:\n  - { name: next, hosts: [\"a:25\"], fallback: b }\n"
	 "  - { name: b, hosts: [\"a:25\"], fallback: c }\n  - { name: c, hosts: [\"a:25\"], fallback: b }\n" HOST
		 LISTENERS CLIENTS ROUTES,
	 "t.yaml:2:46: fallback: from \"next\" it leads back to where it began: write another destination, or remove "
	 "it"},
	{"destinations: [{ name: next, hosts: [\"a:25\"], fallback: b }, { name: b, hosts: [\"b:25\"], tls: { mode: "
	 "required } "
	 "}]\n" HOST LISTENERS CLIENTS ROUTES,
	 "t.yaml:1:57: fallback: \"b\" has tls.mode: required, which is weaker than the verify that \"next\" demands: "
	 "its "
	 "mail must not go there"},
	{"destinations: [{ name: next, mx_of: a.example, tls: { mode: opportunistic, mta_sts: true }, fallback: b }, "
	 "{ name: b, hosts: [\"b:25\"], tls: { mode: required } }]\n" HOST LISTENERS CLIENTS ROUTES,
	 "t.yaml:1:103: fallback: \"b\" proves nothing that an MTA-STS policy demands, and \"next\" has tls.mta_sts: "
	 "its "
	 "mail must not go there; write mode: verify or mta_sts there"},
	{"destinations:\n  - { name: next, hosts: [\"a:25\"], tls: { mode: verify, fingerprints: [\"sha256:" DIGITS
	 "\"] }, "
	 "fallback: b }\n  - { name: b, hosts: [\"b:25\"] }\n" HOST LISTENERS CLIENTS ROUTES,
	 "t.yaml:2:160: fallback: \"b\" trusts whom everybody trusts, and \"next\" only its fingerprints: its mail "
	 "must "
	 "not go there; write fingerprints or ca_file there"},
	{"destinations:\n  - { name: next, hosts: [\"a:25\"], tls: { mode: verify, ca_file: /etc/passwd }, fallback: b "
	 "}\n"
	 "  - { name: b, hosts: [\"b:25\"], tls: { mode: dane } }\n" HOST LISTENERS CLIENTS ROUTES,
	 "t.yaml:2:91: fallback: \"b\" trusts whom everybody trusts, and \"next\" only its ca_file: its mail must not "
	 "go there; write fingerprints or ca_file there"},
	{"destinations:\n  - { name: next, hosts: [\"a:25\"], fallback: b }\n  - { name: b, mx_of: b.example }\n" HOST
		 LISTENERS CLIENTS ROUTES,
	 "t.yaml:2:46: fallback: \"b\" verifies hosts by names that the DNS gives, which can be forged, and \"next\" "
	 "by "
	 "those it knows: its mail must not go there; write server_name, hosts_end_with or mta_sts there"},
	{"tls_reports: { from: a@example.org }\n" ALL,
	 "t.yaml:1:14: the key \"organization\" is missing: write organization: Example"},
	{"tls_reports: { organization: Example }\n" ALL,
	 "t.yaml:1:14: the key \"from\" is missing: write from: tls-reports@example.org"},
	{"tls_reports: { organization: Example, from: nobody }\n" ALL,
	 "t.yaml:1:45: from: \"nobody\" is no address: write one such as scan@example.org"},
	{"destinations: [{ name: next, hosts: [\"a:25\"], sender: mailbox }]\n" HOST LISTENERS CLIENTS ROUTES,
	 "t.yaml:1:55: sender: nobody signs in here, so there is no mailbox: write auth: { user: scan@example.org, ... "
	 "}, or "
	 "sender: keep"},
	{"destinations: [{ name: next, hosts: [\"a:25\"], sender: mailbox, auth: { mechanism: plain, user: apikey, "
	 "password_file: /etc/passwd } }]\n" HOST LISTENERS CLIENTS ROUTES,
	 "t.yaml:1:55: sender: the user \"apikey\" is no address that mail could come from: write sender: keep"},
	{"destinations: [{ name: next, hosts: [\"a:25\"], sender: match }]\n" HOST LISTENERS CLIENTS ROUTES,
	 "t.yaml:1:55: sender: nobody signs in here, so there is no mailbox: write auth: { user: scan@example.org, ... "
	 "}, or sender: keep"},
	{"clients: [{ name: all, networks: [127.0.0.0/8], from: { rewrite: sometimes } }]\n" HOST LISTENERS DESTINATIONS
		 ROUTES,
	 "t.yaml:1:66: rewrite: unknown value \"sometimes\": write one of destination, always, never"},
	{"clients: [{ name: all, networks: [127.0.0.0/8], from: { name: \"a\\nb\" } }]\n" HOST LISTENERS DESTINATIONS
		 ROUTES,
	 "t.yaml:1:63: name: write keep, or a name of at most 200 octets without control characters"},
	{"routes: [{ destination: nxet }]\n" HOST LISTENERS CLIENTS DESTINATIONS,
	 "t.yaml:1:25: destination: there is no destination \"nxet\"; did you mean \"next\"?"},
	{"routes: [{ destination: elsewhere }]\n" HOST LISTENERS CLIENTS DESTINATIONS,
	 "t.yaml:1:25: destination: there is no destination \"elsewhere\""},
	{"routes:\n  - { destination: next }\n  - { recipient: \"*@example.org\", destination: next }\n" HOST LISTENERS
		 CLIENTS DESTINATIONS,
	 "t.yaml:3:5: this route is never used: the one in line 2 matches everything"},
	{"routes: [{ recipient: \"*\", destination: next }]\n" HOST LISTENERS CLIENTS DESTINATIONS,
	 "t.yaml:1:23: recipient: a route without this key matches every recipient: remove it"},
	{"routes: [{ recipient: example.org, destination: next }]\n" HOST LISTENERS CLIENTS DESTINATIONS,
	 "t.yaml:1:23: recipient: \"example.org\" is no pattern: write \"*@example.org\", "
	 "\"user@example.org\" or \"*@*.example.org\""},
	{"routes: [{ recipient: \"a*@example.org\", destination: next }]\n" HOST LISTENERS CLIENTS DESTINATIONS,
	 "t.yaml:1:23: recipient: \"a*@example.org\" is no pattern: write \"*@example.org\", "
	 "\"user@example.org\" or \"*@*.example.org\""},
	{"routes: [{ recipient: \"a@*.example.org\", destination: next }]\n" HOST LISTENERS CLIENTS DESTINATIONS,
	 "t.yaml:1:23: recipient: \"a@*.example.org\" is no pattern: write \"*@example.org\", "
	 "\"user@example.org\" or \"*@*.example.org\""},
	{"routes:\n  - { recipient: \"*@a.example\", destination: next }\n  - { recipient: \"*@a.example\", "
	 "destination: next }\n" HOST LISTENERS CLIENTS DESTINATIONS,
	 "t.yaml:3:5: this route is never used: the one in line 2 matches all that it does"},
	{"routes:\n  - { sender: \"<>\", destination: next }\n  - { sender: \"<>\", client: all, size: 1MiB, refuse: "
	 "no }\n" HOST LISTENERS CLIENTS DESTINATIONS,
	 "t.yaml:3:5: this route is never used: the one in line 2 matches all that it does"},
	{"routes:\n  - { size: 1MiB, refuse: no }\n  - { size: 2MiB, listener: lan, destination: next }\n" HOST
		 LISTENERS CLIENTS DESTINATIONS,
	 "t.yaml:3:5: this route is never used: the one in line 2 matches all that it does"},
	{"routes: [{ sender: \"*\", destination: next }]\n" HOST LISTENERS CLIENTS DESTINATIONS,
	 "t.yaml:1:20: sender: a route without this key matches every sender: remove it"},
	{"routes: [{ client: al, destination: next }]\n" HOST LISTENERS CLIENTS DESTINATIONS,
	 "t.yaml:1:20: client: there is no client \"al\"; did you mean \"all\"?"},
	{"routes: [{ listener: wan, destination: next }]\n" HOST LISTENERS CLIENTS DESTINATIONS,
	 "t.yaml:1:22: listener: there is no listener \"wan\"; did you mean \"lan\"?"},
	{"routes: [{ refuse: no, destination: next }]\n" HOST LISTENERS CLIENTS DESTINATIONS,
	 "t.yaml:1:37: destination: nothing goes there from a route with refuse: remove one of them"},
	{"routes: [{ refuse: \"a\\nb\" }]\n" HOST LISTENERS CLIENTS DESTINATIONS,
	 "t.yaml:1:20: refuse: write at most 200 characters of ASCII on one line: clients read it in a reply"},
	{"routes: [{ refuse: \"B\xc3\xbcro\" }]\n" HOST LISTENERS CLIENTS DESTINATIONS,
	 "t.yaml:1:20: refuse: write at most 200 characters of ASCII on one line: clients read it in a reply"},
	{"shards: 1\nspool: { size_max: 128MiB }\n" ALL,
	 "t.yaml:2:20: size_max: 128MiB is too little for 1 shard with segments of 64MiB: write at least "
	 "256MiB, or a smaller segment_size"},
	{"shards: 64\nspool: { size_max: 1GiB, segment_size: 16MiB }\n" ALL,
	 "t.yaml:2:20: size_max: 1GiB is too little for 64 shards with segments of 16MiB: write at least "
	 "4GiB, or a smaller segment_size"},
	{"shards: 64\nspool: { segment_size: 1GiB }\n" ALL,
	 "t.yaml:2:8: size_max: 20GiB is too little for 64 shards with segments of 1GiB: write at least "
	 "256GiB, or a smaller segment_size"},
	{"shards: 64\nspool: { memory_max: 512MiB }\n" ALL,
	 "t.yaml:2:22: memory_max: 512MiB is too little for 64 shards: write at least 1GiB, or fewer shards"},
	{"shards: 2\nspool: { memory_max: 16MiB }\n" ALL,
	 "t.yaml:2:22: memory_max: 16MiB is too little for 2 shards: write at least 32MiB, or fewer shards"},
	{"shards: 1\nspool: { size_max: 400MiB, message_size_max: 101MiB }\n" ALL,
	 "t.yaml:2:46: message_size_max: more than a quarter of size_max (400MiB): write at most 100MiB"},
	{"shards: 1\nspool: { segment_size: 4097KiB }\n" ALL,
	 "t.yaml:2:24: segment_size: 4097KiB is not a whole number of MiB"},
	{"retry: { first: 5h }\n" ALL, "t.yaml:1:8: max: 4h is shorter than first (5h): write at least that"},
	{"retry: { first: 1m, max: 30s }\n" ALL,
	 "t.yaml:1:26: max: 30s is shorter than first (1m): write at least that"},
	{"retry: { first: 1h, expire: 10m }\n" ALL,
	 "t.yaml:1:29: expire: 10m is shorter than first (1h): write at least that"},
};

#endif
