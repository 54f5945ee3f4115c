/*
 * core/page/qr.c - see qr.h.
 */
#include "core/page/qr.h"

#include <qrencode.h>
#include <string.h>

enum { QUIET = 4, OCTETS_MAX = 1200 };

/* As it is; UTF-8 is what readers take octets for. With less to correct errors by where that makes it fit. */
static QRcode *encode(const char *text)
{
	size_t length = strlen(text);
	QRcode *code;

	if (length == 0 || length > OCTETS_MAX)
		return NULL;
	code = QRcode_encodeData((int)length, (const unsigned char *)text, 0, QR_ECLEVEL_M);
	return code ? code : QRcode_encodeData((int)length, (const unsigned char *)text, 0, QR_ECLEVEL_L);
}

/* Dark squares beside each other are one rectangle. */
static void put_row(struct html *html, const unsigned char *row, int width, int y)
{
	int x = 0;

	while (x < width) {
		int from = x;
		while (x < width && row[x] & 1)
			x++;
		if (x > from)
			html_put(html, "M%d %dh%dv1h-%dz", from + QUIET, y + QUIET, x - from, x - from);
		else
			x++;
	}
}

bool qr_put(struct html *html, const char *text, const char *name)
{
	QRcode *code = encode(text);
	int side;

	if (!code)
		return false;
	side = code->width + 2 * QUIET;
	html_put(
		html,
		"<svg class=\"qr\" role=\"img\" aria-label=\"%s\" viewBox=\"0 0 %d %d\" shape-rendering=\"crispEdges\">"
		"<rect width=\"%d\" height=\"%d\" fill=\"#fff\"/><path fill=\"#000\" d=\"",
		name, side, side, side, side);
	for (int y = 0; y < code->width; y++)
		put_row(html, code->data + (size_t)y * (size_t)code->width, code->width, y);
	html_put(html, "\"/></svg>");
	QRcode_free(code);
	return true;
}
