/* core/smtp/span.h - spans, where the parsers look for them. */
#ifndef POSTRIDER_SMTP_SPAN_H
#define POSTRIDER_SMTP_SPAN_H

#include "core/base/span.h"

#endif
