/*
 * core/smtp/enhanced.h - enhanced status codes (RFC 3463, RFC 2034) as numbers, so that rules can compare them.
 */
#ifndef POSTRIDER_SMTP_ENHANCED_H
#define POSTRIDER_SMTP_ENHANCED_H

#include <stdint.h>

#include "core/base/span.h"

/* class "." subject "." detail in one number; 0 is none. */
#define SMTP_ENHANCED(class, subject, detail) ((uint32_t)(class) << 20 | (uint32_t)(subject) << 10 | (uint32_t)(detail))

/* The code the text begins with, where its class is that of the reply (`code`); else 0. */
uint32_t smtp_enhanced_code(unsigned code, struct span text);

static inline unsigned smtp_enhanced_class(uint32_t enhanced)
{
	return enhanced >> 20;
}
static inline unsigned smtp_enhanced_subject(uint32_t enhanced)
{
	return enhanced >> 10 & 1023;
}
static inline unsigned smtp_enhanced_detail(uint32_t enhanced)
{
	return enhanced & 1023;
}

#endif
