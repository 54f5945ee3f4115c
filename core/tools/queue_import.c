/*
 * core/tools/queue_import.c - see queue_import.h.
 *
 * One after the other, each with a name of its own in EHLO: so where the last word did not come, the message is looked
 * for in the queue by that name. What is not found there may have been delivered since, and is said to be in doubt.
 * A message goes to all who wait for it, or is not handed over at all: in parts, it could not be repeated.
 */
#include "core/tools/queue_import.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "core/base/random.h"
#include "core/tools/ask.h"
#include "core/tools/hand.h"
#include "core/tools/journal.h"
#include "core/tools/parcel.h"
#include "core/tools/queue_find.h"
#include "core/tools/table.h"
#include "core/tools/written.h"

enum { EXIT_DATA = 66, EXIT_FILE = 74, WAIT_S = 300, BLOCK = 64 << 10, NAME_MAX_OCTETS = 200, LATER_MOST = 10 };

/* What became of a message; the worst of them is the exit status. */
enum became { IMPORTED, BEFORE, NOTHING, HELD, REFUSED, UNREADABLE, LATER, DOUBT, BECAMES };
static const struct {
	const char *name, *say; /* say: "3 ..." */
	int status;
} became[] = {
	[IMPORTED] = {"imported", "imported", 0},
	[BEFORE] = {"there", "imported before", 0},
	[NOTHING] = {"nothing", "that nobody waits for any more, not imported", 0},
	[HELD] = {"held", "held by an operator, not imported: --held imports them as well, and they go at once",
		  ASK_NOT},
	[REFUSED] = {"refused", "refused by the relay", ASK_NOT},
	[UNREADABLE] = {"unreadable", "that cannot be imported", ASK_NOT},
	[LATER] = {"later", "not taken now: repeat it later", ASK_PART},
	[DOUBT] = {"doubt",
		   "in doubt: the last word did not come, and they are not in the queue (any more); --again sends "
		   "them once more",
		   ASK_PART},
};

struct importing {
	struct ask ask;
	const char *from, *relay;
	bool held, again;
	int directory;
	struct journal journal;
	struct ring_address address;
	struct hand hand;
	bool connected;
	uint64_t token;
	unsigned number; /* of the next message of this run */
	unsigned later;  /* one after the other */
	json_t *out;     /* owned */
	size_t counts[BECAMES];
};

static int usage(FILE *out, int status)
{
	fputs("usage: postrider queue import DIR [--relay HOST:PORT] [--held] [--again]\n"
	      "           [--config FILE] [--socket PATH] [--json]\n"
	      "       Each DIR/NAME.eml with its envelope DIR/NAME.json goes to the relay by SMTP, to those who wait "
	      "for\n"
	      "       it still. DIR/import.journal says what was handed over: repeated, it goes on.\n",
	      out);
	return status;
}

static enum became note(struct importing *im, const char *name, enum became what, const char *id, const char *why)
{
	im->counts[what]++;
	if (im->ask.json) {
		json_array_append_new(im->out, json_pack("{ss ss ss* ss*}", "name", name, "result", became[what].name,
							 "id", id, "why", why));
		return what;
	}
	if (!why)
		return what;
	table_safe(stderr, name);
	fprintf(stderr, ": ");
	table_safe(stderr, why);
	fprintf(stderr, "\n");
	return what;
}

/* ---- files ------------------------------------------------------------------------------------------------------ */

