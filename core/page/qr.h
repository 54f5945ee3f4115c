/*
 * core/page/qr.h - a text as a QR code (ISO/IEC 18004), drawn in the page itself as SVG: black on white whatever the
 * page's colours, with the quiet zone that readers want. Nothing of the text is in the markup.
 */
#ifndef POSTRIDER_PAGE_QR_H
#define POSTRIDER_PAGE_QR_H

#include <stdbool.h>

#include "core/page/html.h"

/* `name`: what it is, for who does not see it. False: it is too long for one, or there is no memory; nothing is
 * written. */
bool qr_put(struct html *html, const char *text, const char *name);

#endif
