/*
 * core/confine/beside.h - the process beside the relay's: what that may not do itself.
 *
 * It is made when the process is still whole, before files and calls are restricted, so the programs of `oauth.command`
 * run as they always did: it starts those that stand in the configuration of the start, and no others, whoever asks;
 * any, where nothing is restricted. They become children of the relay, which waits for them and ends them; with each
 * runs a guard, which ends all of its group should the relay end before. It answers for calls that the filter refuses
 * (calls.h), and says which they were; it finds out whose socket is in the way of a listener, and opens two files.
 *
 * It holds no mail and no secrets, takes no octets from the network, and ends with the relay. Where it is gone, calls
 * are refused all the same, and commands cannot be started.
 */
#ifndef POSTRIDER_CONFINE_BESIDE_H
#define POSTRIDER_CONFINE_BESIDE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct config;
struct config_oauth;

/* Before there is a second thread, but in a small process, which may be late, with NULL: it starts any command. 0 or
 * -errno. */
int beside_begin(const struct config *config);
/* For who does not end with a relay: it is gone behind this, and not asked any more. */
void beside_end(void);
/* Whether it is there. */
bool beside_is_there(void);
/* Hands over the descriptor of refused calls, and closes it here; -1: there is none. */
void beside_watch(int told);

struct beside_refusal {
	int32_t number; /* the call */
	int32_t thread; /* whose */
	uint64_t arguments[3];
};
/* The next call that was refused, each number once. False: none. Never waits. */
bool beside_refused(struct beside_refusal *refusal);
/* It is gone before the relay: nobody tells of refused calls any more, and no command can be started. */
bool beside_has_ended(void);
/* It owes an answer for longer than BESIDE_ANSWER_MS, as one that was stopped: until it gives it nothing more is asked
 * of it. A command that it starts so late is ended. Never waits. */
bool beside_is_silent(void);
/* Its number; 0: there is none. */
pid_t beside_number(void);

enum { BESIDE_ENVIRONMENT = 256 };
/* What a command finds around it: ours, but for what is between the service manager and us, and the variable, which has
 * to stay for as long as `out` is used. */
void beside_environment(char *out[BESIDE_ENVIRONMENT], char *variable);
enum { BESIDE_ANSWER_MS = 5000 };
/* Starts the program with these two as its output, in a group of its own; its environment has the variable besides. Any
 * thread may. 0 with its number, or -errno; -EPERM: it is none of the start's; -ETIMEDOUT: no answer. */
int beside_start(char *const *arguments, const char *variable, int out, int err, pid_t *pid);
/* The relay's own `doctor`, which is known like the commands of the configuration where somebody can ask for it
 * (core/control/checkup.h): the program as it runs, also where the file was replaced, with the file that it was started
 * with. The words point into `config`. */
enum { BESIDE_DOCTOR_WORDS = 8 };
void beside_doctor(const struct config *config, char *words[BESIDE_DOCTOR_WORDS]);
/* To read one that stands in /etc itself, and was replaced since the start: Landlock knows the file that was there. The
 * descriptor, or -errno. */
enum beside_file { BESIDE_HOSTS, BESIDE_RESOLV_CONF, BESIDE_FILES };
int beside_open(enum beside_file file);
/* The first command of `config` that could not be started; NULL: all can. */
const char *beside_lacks(const struct config *config);

#endif
