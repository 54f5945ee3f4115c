/*
 * core/tools/sendmail.c - see sendmail.h.
 *
 * The options come from programs that pass on what others typed (PHP's mail() above all): so none of them names a file
 * that is read or written (-C, -X, -O, -oQ are passed over), and what begins with "-" behind the first recipient is no
 * option. Where the relay listens is for the environment and the configuration to say.
 *
 * All recipients or nobody: a program that is told it did not work sends the whole again.
 */
#include "core/tools/sendmail.h"

#include <ctype.h>
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <jansson.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "core/base/random.h"
#include "core/smtp/address.h"
#include "core/smtp/parameters.h"
#include "core/smtp/utf8.h"
#include "core/tools/aliases.h"
#include "core/tools/hand.h"
#include "core/tools/letter.h"
#include "core/tools/table.h"

enum { WAIT_S = 300, LETTER_MAX = 1 << 30, RECIPIENTS_MOST = 65535, NAME_MAX_OCTETS = 255, FROM_NAME_MAX = 200 };

/* What may work later. Not EX_TEMPFAIL: where sendmail has a queue of its own that means "queued, goes out later", and
 * PHP's mail() takes it for success; nothing is queued here. Whoever tells the two apart (pipe(8) of Postfix) tries
 * again after this one, too. */
enum { NOT_NOW = EX_OSERR };

struct sendmail {
	bool header, no_dots, eight_bit;
	char mode; /* of -b */
	const char *from, *name, *notify, *ret, *envid;
	char domain[NAME_MAX_OCTETS + 1]; /* behind names without one */
	char sender[600];                 /* "": nobody */
	char **recipients;                /* owned, and each */
	size_t count;
	json_t *known;     /* owned: each of them is a key */
	bool many;         /* more than there may be */
	bool wide;         /* an address has octets above 127 */
	const char *wrong; /* an address that is none */
	struct hand hand;
};

static int usage(FILE *out, int status)
{
	fputs("usage: sendmail [-t] [-i] [-f SENDER] [-F NAME] [-N dsn] [-R full|hdrs] [-V ENVID] [RECIPIENT...]\n"
	      "       sendmail -bs        SMTP by standard input and output\n"
	      "       sendmail -bp        the queue (mailq)\n"
	      "       The message is read from standard input, and handed to postrider: POSTRIDER_RELAY=HOST:PORT, or\n"
	      "       the listener of /etc/postrider/postrider.yaml, or " HAND_USUAL ".\n",
	      out);
	return status;
}

__attribute__((format(printf, 2, 3))) static int say(int status, const char *format, ...)
{
	char text[1500];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	fputs("sendmail: ", stderr);
	table_safe(stderr, text);
	fputs("\n", stderr);
	return status;
}

/* ---- who -------------------------------------------------------------------------------------------------------- */

static void find_domain(struct sendmail *s)
{
	FILE *in = fopen("/etc/mailname", "re");

	if (in && fscanf(in, "%255[A-Za-z0-9.-]", s->domain) != 1)
		s->domain[0] = '\0';
	if (in)
		fclose(in);
	if (s->domain[0] == '\0' && (gethostname(s->domain, sizeof(s->domain) - 1) < 0 || s->domain[0] == '\0'))
		snprintf(s->domain, sizeof(s->domain), "localhost");
}

static bool valid(const char *address)
{
	struct span text = span_text(address);
	struct address ignored;

	return utf8_needed(text) ? address_parse_wide(text, SMTP_SYNTAX_TOLERANT, &ignored) == ADDRESS_OK
				 : address_parse(text, SMTP_SYNTAX_TOLERANT, &ignored) == ADDRESS_OK;
}

