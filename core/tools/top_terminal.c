/*
 * core/tools/top_terminal.c - see top_terminal.h.
 */
#include "core/tools/top_terminal.h"

#include <curses.h>
#include <errno.h>
#include <langinfo.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <term.h>
#undef columns /* of term.h, which has macros of such names */
#include <termios.h>
#include <unistd.h>

enum { ESCAPE_MS = 50, LEAVE_SIZE = 256 };

static volatile sig_atomic_t ended_by;
static struct termios before;
static bool open_now, utf8, colours;
/* What brings the terminal back, made ready for a handler that may call next to nothing. */
static char leave[LEAVE_SIZE];
static size_t leave_length;
static attr_t looks[TOP_STYLES];

/* ---- signals ---------------------------------------------------------------------------------------------------- */

static void on_end(int number)
{
	ended_by = number;
}

/* The program is broken, or somebody ends it the hard way: the shell behind it is to be usable. */
static void on_crash(int number)
{
	ssize_t r = write(STDOUT_FILENO, leave, leave_length);

	(void)r;
	(void)tcsetattr(STDIN_FILENO, TCSANOW, &before);
	/* As it would have ended: SA_RESETHAND. */
	raise(number);
}

static void take_signals(void)
{
	static const int ends[] = {SIGTERM, SIGHUP, SIGINT, SIGQUIT};
	static const int crashes[] = {SIGABRT, SIGSEGV, SIGBUS, SIGFPE, SIGILL};
	struct sigaction end = {.sa_handler = on_end}, crash = {.sa_handler = on_crash, .sa_flags = (int)SA_RESETHAND};

	for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++)
		sigaction(ends[i], &end, NULL);
	for (size_t i = 0; i < sizeof(crashes) / sizeof(crashes[0]); i++)
		sigaction(crashes[i], &crash, NULL);
	signal(SIGPIPE, SIG_IGN);
}

/* ---- open and close --------------------------------------------------------------------------------------------- */

static bool cannot(char *problem, size_t size, const char *term)
{
	int known = 0;

	if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO)) {
		snprintf(
			problem, size,
			"standard input and output have to be a terminal; --once writes what there is now, with --json "
			"for programs");
		return true;
	}
	if (!term || !term[0]) {
		snprintf(problem, size,
			 "TERM does not say what terminal this is: try TERM=xterm postrider top, or --once");
		return true;
	}
	if (setupterm(term, STDOUT_FILENO, &known) != OK || known != 1) {
		snprintf(problem, size,
			 "nothing is known of the terminal \"%.60s\" (TERM): install ncurses-term, try "
			 "TERM=xterm-256color "
			 "postrider top, or --once",
			 term);
		return true;
	}
	if (!cursor_address || !clear_screen) {
		snprintf(
			problem, size,
			"the terminal \"%.60s\" (TERM) cannot move its cursor: try TERM=xterm postrider top, or --once",
			term);
		return true;
	}
	return false;
}

static void keep(const char *sequence)
{
	size_t length = sequence ? strlen(sequence) : 0;

	if (leave_length + length > sizeof(leave))
		return;
	memcpy(leave + leave_length, sequence ? sequence : "", length);
	leave_length += length;
}

static void choose_looks(void)
{
	static const struct {
		short colour;
		attr_t with, without; /* colours */
	} table[TOP_STYLES] = {
		[TOP_PLAIN] = {-1, A_NORMAL, A_NORMAL},         [TOP_HEAD] = {COLOR_CYAN, A_BOLD, A_BOLD | A_UNDERLINE},
		[TOP_CHOSEN] = {-1, A_REVERSE, A_REVERSE},      [TOP_DIM] = {-1, A_DIM, A_DIM},
		[TOP_GOOD] = {COLOR_GREEN, A_NORMAL, A_NORMAL}, [TOP_WARN] = {COLOR_YELLOW, A_NORMAL, A_NORMAL},
		[TOP_BAD] = {COLOR_RED, A_BOLD, A_BOLD},
	};
	const char *no = getenv("NO_COLOR");

	colours = !(no && no[0]) && has_colors() && start_color() == OK && use_default_colors() == OK;
	for (short i = 0; i < TOP_STYLES; i++) {
		looks[i] = colours ? table[i].with : table[i].without;
		if (colours && table[i].colour >= 0 && init_pair((short)(i + 1), table[i].colour, -1) == OK)
			looks[i] |= (attr_t)COLOR_PAIR(i + 1);
	}
}

