/* queue/octets.h - little-endian numbers in octets, as everything in a spool is written. */
#ifndef POSTRIDER_QUEUE_OCTETS_H
#define POSTRIDER_QUEUE_OCTETS_H

#include <stdint.h>

static inline void put16(uint8_t *out, uint16_t v)
{
	out[0] = (uint8_t)v;
	out[1] = (uint8_t)(v >> 8);
}

static inline void put32(uint8_t *out, uint32_t v)
{
	put16(out, (uint16_t)v);
	put16(out + 2, (uint16_t)(v >> 16));
}

static inline void put64(uint8_t *out, uint64_t v)
{
	put32(out, (uint32_t)v);
	put32(out + 4, (uint32_t)(v >> 32));
}

static inline uint16_t get16(const uint8_t *in)
{
	return (uint16_t)(in[0] | in[1] << 8);
}

static inline uint32_t get32(const uint8_t *in)
{
	return get16(in) | (uint32_t)get16(in + 2) << 16;
}

static inline uint64_t get64(const uint8_t *in)
{
	return get32(in) | (uint64_t)get32(in + 4) << 32;
}

#endif
