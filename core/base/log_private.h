/*
 * core/base/log_private.h - what log.c (the producer's side) and log_writer.c (the consumer's) share.
 *
 * The buffer is a ring of octets with LOG_EVENT_MAX octets of slack behind its end. An event is formatted in
 * one piece from `head` on, into the slack if need be; log_end() then copies what lies in the slack to
 * the ring's beginning and publishes the whole line by moving `head`. So the producer always formats
 * into contiguous memory, and the consumer sees nothing but a ring of whole lines.
 */
#ifndef POSTRIDER_BASE_LOG_PRIVATE_H
#define POSTRIDER_BASE_LOG_PRIVATE_H

#include <assert.h>
#include <stdatomic.h>
#include <stddef.h>

#include "core/base/log.h"

enum { LOG_CACHE_LINE = 64, LOG_STAMP_SIZE = sizeof("2026-01-01T00:00:00") };

struct log {
	/* The producer's. Cursors count octets since the start and never wrap (64 bits). */
	_Alignas(LOG_CACHE_LINE) _Atomic(uint64_t) head; /* written up to here */
	uint64_t tail_seen;                              /* producer's copy of tail */
	uint64_t lost;                                   /* events dropped since the last log_lost */
	uint64_t second;                                 /* the one `stamp` is for; UINT64_MAX: none yet */
	char stamp[LOG_STAMP_SIZE];
	char shard[24]; /* `,"shard":N` */
	uint8_t shard_length;
	bool open;      /* between log_begin() and log_end() */
	bool truncated; /* the open event has lost (part of) a field */

	/* The consumer's. */
	_Alignas(LOG_CACHE_LINE) _Atomic(uint64_t) tail; /* moved out up to here */
	_Atomic(uint64_t) shown;                         /* taps have seen it up to here; a line's end */

	/* Constant. */
	_Alignas(LOG_CACHE_LINE) uint64_t capacity;
	char *buffer; /* capacity + LOG_EVENT_MAX */
	bool kept;    /* it lies, with its buffer, in memory of somebody else; else both are owned */
};

/* lines_kept.c has a word in its files that changes with this. */
static_assert(offsetof(struct log, head) == 0 && offsetof(struct log, tail) == 2 * LOG_CACHE_LINE &&
		      offsetof(struct log, capacity) == 3 * LOG_CACHE_LINE,
	      "as files of other processes have it");

#endif