/* One that is whole, or a name that nobody else stands for. */
static bool add_recipient(void *context, const char *address)
{
	struct sendmail *s = context;
	char *whole = NULL;
	char **more;

	if (asprintf(&whole, strchr(address, '@') ? "%s" : "%s@%s", address, s->domain) < 0)
		return false;
	if (!valid(whole)) {
		s->wrong = whole;
		return false;
	}
	if (json_object_get(s->known, whole)) {
		free(whole);
		return true;
	}
	s->many = s->count == RECIPIENTS_MOST;
	more = s->many ? NULL : realloc(s->recipients, (s->count + 1) * sizeof(*more));
	if (more)
		s->recipients = more;
	if (!more || json_object_set_new_nocheck(s->known, whole, json_true()) < 0) {
		free(whole);
		return false;
	}
	s->recipients[s->count++] = whole;
	s->wide = s->wide || utf8_needed(span_text(whole));
	return true;
}

static bool on_recipient(void *context, const char *address)
{
	const char *file = getenv("POSTRIDER_ALIASES");

	return strchr(address, '@') ? add_recipient(context, address)
				    : aliases_expand(file ? file : ALIASES_USUAL, address, add_recipient, context);
}

static bool on_sender(void *context, const char *address)
{
	struct sendmail *s = context;

	snprintf(s->sender, sizeof(s->sender), strchr(address, '@') ? "%s" : "%s@%s", address, s->domain);
	return true;
}

/* False: it is none. */
static bool find_sender(struct sendmail *s)
{
	const struct passwd *user = s->from ? NULL : getpwuid(getuid());

	if (s->from)
		(void)letter_addresses(s->from, strlen(s->from), on_sender, s);
	else
		(void)on_sender(s, user ? user->pw_name : "nobody");
	s->wide = s->wide || utf8_needed(span_text(s->sender));
	return s->sender[0] == '\0' || valid(s->sender);
}

/* ---- the message ------------------------------------------------------------------------------------------------ */

static char *read_all(size_t *length)
{
	size_t room = 64 << 10, n;
	char *text = malloc(room), *more;

	*length = 0;
	while (text && (n = fread(text + *length, 1, room - *length, stdin)) > 0) {
		*length += n;
		if (*length < room)
			continue;
		more = room < LETTER_MAX ? realloc(text, room *= 2) : NULL;
		if (!more)
			free(text);
		text = more;
	}
	if (text && ferror(stdin)) {
		free(text);
		text = NULL;
	}
	return text;
}

