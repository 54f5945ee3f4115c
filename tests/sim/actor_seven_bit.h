/*
 * tests/sim/actor_seven_bit.h - reads back what was converted for a host that takes no 8-bit content: a message of one
 * text, of which the relay has written the fields. Nothing of it is the relay's own code.
 */
#ifndef POSTRIDER_SIM_ACTOR_SEVEN_BIT_H
#define POSTRIDER_SIM_ACTOR_SEVEN_BIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* An octet above 127 is in it. */
bool seven_bit_wide(const uint8_t *content, size_t length);
/* Whether `content` means `expected`. */
bool seven_bit_means(const uint8_t *content, size_t length, const uint8_t *expected, size_t expected_length);

#endif
