/*
 * core/tools/advice.c - see advice.h. Each sentence is the cause of reports that people have written.
 */
#include "core/tools/advice.h"

#include <errno.h>
#include <string.h>
#include <strings.h>
#include <time.h>

static bool ends_with(const char *text, const char *end)
{
	size_t length = strlen(text), tail = strlen(end);

	return length >= tail && strcasecmp(text + length - tail, end) == 0;
}

static bool contains(const char *text, const char *part)
{
	for (; *text != '\0'; text++) {
		if (strncasecmp(text, part, strlen(part)) == 0)
			return true;
	}
	return false;
}

void advise_name(struct ladder *ladder, const char *host, int error)
{
	if (error != -ENOENT) {
		ladder_advise(ladder,
			      "no name server gives an answer: look at /etc/resolv.conf, at `dns: { servers }`, and "
			      "at whether a firewall lets port 53 through");
		return;
	}
	ladder_advise(ladder, "is the name spelled right?");
	if (ends_with(host, ".mail.protection.outlook.com"))
		ladder_advise(ladder,
			      "Microsoft does not make this name from every domain, and domains added since July "
			      "2026 have one under mx.microsoft: take the one that \"dig +short MX yourdomain\" says, "
			      "or the admin center under Settings, Domains.");
}

/* ---- ports -------------------------------------------------------------------------------------------------- */

static void advise_other_ports(struct ladder *ladder, uint16_t port, bool refused, const uint16_t *ports,
			       const bool *open, size_t count)
{
	char list[64] = "";
	bool implicit = false;
	size_t length = 0;

	for (size_t i = 0; i < count; i++) {
		if (!open[i])
			continue;
		length += (size_t)snprintf(list + length, sizeof(list) - length, "%s%u", length ? ", " : "", ports[i]);
		implicit |= ports[i] == 465;
	}
	if (length == 0 && refused)
		return;
	if (length == 0)
		ladder_advise(ladder, "Of the other ports for mail none is open either (25, 465, 587, 2525, 443): this "
				      "machine may reach nothing at all, or the address is wrong.");
	else
		ladder_advise(ladder,
			      "On the same address these can be connected to: %s%s. If the provider takes mail there, "
			      "write that port in place of %u.",
			      list, implicit ? " (465 with TLS from the first octet)" : "", port);
}

void advise_port(struct ladder *ladder, uint16_t port, int error, const uint16_t *ports, const bool *open, size_t count)
{
	switch (-error) {
	case ECONNREFUSED:
		ladder_advise(ladder,
			      "the machine answers, but takes no connections on port %u: a wrong port or host, or a "
			      "firewall that refuses.",
			      port);
		break;
	case ENETUNREACH:
	case EHOSTUNREACH:
		ladder_advise(ladder,
			      "this machine has no way there: look at its routes and its default gateway, and for an "
			      "IPv6 address at whether it has IPv6 at all.");
		return;
	case EACCES:
	case EPERM:
		ladder_advise(ladder,
			      "a rule of this machine itself forbids it: look at its firewall (nft list ruleset) and "
			      "at the service's unit (IPAddressDeny, RestrictAddressFamilies).");
		return;
	default:
		ladder_advise(ladder, "nothing comes back: somebody on the way drops it.");
		if (port == 25)
			ladder_advise(ladder,
				      "Azure, EC2, Google Cloud and most access lines block port 25 outwards: ask for "
				      "it to be opened, or sign in at port 587 instead.");
		else
			ladder_advise(ladder, "Have the firewall let this machine out to port %u.", port);
		break;
	}
	advise_other_ports(ladder, port, error == -ECONNREFUSED, ports, open, count);
}

/* ---- what is said ------------------------------------------------------------------------------------------- */

void advise_silence(struct ladder *ladder, enum stage stage, bool implicit, bool tls_at_once)
{
	if (tls_at_once) {
		ladder_advise(ladder,
			      "this port expects TLS from the first octet, and then says its greeting: set `tls: { "
			      "implicit: true }`, or take port 587.");
		return;
	}
	if (stage == STAGE_GREETING && !implicit)
		ladder_advise(ladder,
			      "it takes the connection and says nothing: a firewall or proxy in between answers for "
			      "the host, or the host looks up this machine's address for long.");
	else
		ladder_advise(ladder,
			      "it falls silent in the middle: a firewall that looks into SMTP, or a host in trouble. "
			      "Try again; if it stays so, ask who runs the network.");
}

