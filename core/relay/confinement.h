/*
 * core/relay/confinement.h - what the process gives up before it opens anything: being root, files, calls.
 *
 * In this order: the user; the process beside, which keeps what the others lose; files; calls. docs/hardening.md has
 * all of it for operators.
 */
#ifndef POSTRIDER_RELAY_CONFINEMENT_H
#define POSTRIDER_RELAY_CONFINEMENT_H

#include <stdbool.h>
#include <stddef.h>

#include "core/base/log.h"
#include "core/events/confining.h"

struct config;
struct config_problems;
struct logs;

/* Before there is a second thread. 0, or -errno with a sentence. What the kernel lacks is no error, but for io_uring,
 * without which there is no relay. Opens the memory of `logs` in between, as that is no file it keeps the right to. */
int confinement_begin(const struct config *config, struct logs *logs, char *problem, size_t size);
/* What it came to. `ring`: the rings are held to their operations. */
struct event_confined confinement_facts(bool ring);
void confinement_tell(struct log *log, bool ring);
/* Tells which calls were refused since the last time. */
void confinement_sweep(struct log *log);
/* Whether the process can do what `next` wants, with what it has given up: NULL, or a sentence. Static memory. */
const char *confinement_refuses(const struct config *next);

#endif