/* RFC 5322 3.3 */
static void format_date(char out[64])
{
	static const char *const days[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
	static const char *const months[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
					     "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
	time_t now = time(NULL);
	char zone[8];
	struct tm tm;

	localtime_r(&now, &tm);
	strftime(zone, sizeof(zone), "%z", &tm);
	snprintf(out, 64, "%s, %d %s %d %02d:%02d:%02d %s", days[tm.tm_wday], tm.tm_mday, months[tm.tm_mon],
		 tm.tm_year + 1900, tm.tm_hour, tm.tm_min, tm.tm_sec, zone);
}

/* A character of a name in quotes, without what would end them; a control is none. Returns how many octets it has. */
static size_t quote(char *out, struct span at, uint32_t octets, bool first)
{
	unsigned char c = (unsigned char)*at.data;
	size_t n = 0;

	if (c < ' ' || c == 0x7f)
		return 0;
	if (first)
		out[n++] = '"';
	if (c == '"' || c == '\\')
		out[n++] = '\\';
	memcpy(out + n, at.data, octets);
	return n + octets;
}

/* The name in quotes, whole characters of it. Of nobody's mail the program's own. What stands behind a comma of the
 * user's entry is no name. */
static void format_from(const struct sendmail *s, char out[1200])
{
	const struct passwd *user = getpwuid(getuid());
	struct span name = span_text(s->name ? s->name : s->from || !user ? "" : user->pw_gecos);
	char address[sizeof(s->sender) + NAME_MAX_OCTETS + 20];
	size_t n = 0;

	if (s->sender[0] == '\0')
		snprintf(address, sizeof(address), "MAILER-DAEMON@%s", s->domain);
	else
		snprintf(address, sizeof(address), "%s", s->sender);
	while (name.length > 0 && (s->name || *name.data != ',')) {
		uint32_t wide = utf8_character(name), octets = wide > 0 ? wide : 1;
		if (n + octets > FROM_NAME_MAX)
			break;
		n += quote(out + n, name, octets, n == 0);
		name.data += octets;
		name.length -= octets;
	}
	snprintf(out + n, 1200 - n, "%s<%s>", n > 0 ? "\" " : "", address);
}

static bool make_letter(const struct sendmail *s, struct letter *letter)
{
	char from[1200], date[64], message_id[400];
	const struct letter_wishes wishes = {.dots = !s->no_dots, .from = from, .date = date, .message_id = message_id};
	uint64_t token[2];
	size_t length;
	char *text = read_all(&length);
	bool ok;

	if (!text)
		return false;
	random_bytes(token, sizeof(token));
	format_from(s, from);
	format_date(date);
	snprintf(message_id, sizeof(message_id), "<%016" PRIx64 "%016" PRIx64 "@%s>", token[0], token[1], s->domain);
	ok = letter_make(text, length, &wishes, letter);
	free(text);
	return ok;
}

/* ---- handing over ----------------------------------------------------------------------------------------------- */

static int open_relay(struct sendmail *s, struct ring_address *address)
{
	if (!hand_where(&s->hand, getenv("POSTRIDER_RELAY"), NULL, address))
		return say(EX_CONFIG, "POSTRIDER_RELAY: %s", s->hand.problem);
	return 0;
}

static int result_of(const struct sendmail *s, enum hand_result result, const char *recipient)
{
	const char *to = recipient ? recipient : "", *colon = recipient ? ": " : "";

	switch (result) {
	case HAND_TAKEN:
		return EX_OK;
	case HAND_LATER:
		return say(NOT_NOW, "%s%sthe relay does not take it now: %s", to, colon, s->hand.problem);
	case HAND_REFUSED:
		return say(EX_UNAVAILABLE, "%s%sthe relay refuses it, and nobody gets it: %s", to, colon,
			   s->hand.problem);
	case HAND_DOUBT:
		return say(NOT_NOW, "%s: whether it was taken is not known", s->hand.problem);
	case HAND_BROKEN:
		break;
	}
	return say(NOT_NOW,
		   "%s: the message was not sent, and is kept nowhere; is postrider running (systemctl "
		   "status postrider)?",
		   s->hand.problem);
}

static enum hand_result say_envelope(struct sendmail *s, const struct letter *letter, const char **recipient)
{
	bool dsn = s->hand.extensions.dsn, wide = s->wide && s->hand.extensions.smtputf8;
	enum hand_result result;
	char line[3000];

	snprintf(line, sizeof(line), "MAIL FROM:<%s>%s%s%s%s%s%s", s->sender,
		 letter->eight_bit || s->eight_bit ? " BODY=8BITMIME" : "", wide ? " SMTPUTF8" : "",
		 dsn && s->ret ? " RET=" : "", dsn && s->ret ? s->ret : "", dsn && s->envid ? " ENVID=" : "",
		 dsn && s->envid ? s->envid : "");
	result = hand_command(&s->hand, line);
	for (size_t i = 0; result == HAND_TAKEN && i < s->count; i++) {
		*recipient = s->recipients[i];
		snprintf(line, sizeof(line), "RCPT TO:<%s>%s%s", s->recipients[i], dsn && s->notify ? " NOTIFY=" : "",
			 dsn && s->notify ? s->notify : "");
		result = hand_command(&s->hand, line);
	}
	if (result == HAND_TAKEN)
		*recipient = NULL;
	return result;
}

static int hand_over(struct sendmail *s, const struct letter *letter)
{
	const char *recipient = NULL;
	struct ring_address address;
	enum hand_result result;
	int status = open_relay(s, &address);

	if (status != 0)
		return status;
	result = hand_open(&s->hand, &address, WAIT_S * CLOCK_NS_PER_S);
	if (result == HAND_TAKEN)
		result = hand_hello(&s->hand, s->domain);
	if (result == HAND_TAKEN)
		result = hand_fits(&s->hand, s->count);
	if (result == HAND_TAKEN)
		result = say_envelope(s, letter, &recipient);
	if (result == HAND_TAKEN)
		result = hand_data(&s->hand);
	if (result == HAND_TAKEN)
		result = hand_content(&s->hand, letter->text, letter->length);
	if (result == HAND_TAKEN)
		result = hand_end(&s->hand);
	status = result_of(s, result, recipient);
	if (result == HAND_TAKEN)
		(void)hand_command(&s->hand, "QUIT");
	hand_close(&s->hand);
	return status;
}

static int send_letter(struct sendmail *s, char **arguments)
{
	struct letter letter = {0};
	bool ok = find_sender(s);
	int status;

	if (!ok)
		return say(EX_DATAERR, "-f: %s is no address", s->sender);
	for (; ok && *arguments; arguments++)
		ok = letter_addresses(*arguments, strlen(*arguments), on_recipient, s);
	if (ok && !make_letter(s, &letter))
		return say(NOT_NOW, "the message could not be read, or there is no memory for it");
	if (ok && s->header)
		ok = letter_addresses(letter.recipients, letter.recipients_length, on_recipient, s);
	if (s->wrong)
		status = say(EX_DATAERR, "%s is no address: nobody gets it", s->wrong);
	else if (s->many)
		status = say(EX_UNAVAILABLE, "it has more than %d recipients: nobody gets it", RECIPIENTS_MOST);
	else if (!ok)
		status = say(NOT_NOW, "there is no memory for its recipients");
	else if (s->count == 0)
		status = say(EX_USAGE, "%s",
			     s->header ? "the header names no recipients (To, Cc, Bcc)"
				       : "no recipients: name them, or -t for those of the header");
	else
		status = hand_over(s, &letter);
	letter_free(&letter);
	return status;
}

/* ---- -bs -------------------------------------------------------------------------------------------------------- */

static bool copy(int from, int to)
{
	char block[16 << 10], *at = block;
	ssize_t n = read(from, block, sizeof(block));

	if (n < 0)
		return errno == EINTR || errno == EAGAIN;
	for (ssize_t done = 0; n > 0 && done < n;) {
		ssize_t w = write(to, at + done, (size_t)(n - done));
		if (w < 0 && errno == EAGAIN) {
			struct pollfd ready = {.fd = to, .events = POLLOUT};
			(void)poll(&ready, 1, WAIT_S * 1000);
		} else if (w < 0 && errno != EINTR) {
			return false;
		} else if (w > 0) {
			done += w;
		}
	}
	return n > 0;
}

/* The relay's own session, octet by octet. */
static int converse(struct sendmail *s)
{
	struct ring_address address;
	int status = open_relay(s, &address);
	struct pollfd ends[2] = {{.fd = STDIN_FILENO, .events = POLLIN}, {.events = POLLIN}};

	if (status != 0)
		return status;
	dial_init(&s->hand.dial, WAIT_S * CLOCK_NS_PER_S);
	if (dial_connect(&s->hand.dial, &address) < 0) {
		/* As its replies are passed on: SMTP's, with its ends of lines. */
		(void)dprintf(STDOUT_FILENO, "421 4.3.2 postrider does not answer at %s: %s\r\n", s->hand.where,
			      s->hand.dial.problem);
		return say(NOT_NOW, "the relay at %s: %s", s->hand.where, s->hand.dial.problem);
	}
	ends[1].fd = s->hand.dial.fd;
	/* What is written behind QUIT. */
	(void)signal(SIGPIPE, SIG_IGN);
	while (poll(ends, 2, WAIT_S * 1000) != 0) {
		if (ends[0].revents && !copy(STDIN_FILENO, ends[1].fd)) {
			/* What was asked is answered still. */
			(void)shutdown(ends[1].fd, SHUT_WR);
			ends[0].fd = -1;
		}
		if (ends[1].revents && !copy(ends[1].fd, STDOUT_FILENO))
			break;
	}
	hand_close(&s->hand);
	return EX_OK;
}

/* ---- command line ----------------------------------------------------------------------------------------------- */

/* In capitals: as keywords are written. */
static const char *upper(char *text)
{
	for (char *at = text; *at != '\0'; at++)
		*at = (char)toupper((unsigned char)*at);
	return text;
}

static int check_wishes(struct sendmail *s)
{
	struct smtp_mail_parameters mail = {0};
	struct smtp_rcpt_parameters rcpt = {0};

	if (s->ret &&
	    parameter_of_mail(&mail, SMTP_SYNTAX_STRICT, span_text("RET"), span_text(s->ret), true) != PARAMETER_TAKEN)
		return say(EX_USAGE, "-R: full or hdrs");
	if (s->envid && parameter_of_mail(&mail, SMTP_SYNTAX_STRICT, span_text("ENVID"), span_text(s->envid), true) !=
				PARAMETER_TAKEN)
		return say(EX_USAGE, "-V: %s cannot be an envelope's id (RFC 3461 4.4)", s->envid);
	if (s->notify && parameter_of_rcpt(&rcpt, SMTP_SYNTAX_STRICT, span_text("NOTIFY"), span_text(s->notify),
					   true) != PARAMETER_TAKEN)
		return say(EX_USAGE, "-N: never, or some of success, failure and delay with commas");
	return 0;
}

static bool take_option(struct sendmail *s, int option)
{
	switch (option) {
	case 't':
		s->header = true;
		break;
	case 'i':
		s->no_dots = true;
		break;
	case 'o':
		s->no_dots = s->no_dots || strcmp(optarg, "i") == 0;
		break;
	case 'B':
		s->eight_bit = strcasecmp(optarg, "8BITMIME") == 0;
		break;
	case 'b':
		s->mode = *optarg;
		break;
	case 'f':
	case 'r':
		s->from = optarg;
		break;
	case 'F':
		s->name = optarg;
		break;
	case 'N':
		s->notify = upper(optarg);
		break;
	case 'R':
		s->ret = upper(optarg);
		break;
	case 'V':
		s->envid = optarg;
		break;
	case 'I':
		s->mode = 'i';
		break;
	case 'q':
		s->mode = 'q';
		break;
	default:
		return option != '?';
	}
	return true;
}

int sendmail_command(int argc, char **argv)
{
	/* What is not named in take_option() is let pass: the relay does as it does. */
	static const char letters[] = "+A:B:C:F:GIL:N:O:R:UV:X:b:cd::e:f:h:imno:p:q::r:stvx";
	static struct sendmail s;
	int option, status;

	s = (struct sendmail){.mode = 'm'};
	if (argc > 1 && strcmp(argv[1], "--help") == 0)
		return usage(stdout, 0);
	optind = 1;
	while ((option = getopt(argc, argv, letters)) != -1) {
		if (!take_option(&s, option))
			return usage(stderr, EX_USAGE);
	}
	find_domain(&s);
	s.known = json_object();
	switch (s.mode) {
	case 'm':
		status = check_wishes(&s);
		if (status == 0)
			status = send_letter(&s, argv + optind);
		break;
	case 's':
		status = converse(&s);
		break;
	case 'p':
		status = mailq_command(1, argv);
		break;
	case 'i': /* newaliases: nothing is made of them */
	case 'q': /* the relay tries again by itself */
		status = EX_OK;
		break;
	default:
		status = say(EX_USAGE, "-b%c is nothing that postrider does", s.mode);
	}
	for (size_t i = 0; i < s.count; i++)
		free(s.recipients[i]);
	free(s.recipients);
	json_decref(s.known);
	free((void *)(uintptr_t)s.wrong);
	return status;
}