/* Who breaks TLS open on the way signs with an authority of his own, and says his name in it. */
static const char *interceptor(const struct tls_certificate_text *shown, size_t count)
{
	static const char *const names[] = {"Fortinet",      "FortiGate",
					    "Zscaler",       "Sophos",
					    "Palo Alto",     "Check Point",
					    "SonicWall",     "Netskope",
					    "WatchGuard",    "Barracuda",
					    "Cisco",         "Untangle",
					    "Kaspersky",     "ESET",
					    "Bitdefender",   "Avast",
					    "Blue Coat",     "Symantec SSL",
					    "McAfee",        "pfSense",
					    "OPNsense",      "Trend Micro",
					    "Forcepoint",    "Smoothwall",
					    "Securly",       "Cloudflare Gateway",
					    "NortonLifeLock"};

	for (size_t c = 0; c < count; c++) {
		for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
			if (contains(shown[c].issuer, names[i]) || contains(shown[c].subject, names[i]))
				return names[i];
		}
	}
	return NULL;
}

static void advise_clock(struct ladder *ladder)
{
	time_t now = time(NULL);
	char text[32] = "";
	struct tm tm;

	strftime(text, sizeof(text), "%Y-%m-%d %H:%M UTC", gmtime_r(&now, &tm));
	ladder_advise(ladder,
		      "this machine takes it to be %s: if that is wrong, set its clock; if it is right, the host has "
		      "to renew its certificate.",
		      text);
}

static void advise_chain(struct ladder *ladder, const struct tls_certificate_text *shown, size_t count)
{
	const char *who = interceptor(shown, count);

	if (who) {
		ladder_advise(
			ladder,
			"the certificate was made by %s, which opens TLS between here and the host: have it leave "
			"this host alone, for the mail and what signs in would pass through it in clear.",
			who);
		return;
	}
	if (count == 1 && strcmp(shown[0].subject, shown[0].issuer) == 0)
		ladder_advise(
			ladder,
			"the host signs for itself: if it is yours, put its certificate into a file and name that "
			"as `ca_file`; if it is a provider's, somebody else answers in its place.");
	else
		ladder_advise(
			ladder,
			"if the host's authority is one of your own, name its certificate as `ca_file`; if it is a "
			"public one, install or renew the package ca-certificates; else somebody answers in the "
			"host's place.");
}

void advise_tls(struct ladder *ladder, const char *problem, bool implicit, const struct tls_certificate_text *shown,
		size_t count)
{
	if (contains(problem, "does not speak TLS") && implicit)
		ladder_advise(ladder,
			      "this port begins in clear and goes over to TLS by STARTTLS: leave out `implicit: true`, "
			      "which is for port 465.");
	else if (contains(problem, "expired") || contains(problem, "not yet valid"))
		advise_clock(ladder);
	else if (contains(problem, "name mismatch"))
		ladder_advise(ladder,
			      "use the name that is in the certificate as host, or, if the host is the right one under "
			      "another name, say that name as `server_name`.");
	else if (contains(problem, "certificate verify failed"))
		advise_chain(ladder, shown, count);
	else if (contains(problem, "no protocol version") || contains(problem, "protocol version"))
		ladder_advise(ladder,
			      "the host speaks only versions of TLS before 1.2, which are broken: have it renewed.");
	else if (contains(problem, "alert") && contains(problem, "certificate"))
		ladder_advise(ladder, "the host looks at the relay's own certificate and does not like it: look at "
				      "`certificate` and at what that host asks for.");
	else
		ladder_advise(
			ladder,
			"a firewall that looks into the connection ends TLS in this way as well: try from another "
			"network to see whose doing it is.");
}

bool advise_rewritten(struct ladder *ladder, const char *text, size_t length)
{
	const char *masks[] = {"XXXXXXX", "*******"};

	for (size_t i = 0; i + 7 <= length; i++) {
		if (memcmp(text + i, masks[0], 7) != 0 && memcmp(text + i, masks[1], 7) != 0)
			continue;
		ladder_advise(
			ladder,
			"a firewall on the way has rewritten this (\"inspect esmtp\" or \"fixup protocol smtp\" of "
			"Cisco, or its kind), and so hides STARTTLS: switch that inspection off for this host.");
		return true;
	}
	return false;
}

void advise_reply(struct ladder *ladder, enum stage stage, unsigned code, const char *text, size_t length)
{
	const struct verdict_fact fact = {stage, code, {text, (uint32_t)length}};
	struct ruling ruling = verdict_judge(&fact, NULL);

	if (ruling.say)
		ladder_advise(ladder, "%s.", ruling.say);
	else if (ruling.verdict == VERDICT_DEFER)
		ladder_advise(ladder, "the host asks to try again later, which the relay does by itself.");
	else
		ladder_advise(ladder, "the text is the host's own reason: ask who runs it, if it does not say enough.");
}