/* A regular file and nothing else: whoever wrote the directory may have put anything there. -errno. */
static int open_file(const struct importing *im, const char *name, const char *kind, struct stat *status)
{
	char path[NAME_MAX_OCTETS + 8];
	int fd;

	snprintf(path, sizeof(path), "%s.%s", name, kind);
	fd = openat(im->directory, path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (fstat(fd, status) == 0 && S_ISREG(status->st_mode))
		return fd;
	close(fd);
	return -EINVAL;
}

static bool cannot(char problem[PARCEL_PROBLEM], const char *kind, int error)
{
	snprintf(problem, PARCEL_PROBLEM, "the .%s: %s", kind,
		 error == EINVAL  ? "it is no regular file"
		 : error == ELOOP ? "it is a symbolic link"
				  : strerror(error));
	return false;
}

static bool read_envelope(const struct importing *im, const char *name, struct parcel *parcel,
			  char problem[PARCEL_PROBLEM])
{
	struct stat status;
	int fd = open_file(im, name, "json", &status);
	char *text = NULL;
	size_t length = 0;
	ssize_t n = -1;
	bool ok = false;

	if (fd < 0)
		return cannot(problem, "json", -fd);
	if (status.st_size > PARCEL_ENVELOPE_MAX)
		snprintf(problem, PARCEL_PROBLEM, "the .json: it is larger than any envelope");
	else if (!(text = malloc((size_t)status.st_size + 1)))
		snprintf(problem, PARCEL_PROBLEM, "out of memory");
	else {
		while (length < (size_t)status.st_size &&
		       (n = read(fd, text + length, (size_t)status.st_size - length)) > 0)
			length += (size_t)n;
		ok = n >= 0 ? parcel_read(text, length, parcel, problem) : cannot(problem, "json", errno);
	}
	free(text);
	close(fd);
	return ok;
}

/* What SMTP cannot carry is found before it is begun. The file, or -1. */
static int open_content(const struct importing *im, const char *name, struct parcel *parcel,
			char problem[PARCEL_PROBLEM])
{
	static uint8_t block[BLOCK];
	struct content_scanner scanner;
	struct stat status;
	int fd = open_file(im, name, "eml", &status);
	ssize_t n;

	if (fd < 0) {
		cannot(problem, "eml", -fd);
		return -1;
	}
	content_scanner_init(&scanner);
	while ((n = read(fd, block, sizeof(block))) > 0)
		content_scan_chunk(&scanner, block, (size_t)n);
	content_scan_finish(&scanner);
	parcel->eight_bit = parcel->eight_bit || scanner.eight_bit;
	if (n < 0)
		cannot(problem, "eml", errno);
	else if (parcel->size_known && parcel->size != (uint64_t)status.st_size)
		snprintf(problem, PARCEL_PROBLEM, "the .eml has %" PRIu64 " octets, and the envelope says %" PRIu64,
			 (uint64_t)status.st_size, parcel->size);
	else if (scanner.faults)
		snprintf(problem, PARCEL_PROBLEM, "the .eml has %s: lines of mail end in CRLF",
			 scanner.faults & CONTENT_NUL       ? "a NUL"
			 : scanner.faults & CONTENT_BARE_LF ? "a line that ends in LF alone (unix2dos mends that)"
							    : "a CR without LF");
	else if (lseek(fd, 0, SEEK_SET) == 0)
		return fd;
	close(fd);
	return -1;
}

/* ---- handing over ----------------------------------------------------------------------------------------------- */

static bool waits(const struct importing *im, const struct parcel_recipient *recipient)
{
	return recipient->status == PARCEL_WAITS || (im->held && recipient->status == PARCEL_HELD);
}

/* What the relay would answer in words that do not help, or with "later". */
static enum hand_result check_wishes(struct importing *im, const struct parcel *p)
{
	size_t waiting = 0;

	if (p->require_tls && !im->hand.extensions.require_tls) {
		snprintf(
			im->hand.problem, sizeof(im->hand.problem),
			"its sender wants TLS all the way (REQUIRETLS, RFC 8689), and an import goes without TLS: send "
			"it by a program that has both, or delete \"require_tls\" in its .json, and that promise");
		return HAND_REFUSED;
	}
	for (size_t i = 0; i < p->count; i++)
		waiting += waits(im, &p->recipients[i]);
	return hand_fits(&im->hand, waiting);
}

static enum hand_result say_envelope(struct importing *im, const struct parcel *p)
{
	char line[4096], now[32];
	enum hand_result result;
	time_t seconds = time(NULL);
	struct tm tm;

	gmtime_r(&seconds, &tm);
	strftime(now, sizeof(now), "%Y-%m-%dT%H:%M:%SZ", &tm);
	snprintf(line, sizeof(line), "MAIL FROM:<%s>%s%s%s%s%s%s%s%s%s", p->sender,
		 p->eight_bit ? " BODY=8BITMIME" : "", p->smtputf8 ? " SMTPUTF8" : "", *p->ret ? " RET=" : "", p->ret,
		 *p->envid ? " ENVID=" : "", p->envid, p->require_tls ? " REQUIRETLS" : "",
		 strcmp(p->hold_until, now) > 0 ? " HOLDUNTIL=" : "",
		 strcmp(p->hold_until, now) > 0 ? p->hold_until : "");
	result = hand_command(&im->hand, line);
	for (size_t i = 0; result == HAND_TAKEN && i < p->count; i++) {
		const struct parcel_recipient *one = &p->recipients[i];
		if (!waits(im, one))
			continue;
		snprintf(line, sizeof(line), "RCPT TO:<%s>%s%s%s%s", one->address, *one->notify ? " NOTIFY=" : "",
			 one->notify, *one->orcpt ? " ORCPT=" : "", one->orcpt);
		result = hand_command(&im->hand, line);
	}
	return result;
}

static enum hand_result send_content(struct importing *im, int fd)
{
	static char block[BLOCK];
	enum hand_result result = HAND_TAKEN;
	ssize_t n;

	while (result == HAND_TAKEN && (n = read(fd, block, sizeof(block))) != 0) {
		if (n > 0) {
			result = hand_content(&im->hand, block, (size_t)n);
			continue;
		}
		snprintf(im->hand.problem, sizeof(im->hand.problem), "the .eml: %s", strerror(errno));
		hand_close(&im->hand);
		return HAND_REFUSED;
	}
	return result;
}

static enum hand_result hand_over(struct importing *im, const char *name, const char *helo, const struct parcel *p,
				  int fd, int *error)
{
	enum hand_result result = HAND_TAKEN;

	/* One that was open may have been ended for being old. */
	if (im->hand.dial.fd < 0 || (result = hand_hello(&im->hand, helo)) != HAND_TAKEN) {
		hand_close(&im->hand);
		result = hand_open(&im->hand, &im->address, WAIT_S * CLOCK_NS_PER_S);
		im->connected = im->connected || result == HAND_TAKEN;
		if (result == HAND_TAKEN)
			result = hand_hello(&im->hand, helo);
	}
	if (result == HAND_TAKEN)
		result = check_wishes(im, p);
	if (result == HAND_TAKEN)
		result = say_envelope(im, p);
	if (result == HAND_TAKEN)
		result = hand_data(&im->hand);
	if (result == HAND_TAKEN)
		result = send_content(im, fd);
	if (result != HAND_TAKEN)
		return result;
	*error = journal_sent(&im->journal, name, helo);
	if (*error < 0) {
		hand_close(&im->hand);
		return HAND_BROKEN;
	}
	return hand_end(&im->hand);
}

static enum became journal_failed(struct importing *im, const char *name, int error)
{
	fprintf(stderr, "postrider: queue: import.journal cannot be written: %s\n", strerror(-error));
	im->later = UINT32_MAX;
	return note(im, name, LATER, NULL, NULL);
}

static enum became import_parcel(struct importing *im, const char *name, const struct parcel *p, int fd)
{
	char helo[64], id[32] = "";
	enum hand_result result;
	int error = 0;

	snprintf(helo, sizeof(helo), "import-%016" PRIx64 "-%u.invalid", im->token, im->number++);
	result = hand_over(im, name, helo, p, fd, &error);
	if (error < 0)
		return journal_failed(im, name, error);
	if (result == HAND_TAKEN) {
		hand_id(&im->hand, id);
		error = journal_is_done(&im->journal, name, id);
		im->later = 0;
		return error < 0 ? journal_failed(im, name, error) : note(im, name, IMPORTED, id, NULL);
	}
	if (result == HAND_DOUBT)
		return note(im, name, DOUBT, NULL, im->hand.problem);
	if (journal_doubt(&im->journal, name) && (error = journal_is_not(&im->journal, name)) < 0)
		return journal_failed(im, name, error);
	if (result == HAND_REFUSED)
		return note(im, name, REFUSED, NULL, im->hand.problem);
	im->later++;
	if (result == HAND_BROKEN && im->hand.dial.fd < 0 && !im->connected)
		im->later = UINT32_MAX;
	return note(im, name, LATER, NULL, im->hand.problem);
}

/* ---- doubt ------------------------------------------------------------------------------------------------------ */

/* Is it here, by the name that was said for it alone? */
static bool queued_as(const struct importing *im, const char *id, const char *helo)
{
	json_t *answer = NULL, *one;
	struct ask_path path;
	bool found = false;
	size_t i;

	ask_path_begin(&path, "/v1/queue/messages");
	ask_path_segment(&path, id);
	if (ask_get(&im->ask, path.text, &answer) == 0)
		json_array_foreach(json_object_get(answer, "messages"), i, one) found =
			found || strcmp(ask_text(one, "helo"), helo) == 0;
	json_decref(answer);
	return found;
}

/* Among all that go from this sender to the first one it was sent to: a recipient that waited no more was not. */
static bool look_for(const struct importing *im, const struct parcel *p, const char *helo, char id[32])
{
	struct id_list ids = {0};
	json_t *missing = json_array();
	struct queue_find wanted = {.filters = {[QUEUE_FILTER_FROM] = *p->sender ? p->sender : NULL}};
	size_t i = 0;

	while (i < p->count - 1 && !waits(im, &p->recipients[i]))
		i++;
	wanted.filters[QUEUE_FILTER_TO] = p->recipients[i].address;
	id[0] = '\0';
	if (queue_find(&im->ask, &wanted, &ids, missing) == 0) {
		for (i = 0; i < ids.count && *id == '\0'; i++) {
			if (!queued_as(im, id_list_text(&ids, i, id), helo))
				id[0] = '\0';
		}
	}
	id_list_free(&ids);
	json_decref(missing);
	return *id != '\0';
}

/* True: it was found, or nobody knows. */
static bool settle_doubt(struct importing *im, const char *name, const struct parcel *p, enum became *what)
{
	const char *helo = journal_doubt(&im->journal, name);
	char id[32];
	int error;

	if (!helo || im->again)
		return false;
	if (ask_open(&im->ask) == 0 && look_for(im, p, helo, id)) {
		error = journal_is_done(&im->journal, name, id);
		*what = error < 0 ? journal_failed(im, name, error) : note(im, name, IMPORTED, id, NULL);
		return true;
	}
	*what = note(im, name, DOUBT, NULL, "it was sent, and whether it arrived is not known");
	return true;
}

/* ---- the directory ---------------------------------------------------------------------------------------------- */

static void import_one(struct importing *im, const char *name)
{
	char problem[PARCEL_PROBLEM];
	struct parcel parcel;
	enum became what;
	size_t waiting = 0;
	int fd;

	if (journal_done(&im->journal, name)) {
		note(im, name, BEFORE, NULL, NULL);
		return;
	}
	if (!read_envelope(im, name, &parcel, problem)) {
		note(im, name, UNREADABLE, NULL, problem);
		return;
	}
	for (size_t i = 0; i < parcel.count; i++)
		waiting += waits(im, &parcel.recipients[i]);
	if (waiting == 0)
		note(im, name, parcel_count(&parcel, PARCEL_HELD) > 0 ? HELD : NOTHING, NULL, NULL);
	else if (!settle_doubt(im, name, &parcel, &what)) {
		fd = open_content(im, name, &parcel, problem);
		if (fd < 0)
			note(im, name, UNREADABLE, NULL, problem);
		else
			import_parcel(im, name, &parcel, fd);
		if (fd >= 0)
			close(fd);
	}
	parcel_free(&parcel);
}

/* A message whose envelope is not there, as of an export that was broken off: it is not left out without a word. */
static void look_for_envelope(struct importing *im, const char *file, size_t length)
{
	char path[NAME_MAX + 8];

	if (length < 5 || strcmp(file + length - 4, ".eml") != 0)
		return;
	snprintf(path, sizeof(path), "%.*s.json", (int)(length - 4), file);
	if (faccessat(im->directory, path, F_OK, AT_SYMLINK_NOFOLLOW) < 0)
		note(im, file, UNREADABLE, NULL,
		     "its envelope, a file of the same name that ends in .json, is not there: repeat the export, or "
		     "write one");
}

/* Names that are safe in a line of the journal. The ending is cut off. */
static bool take_name(struct importing *im, char *file)
{
	static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-+@=";
	size_t length = strlen(file);

	if (length < 6 || strcmp(file + length - 5, ".json") != 0) {
		look_for_envelope(im, file, length);
		return false;
	}
	if (length > NAME_MAX_OCTETS) {
		note(im, file, UNREADABLE, NULL, "its name is longer than 200 octets: rename it and its .eml");
		return false;
	}
	if (strspn(file, plain) != length || file[0] == '.') {
		note(im, file, UNREADABLE, NULL,
		     "its name has other than letters, digits and . _ - + @ =, or begins with a dot: rename it and its "
		     ".eml");
		return false;
	}
	file[length - 5] = '\0';
	return true;
}

static int tell(const struct importing *im)
{
	int status = 0;

	for (unsigned i = 0; i < BECAMES; i++)
		status = im->counts[i] > 0 && became[i].status > status ? became[i].status : status;
	if (im->counts[IMPORTED] == 0 && im->later == UINT32_MAX)
		status = im->connected ? EXIT_FILE : ASK_UNAVAILABLE;
	if (im->ask.json)
		written_json(stdout, json_pack("{sO}", "results", im->out));
	for (unsigned i = 0; !im->ask.json && i < BECAMES; i++) {
		if (i == IMPORTED || im->counts[i] > 0)
			printf("%zu message%s %s\n", im->counts[i], im->counts[i] == 1 ? "" : "s", became[i].say);
	}
	return status;
}

static int import_all(struct importing *im)
{
	struct dirent **names = NULL;
	char path[32];
	int count;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", im->directory);
	count = scandir(path, &names, NULL, alphasort);
	if (count < 0) {
		fprintf(stderr, "postrider: queue: the directory cannot be read: %s\n", strerror(errno));
		return EXIT_FILE;
	}
	for (int i = 0; i < count; i++) {
		if (im->later <= LATER_MOST && take_name(im, names[i]->d_name))
			import_one(im, names[i]->d_name);
		free(names[i]);
	}
	free(names);
	if (im->later > LATER_MOST)
		fputs("postrider: queue: it ends here: the relay does not take mail now\n", stderr);
	if (im->hand.dial.fd >= 0)
		(void)hand_command(&im->hand, "QUIT");
	hand_close(&im->hand);
	return tell(im);
}

static int run(struct importing *im)
{
	int status, r;

	if (!hand_where(&im->hand, im->relay, im->ask.config, &im->address)) {
		fprintf(stderr, "postrider: queue: %s\n", im->hand.problem);
		return ASK_CONFIG;
	}
	im->directory = open(im->from, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (im->directory < 0) {
		fprintf(stderr, "postrider: queue: %s cannot be opened: %s\n", im->from, strerror(errno));
		return EXIT_DATA;
	}
	r = journal_open(&im->journal, im->directory);
	if (r < 0) {
		fprintf(stderr, "postrider: queue: %s/import.journal: %s\n", im->from,
			r == -EWOULDBLOCK ? "another import of this directory is under way"
			: r == -EBADMSG   ? "it is no journal of postrider"
					  : strerror(-r));
		close(im->directory);
		return r == -EWOULDBLOCK ? ASK_PART : EXIT_FILE;
	}
	random_bytes(&im->token, sizeof(im->token));
	dial_init(&im->hand.dial, 0);
	status = import_all(im);
	journal_close(&im->journal);
	close(im->directory);
	return status;
}

int queue_import_command(int argc, char **argv)
{
	static const struct option options[] = {
		{"config", required_argument, NULL, 'c'}, {"socket", required_argument, NULL, 's'},
		{"relay", required_argument, NULL, 'r'},  {"held", no_argument, NULL, 'H'},
		{"again", no_argument, NULL, 'a'},        {"json", no_argument, NULL, 'j'},
		{"help", no_argument, NULL, 'h'},         {NULL, 0, NULL, 0}};
	static struct importing im;
	int option, status;

	im = (struct importing){.ask = {.command = "queue"}};
	optind = 1;
	while ((option = getopt_long(argc - 1, argv + 1, "c:h", options, NULL)) != -1) {
		if (option == 'h')
			return usage(stdout, 0);
		if (option == 'r')
			im.relay = optarg;
		else if (option == 'H')
			im.held = true;
		else if (option == 'a')
			im.again = true;
		else if (!ask_option(&im.ask, option, optarg))
			return usage(stderr, ASK_USAGE);
	}
	if (optind != argc - 2)
		return usage(stderr, ASK_USAGE);
	im.from = argv[1 + optind];
	im.out = json_array();
	status = run(&im);
	json_decref(im.out);
	return status;
}
