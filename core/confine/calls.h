/*
 * core/confine/calls.h - which system calls the process may still make: a seccomp filter, by libseccomp.
 *
 * A list of what the relay and its libraries use is allowed, to all threads. What is not in it answers ENOSYS, as on
 * a kernel that lacks it, so that a library that tries something new takes the way it has for old kernels; where only
 * what is asked for is refused (a socket of another family, a process instead of a thread, memory that is written and
 * run), it answers EPERM. Nothing is killed: what is refused is refused either way, and a library's new version must
 * not end a relay at night. Calls of another processor mode, which nothing of ours makes, do end it.
 *
 * The process beside us decides on what is refused (beside.h), so that it can be told: whoever has the descriptor for
 * that could allow himself everything, so it does not stay here.
 */
#ifndef POSTRIDER_CONFINE_CALLS_H
#define POSTRIDER_CONFINE_CALLS_H

#include <stdbool.h>
#include <stddef.h>

enum calls_state {
	CALLS_OFF,     /* not wished for */
	CALLS_LACKING, /* the kernel, or who confines us already, does not take it */
	CALLS_HELD,
};

/* Before there is a second thread. *told: a descriptor of those that are refused, for the process beside, or -1 where
 * there cannot be one, and they are refused without a word. */
enum calls_state calls_hold(bool wished, bool told_wanted, int *told);
/* Sanitizers look for leaks by a process that stops all others, and start a program for symbols: a build with one has a
 * list that refuses little. */
bool calls_are_loose(void);
/* Whether the call as such is in the list: then it was refused for what it was to do. */
bool calls_listed(int number);
/* Its name; "" where the library does not know it. */
void calls_name(int number, char *name, size_t size);

#endif
