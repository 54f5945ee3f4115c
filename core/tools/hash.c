/*
 * core/tools/hash.c - see hash.h.
 */
#include "core/tools/hash.h"

#include <errno.h>
#include <getopt.h>
#include <jansson.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "core/agents/password.h"
#include "core/base/hidden.h"
#include "core/config/user_file.h"
#include "core/tools/written.h"

enum { STATUS_USAGE = 64, STATUS_DATA = 65, STATUS_UNAVAILABLE = 69 };
enum { INPUT_SIZE = PASSWORD_MAX + 2 };

/* All that is secret, in memory that no core file has. */
struct secrets {
	char password[INPUT_SIZE], again[INPUT_SIZE];
};

static int fail(int status, const char *text)
{
	fprintf(stderr, "postrider: hash: %s\n", text);
	return status;
}

/* What ends the program while nothing that is typed is shown: only behind the terminal's former state. */
static const int ends[] = {SIGINT, SIGQUIT, SIGTERM, SIGHUP, SIGTSTP};

enum { ENDS = sizeof(ends) / sizeof(ends[0]) };

/* One that came while nothing was shown. */
static volatile sig_atomic_t caught;

static void on_signal(int number)
{
	caught = number;
}

/* One line without its end, octet by octet: nothing of it lies in a buffer of stdio. What is too long is read to its
 * end, and comes back longer than PASSWORD_MAX. -errno where reading fails. Signals that are blocked are let in by
 * `waiting` only while it waits, or one that comes just before it does would be seen with the next line only; NULL
 * where none is. */
static ssize_t read_line(char line[INPUT_SIZE], const sigset_t *waiting)
{
	struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};
	size_t length = 0;
	ssize_t n;
	char c;

	for (;;) {
		n = waiting ? ppoll(&input, 1, NULL, waiting) : 1;
		if (n > 0)
			n = read(STDIN_FILENO, &c, 1);
		if (n < 0 && errno == EINTR && !caught)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0 || c == '\n')
			break;
		if (length < INPUT_SIZE - 1)
			line[length++] = c;
	}
	if (length > 0 && line[length - 1] == '\r')
		length--;
	line[length] = '\0';
	return (ssize_t)length;
}

/* Whoever interrupts it gets his terminal back as it was. */
static ssize_t ask(const char *prompt, char line[INPUT_SIZE])
{
	const struct sigaction action = {.sa_handler = on_signal}; /* without SA_RESTART: waiting ends */
	struct sigaction before[ENDS];
	struct termios shown, hidden;
	sigset_t blocked, open;
	ssize_t n;

	if (tcgetattr(STDIN_FILENO, &shown) < 0)
		return -errno;
	hidden = shown;
	hidden.c_lflag &= ~(tcflag_t)(ECHO | ECHOE | ECHOK | ECHONL);
	fputs(prompt, stderr);
	(void)sigemptyset(&blocked);
	for (size_t i = 0; i < ENDS; i++)
		(void)sigaddset(&blocked, ends[i]);
	(void)sigprocmask(SIG_BLOCK, &blocked, &open);
	for (size_t i = 0; i < ENDS; i++)
		(void)sigaction(ends[i], &action, &before[i]);
	(void)tcsetattr(STDIN_FILENO, TCSAFLUSH, &hidden);
	n = read_line(line, &open);
	(void)tcsetattr(STDIN_FILENO, TCSAFLUSH, &shown);
	for (size_t i = 0; i < ENDS; i++)
		(void)sigaction(ends[i], &before[i], NULL);
	(void)sigprocmask(SIG_SETMASK, &open, NULL);
	fputs("\n", stderr);
	if (caught) {
		explicit_bzero(line, INPUT_SIZE);
		(void)raise(caught);
	}
	return n;
}

/* What nobody could sign in with. */
static const char *wrong_with(const char *password, ssize_t length)
{
	if (length < 0)
		return strerror((int)-length);
	if (length == 0)
		return "the password is empty";
	if (length > PASSWORD_MAX)
		return "the password has more than 512 octets";
	for (ssize_t i = 0; i < length; i++) {
		if ((unsigned char)password[i] < ' ' || password[i] == 0x7f)
			return "there are control characters in the password";
	}
	return NULL;
}

static const char *get_password(struct secrets *secrets)
{
	bool terminal = isatty(STDIN_FILENO);
	ssize_t length = terminal ? ask("Password: ", secrets->password) : read_line(secrets->password, NULL);
	const char *wrong = wrong_with(secrets->password, length);

	if (wrong || !terminal)
		return wrong;
	length = ask("The same again: ", secrets->again);
	if (length < 0)
		return strerror((int)-length);
	return strcmp(secrets->password, secrets->again) != 0 ? "the two are not the same" : NULL;
}

static int write_line(const char *name, bool json, struct secrets *secrets)
{
	struct password_desk *desk = password_desk_new();
	char hash[PASSWORD_HASH_MAX + 1];
	int r = desk ? password_hash(desk, secrets->password, hash) : -ENOMEM;

	password_desk_free(desk);
	if (r < 0)
		return fail(STATUS_UNAVAILABLE, strerror(-r));
	if (json) {
		written_json(stdout, json_pack("{so ss}", "name", written_text(span_text(name)), "hash", hash));
	} else if (printf("%s:%s\n", name, hash) < 0) {
		return fail(STATUS_UNAVAILABLE, strerror(errno));
	}
	if (fflush(stdout) != 0)
		return fail(STATUS_UNAVAILABLE, strerror(errno));
	return 0;
}

static int usage(FILE *out, int status)
{
	fputs("usage: postrider hash NAME [--json]      asks for the password, or reads it as the first line of the "
	      "input\n",
	      out);
	return status;
}

int hash_command(int argc, char **argv)
{
	static const struct option options[] = {
		{"json", no_argument, NULL, 'j'}, {"help", no_argument, NULL, 'h'}, {NULL, 0, NULL, 0}};
	struct secrets *secrets;
	const char *wrong, *name;
	bool json = false;
	int option, status;

	optind = 1;
	while ((option = getopt_long(argc, argv, "h", options, NULL)) != -1) {
		if (option != 'j')
			return option == 'h' ? usage(stdout, 0) : usage(stderr, STATUS_USAGE);
		json = true;
	}
	if (argc - optind != 1)
		return usage(stderr, STATUS_USAGE);
	name = argv[optind];
	wrong = user_name_problem(name, strlen(name));
	if (wrong)
		return fail(STATUS_DATA, wrong);
	secrets = hidden_new(sizeof(*secrets));
	if (!secrets)
		return fail(STATUS_UNAVAILABLE, strerror(errno));
	wrong = get_password(secrets);
	status = wrong ? fail(STATUS_DATA, wrong) : write_line(name, json, secrets);
	hidden_free(secrets, sizeof(*secrets));
	return status;
}