bool top_terminal_open(char *problem, size_t size)
{
	const char *term = getenv("TERM");

	utf8 = strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
	if (cannot(problem, size, term))
		return false;
	(void)tcgetattr(STDIN_FILENO, &before);
	if (!newterm(NULL, stdout, stdin)) {
		snprintf(problem, size, "the terminal \"%.60s\" (TERM) cannot be used: --once writes what there is now",
			 term);
		return false;
	}
	keep(exit_attribute_mode);
	keep(cursor_normal);
	keep(keypad_local);
	keep(exit_ca_mode);
	open_now = true;
	take_signals();
	(void)cbreak();
	(void)noecho();
	(void)nonl();
	(void)set_escdelay(ESCAPE_MS);
	(void)keypad(stdscr, TRUE);
	(void)nodelay(stdscr, TRUE);
	(void)curs_set(0);
	choose_looks();
	return true;
}

void top_terminal_close(void)
{
	if (!open_now)
		return;
	open_now = false;
	(void)endwin();
	(void)tcsetattr(STDIN_FILENO, TCSANOW, &before);
}

/* ---- what is shown, and pressed --------------------------------------------------------------------------------- */

bool top_terminal_size(struct top_screen *screen)
{
	return top_screen_size(screen, LINES, COLS, utf8);
}

/* Cells of one style at a time. */
static void show_row(const struct top_screen *screen, int row)
{
	const struct top_cell *cells = screen->cells + (size_t)row * (size_t)screen->columns;
	int at = 0;

	while (at < screen->columns) {
		uint8_t style = cells[at].style;
		(void)attrset((int)looks[style]);
		(void)move(row, at);
		for (; at < screen->columns && cells[at].style == style; at++)
			(void)addstr(cells[at].text);
	}
}

void top_terminal_show(const struct top_screen *screen)
{
	(void)erase();
	for (int row = 0; row < screen->rows; row++)
		show_row(screen, row);
	(void)refresh();
}

static uint32_t special(wint_t key)
{
	switch (key) {
	case KEY_UP:
		return TOP_KEY_UP;
	case KEY_DOWN:
		return TOP_KEY_DOWN;
	case KEY_PPAGE:
		return TOP_KEY_PAGE_UP;
	case KEY_NPAGE:
		return TOP_KEY_PAGE_DOWN;
	case KEY_HOME:
		return TOP_KEY_HOME;
	case KEY_END:
		return TOP_KEY_END;
	case KEY_ENTER:
		return TOP_KEY_ENTER;
	case KEY_BACKSPACE:
	case KEY_DC:
		return TOP_KEY_BACKSPACE;
	case KEY_RESIZE:
		return TOP_KEY_AGAIN;
	default:
		return TOP_KEY_NONE;
	}
}

static uint32_t plain(wint_t key)
{
	switch (key) {
	case '\r':
	case '\n':
		return TOP_KEY_ENTER;
	case '\t':
		return TOP_KEY_TAB;
	case 0x1b:
		return TOP_KEY_ESCAPE;
	case 0x08:
	case 0x7f:
		return TOP_KEY_BACKSPACE;
	case 0x0c:
		(void)clearok(curscr, TRUE);
		return TOP_KEY_AGAIN;
	default:
		return key >= ' ' ? (uint32_t)key : TOP_KEY_NONE;
	}
}

static bool is_gone(void)
{
	struct pollfd fd = {.fd = STDIN_FILENO, .events = POLLIN};

	return ended_by || (poll(&fd, 1, 0) > 0 && (fd.revents & (POLLHUP | POLLERR | POLLNVAL)));
}

uint32_t top_terminal_key(int wait_ms)
{
	struct pollfd fd = {.fd = STDIN_FILENO, .events = POLLIN};
	wint_t key = 0;
	int r;

	if (is_gone())
		return TOP_KEY_GONE;
	r = get_wch(&key);
	if (r == ERR) {
		/* Another size interrupts it. */
		if (poll(&fd, 1, wait_ms) > 0 && (fd.revents & (POLLHUP | POLLERR | POLLNVAL)))
			return TOP_KEY_GONE;
		r = get_wch(&key);
	}
	if (ended_by)
		return TOP_KEY_GONE;
	return r == ERR ? TOP_KEY_NONE : r == KEY_CODE_YES ? special(key) : plain(key);
}

int top_terminal_signal(void)
{
	return ended_by;
}
