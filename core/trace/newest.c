/*
 * core/trace/newest.c - see newest.h. A ring of octets: who writes it goes over what is oldest, in the middle of a
 * line, and who reads it begins behind the first end of a line.
 */
#include "core/trace/newest.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

struct newest {
	pthread_mutex_t lock; /* of all below, while some kilobytes are copied */
	size_t at;            /* where the next octet goes */
	bool full;            /* it has gone around */
	char octets[NEWEST_OCTETS];
};

struct newest *newest_new(void)
{
	struct newest *newest = calloc(1, sizeof(*newest));

	if (newest)
		pthread_mutex_init(&newest->lock, NULL);
	return newest;
}

void newest_free(struct newest *newest)
{
	if (!newest)
		return;
	pthread_mutex_destroy(&newest->lock);
	free(newest);
}

void newest_take(void *context, const char *lines, size_t length)
{
	struct newest *newest = context;

	/* Of more than there is room for the end is what is kept. */
	if (length > NEWEST_OCTETS) {
		lines += length - NEWEST_OCTETS;
		length = NEWEST_OCTETS;
	}
	pthread_mutex_lock(&newest->lock);
	while (length > 0) {
		size_t room = NEWEST_OCTETS - newest->at, n = length < room ? length : room;
		memcpy(newest->octets + newest->at, lines, n);
		lines += n;
		length -= n;
		newest->at += n;
		if (newest->at == NEWEST_OCTETS) {
			newest->at = 0;
			newest->full = true;
		}
	}
	pthread_mutex_unlock(&newest->lock);
}

char *newest_read(struct newest *newest, size_t *length)
{
	char *out = malloc(NEWEST_OCTETS + 1), *end;
	size_t n = 0;

	*length = 0;
	if (!out)
		return NULL;
	pthread_mutex_lock(&newest->lock);
	if (newest->full) {
		n = NEWEST_OCTETS - newest->at;
		memcpy(out, newest->octets + newest->at, n);
	}
	memcpy(out + n, newest->octets, newest->at);
	n += newest->at;
	end = newest->full ? memchr(out, '\n', n) : NULL;
	pthread_mutex_unlock(&newest->lock);
	if (end) {
		n -= (size_t)(end + 1 - out);
		memmove(out, end + 1, n);
	}
	out[n] = '\0';
	*length = n;
	return out;
}
