/*
 * tests/unit/test_smtp_seven_bit.c - 8-bit content for hosts without 8BITMIME (RFC 6152 3, RFC 2045 6): what is
 * converted into what, what is left alone, and what is refused.
 */
#include "core/smtp/seven_bit.h"

#include <stdlib.h>

#include "tests/unit/check.h"

enum { ROOM = 1 << 20 };

static char output[ROOM];
static size_t output_length;

/* In pieces of `step` octets. */
static enum seven_bit_result convert(const char *in, size_t length, size_t step, bool signature_void)
{
	struct seven_bit *s = malloc(sizeof(*s));
	enum seven_bit_result result;

	output_length = 0;
	seven_bit_init(s);
	s->signature_void = signature_void;
	for (size_t i = 0; i < length; i += step)
		seven_bit_look(s, (const uint8_t *)in + i, length - i < step ? length - i : step);
	result = seven_bit_looked(s);
	if (result == SEVEN_BIT_CONVERT) {
		seven_bit_rewind(s);
		for (size_t i = 0; i < length; i += step) {
			size_t n = length - i < step ? length - i : step, written;
			uint8_t *piece = malloc(n), *out = malloc(seven_bit_room(n));
			memcpy(piece, in + i, n);
			written = seven_bit_write(s, piece, n, out);
			CHECK(written <= seven_bit_room(n));
			memcpy(output + output_length, out, written);
			output_length += written;
			free(piece);
			free(out);
		}
		output_length += seven_bit_end(s, (uint8_t *)output + output_length);
		CHECK_EQ(output_length, (int64_t)length + seven_bit_growth(s));
	}
	output[output_length] = '\0';
	free(s);
	return result;
}

#define TEXT8 "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n"
#define TEXTQ "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n"
#define MIXED "MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=\"b\"\r\n"

static const struct {
	const char *in, *out; /* out NULL: it is not converted */
	enum seven_bit_result result;
} table[] = {
	/* Nothing to do. */
	{"", NULL, SEVEN_BIT_AS_IS},
	{"Subject: x\r\n\r\nplain\r\n", NULL, SEVEN_BIT_AS_IS},
	{"Subject: Gr\xc3\xbc\xc3\x9f\x65\r\n\r\nplain\r\n", NULL, SEVEN_BIT_AS_IS},
	{"MIME-Version: 1.0\r\n" TEXT8 "\r\nplain\r\n", NULL, SEVEN_BIT_AS_IS},
	/* What signs or cannot be read is not in the way of what needs nothing. */
	{"DKIM-Signature: x\r\nMIME-Version: 1.0\r\n" TEXT8 "\r\nplain\r\n", NULL, SEVEN_BIT_AS_IS},
	{"Content-Type: multipart/mixed\r\n\r\nplain\r\n", NULL, SEVEN_BIT_AS_IS},
	{"no field\r\nplain\r\n", NULL, SEVEN_BIT_AS_IS},
	/* A text. */
	{"MIME-Version: 1.0\r\n" TEXT8 "\r\nGr\xc3\xb6\xc3\x9f\x65 of all people here\r\n",
	 "MIME-Version: 1.0\r\n" TEXTQ "\r\nGr=C3=B6=C3=9Fe of all people here\r\n", SEVEN_BIT_CONVERT},
	/* Blanks at the end of a line, "=", a line without an end. */
	{"MIME-Version: 1.0\r\n" TEXT8 "\r\na = b and text to have it quoted \r\n\xc3\xa9\t\r\n.\r\nend ",
	 "MIME-Version: 1.0\r\n" TEXTQ "\r\na =3D b and text to have it quoted=20\r\n=C3=A9=09\r\n.\r\nend=20",
	 SEVEN_BIT_CONVERT},
	/* It says 7bit, or nothing, and has others: it is what it is. */
	{"MIME-Version: 1.0\r\nContent-Transfer-Encoding: 7bit\r\nContent-Type: text/plain\r\n\r\nplain \xe9 text\r\n",
	 "MIME-Version: 1.0\r\nContent-Type: text/plain\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\nplain "
	 "=E9 "
	 "text\r\n",
	 SEVEN_BIT_CONVERT},
	/* A device that knows nothing of MIME. */
	{"Subject: scan\r\n\r\nGr\xc3\xb6\xc3\x9f\x65 and more text\r\n",
	 "Subject: scan\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n"
	 "Content-Transfer-Encoding: quoted-printable\r\n\r\nGr=C3=B6=C3=9Fe and more text\r\n",
	 SEVEN_BIT_CONVERT},
	{"Subject: scan\r\n\r\nGr\xf6\xdf\x65 and more text\r\n",
	 "Subject: scan\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=unknown-8bit\r\n"
	 "Content-Transfer-Encoding: quoted-printable\r\n\r\nGr=F6=DFe and more text\r\n",
	 SEVEN_BIT_CONVERT},
	/* Mostly others: base64 is shorter. */
	{"MIME-Version: 1.0\r\n" TEXT8 "\r\n\xd0\x9f\xd1\x80\xd0\xb8\xd0\xb2\xd0\xb5\xd1\x82\r\n",
	 "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\n"
	 "0J/RgNC40LLQtdGCDQo=\r\n",
	 SEVEN_BIT_CONVERT},
	/* No text. */
	{"MIME-Version: 1.0\r\nContent-Type: application/x; name=\"(a;b\"\r\nContent-Transfer-Encoding: "
	 "8bit\r\n\r\nabc\xff\r\n",
	 "MIME-Version: 1.0\r\nContent-Type: application/x; name=\"(a;b\"\r\nContent-Transfer-Encoding: "
	 "base64\r\n\r\nYWJj/"
	 "w0K\r\n",
	 SEVEN_BIT_CONVERT},
	/* Leaves by themselves; the label above; before, between and behind parts. */
	{MIXED "Content-Transfer-Encoding: 8bit\r\n\r\nfor \xe9\x63rans\r\n--b\r\n" TEXT8
	       "\r\nGr\xc3\xb6\xc3\x9f\x65 of "
	       "all\r\n--b\r\nContent-Type: image/png\r\nContent-Transfer-Encoding: "
	       "base64\r\n\r\niVBORw0KGgo=\r\n--b\r\n" TEXT8 "\r\nplain\r\n--b--\r\nend \xe9\r\n",
	 MIXED "Content-Transfer-Encoding: 7bit\r\n\r\nfor ?crans\r\n--b\r\n" TEXTQ "\r\nGr=C3=B6=C3=9Fe of "
	       "all\r\n--b\r\nContent-Type: image/png\r\nContent-Transfer-Encoding: "
	       "base64\r\n\r\niVBORw0KGgo=\r\n--b\r\n" TEXT8 "\r\nplain\r\n--b--\r\nend ?\r\n",
	 SEVEN_BIT_CONVERT},
	/* The CRLF before a boundary is the boundary's (RFC 2046 5.1.1). */
	{MIXED "\r\n--b\r\nContent-Type: application/x\r\n\r\n\xff\r\n\r\n--b--\r\n",
	 MIXED "\r\n--b\r\nContent-Type: application/x\r\nContent-Transfer-Encoding: base64\r\n\r\n/w0K\r\n--b--\r\n",
	 SEVEN_BIT_CONVERT},
	{MIXED "\r\n--b\r\n\r\nabcdefgh\xff\r\n--b  \r\n\r\nabcdefgh\xfe\r\n--b--",
	 MIXED "\r\n--b\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\nabcdefgh=FF\r\n--b  "
	       "\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\nabcdefgh=FE\r\n--b--",
	 SEVEN_BIT_CONVERT},
	/* Boundaries of which one begins like the other (Apple Mail writes such), and one without quotes. */
	{"MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=Mail-1\r\n\r\n--Mail-1\r\nContent-Type: "
	 "multipart/alternative; boundary=Mail-11=_\r\n\r\n--Mail-11=_\r\n\r\nsome text "
	 "\xff\r\n--Mail-11=_--\r\n\r\n--Mail-1--\r\n",
	 "MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=Mail-1\r\n\r\n--Mail-1\r\nContent-Type: "
	 "multipart/alternative; boundary=Mail-11=_\r\n\r\n--Mail-11=_\r\nContent-Transfer-Encoding: "
	 "quoted-printable\r\n\r\nsome text =FF\r\n--Mail-11=_--\r\n\r\n--Mail-1--\r\n",
	 SEVEN_BIT_CONVERT},
	/* A message in the message, and by default those of a digest; signed or not. */
	{MIXED "\r\n--b\r\nContent-Type: message/rfc822\r\nContent-Transfer-Encoding: 8bit\r\n\r\nDKIM-Signature: x\r\n"
	       "Subject: y\r\n\r\nabcdefgh\xff\r\n--b--\r\n",
	 MIXED "\r\n--b\r\nContent-Type: message/rfc822\r\nContent-Transfer-Encoding: 7bit\r\n\r\nDKIM-Signature: "
	       "x\r\nSubject: y\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=unknown-8bit\r\n"
	       "Content-Transfer-Encoding: quoted-printable\r\n\r\nabcdefgh=FF\r\n--b--\r\n",
	 SEVEN_BIT_CONVERT},
	{"MIME-Version: 1.0\r\nContent-Type: multipart/digest; boundary=b\r\n\r\n--b\r\n\r\nMIME-Version: 1.0\r\n" TEXT8
	 "\r\nabcdefgh \xc3\xa9\r\n--b--\r\n",
	 "MIME-Version: 1.0\r\nContent-Type: multipart/digest; boundary=b\r\n\r\n--b\r\n\r\nMIME-Version: 1.0\r\n" TEXTQ
	 "\r\nabcdefgh =C3=A9\r\n--b--\r\n",
	 SEVEN_BIT_CONVERT},
	/* An SMTPUTF8 message in it, which is encoded as a whole (RFC 6532 3.7). */
	{MIXED "\r\n--b\r\nContent-Type: message/global\r\nContent-Transfer-Encoding: 8bit\r\n\r\nSubject: some "
	       "words \xc3\xbc\r\n\r\nabcdefgh\r\n--b--\r\n",
	 MIXED "\r\n--b\r\nContent-Type: message/global\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\nSubject: "
	       "some words =C3=BC\r\n\r\nabcdefgh\r\n--b--\r\n",
	 SEVEN_BIT_CONVERT},
	{MIXED "\r\n--b\r\nContent-Type: message/globally\r\n\r\n\xc3\xbc\r\n--b--\r\n", NULL, SEVEN_BIT_UNREADABLE},
	/* What is signed or encrypted. The second was seen broken on the way by a large provider. */
	{"DKIM-Signature: v=1; bh=x\r\nMIME-Version: 1.0\r\n" TEXT8 "\r\n\xc3\xa9\r\n", NULL, SEVEN_BIT_SIGNED},
	{"MIME-Version: 1.0\r\nContent-Type: multipart/signed; protocol=\"application/x-pkcs7-signature\"; "
	 "boundary=\"s\"\r\n"
	 "\r\nThis is an S/MIME signed message\r\n\r\n--s\r\n" MIXED
	 "Content-Transfer-Encoding: 8bit\r\n\r\n--b\r\n" TEXT8
	 "\r\n\xc3\xb6 \xc3\xa4\r\n--b--\r\n\r\n--s\r\nContent-Type: "
	 "application/x-pkcs7-signature\r\n\r\nMII=\r\n--s--\r\n",
	 NULL, SEVEN_BIT_SIGNED},
	{"ARC-Message-Signature: i=1\r\n\r\n\xc3\xa9\r\n", NULL, SEVEN_BIT_SIGNED},
	{MIXED "\r\n--b\r\nContent-Type: multipart/encrypted; boundary=e\r\n\r\n--e\r\n\r\n\xff\r\n--e--\r\n--b--\r\n",
	 NULL, SEVEN_BIT_SIGNED},
	/* What is encoded already and is wrong, and types that may not be encoded. */
	{"MIME-Version: 1.0\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n=C3=A9 \xc3\xa9\r\n", NULL,
	 SEVEN_BIT_UNREADABLE},
	{"MIME-Version: 1.0\r\nContent-Transfer-Encoding: x-what\r\n\r\n\xc3\xa9\r\n", NULL, SEVEN_BIT_UNREADABLE},
	{"MIME-Version: 1.0\r\nContent-Type: message/partial; id=x\r\n\r\n\xc3\xa9\r\n", NULL, SEVEN_BIT_UNREADABLE},
	{"MIME-Version: 1.0\r\nContent-Type: message/delivery-status\r\n\r\nx: \xc3\xa9\r\n", NULL,
	 SEVEN_BIT_UNREADABLE},
	{MIXED "Content-Transfer-Encoding: base64\r\n\r\n--b\r\n\r\n\xff\r\n--b--\r\n", NULL, SEVEN_BIT_UNREADABLE},
	/* What not everybody reads in the same way. */
	{"MIME-Version: 1.0\r\nContent-Type: text/plain\r\nContent-Type: text/html\r\n\r\n\xff\r\n", NULL,
	 SEVEN_BIT_UNREADABLE},
	{"MIME-Version: 1.0\r\nContent-Transfer-Encoding: 8bit\r\nContent-Transfer-Encoding: base64\r\n\r\n\xff\r\n",
	 NULL, SEVEN_BIT_UNREADABLE},
	{"MIME-Version: 1.0\r\nContent-Type: multipart/mixed\r\n\r\n--b\r\n\r\n\xff\r\n--b--\r\n", NULL,
	 SEVEN_BIT_UNREADABLE},
	{"MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=a; "
	 "boundary=b\r\n\r\n--b\r\n\r\n\xff\r\n--b--\r\n",
	 NULL, SEVEN_BIT_UNREADABLE},
	{"MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary*0=a; "
	 "boundary*1=b\r\n\r\n--ab\r\n\r\n\xff\r\n--ab--\r\n",
	 NULL, SEVEN_BIT_UNREADABLE},
	{"MIME-Version: 1.0\r\nContent-Type: multipart/mixed (x); boundary=b\r\n\r\n--b\r\n\r\n\xff\r\n--b--\r\n", NULL,
	 SEVEN_BIT_UNREADABLE},
	{MIXED "\r\n--b\r\n\r\n\xff\r\n", NULL, SEVEN_BIT_UNREADABLE},
	{MIXED "\r\n--b\r\n\r\n\xff\r\n--bc\r\n--b--\r\n", NULL, SEVEN_BIT_UNREADABLE},
	{MIXED "\r\n--b\r\n\r\n\xff\r\n--b--\r\n--b\r\n\r\nx\r\n--b--\r\n", NULL, SEVEN_BIT_UNREADABLE},
	{MIXED "\r\n\xff\r\n--b--\r\n", NULL, SEVEN_BIT_UNREADABLE},
	{MIXED "\r\n--b\r\n--b--\r\n\xff\r\n", NULL, SEVEN_BIT_UNREADABLE},
	{MIXED "\r\n--b\r\nContent-Type: multipart/mixed; boundary=\"b\"\r\n\r\n--b\r\n\r\n\xff\r\n--b--\r\n--b--\r\n",
	 NULL, SEVEN_BIT_UNREADABLE},
	{MIXED
	 "\r\n--b\r\nContent-Type: multipart/mixed; boundary=\"b--\"\r\n\r\n--b--\r\n\r\n\xff\r\n--b----\r\n--b--\r\n",
	 NULL, SEVEN_BIT_UNREADABLE},
	{"no field\r\n\r\n\xff\r\n", NULL, SEVEN_BIT_UNREADABLE},
	{"Subject: x\r\n \t\r\n\r\n\xff\r\n", NULL, SEVEN_BIT_UNREADABLE},
	{" \xff\r\n", NULL, SEVEN_BIT_UNREADABLE},
};

static void test_table(void)
{
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		size_t length = strlen(table[i].in);

		for (size_t step = 1; step <= length + 1; step = step < 8 ? step + 1 : length + 1 + (step > length)) {
			int before = check_failures;

			CHECK_EQ(convert(table[i].in, length, step, false), table[i].result);
			CHECK_STR(output, table[i].out ? table[i].out : "");
			if (check_failures > before)
				fprintf(stderr, "row %zu, in pieces of %zu: %s\n", i, step, table[i].in);
		}
	}
}

static void test_signature_that_is_void(void)
{
	static const char in[] = "DKIM-Signature: x\r\nMIME-Version: 1.0\r\n" TEXT8 "\r\nabcdefgh \xc3\xa9\r\n";

	CHECK_EQ(convert(in, strlen(in), 10, true), SEVEN_BIT_CONVERT);
	CHECK_STR(output, "DKIM-Signature: x\r\nMIME-Version: 1.0\r\n" TEXTQ "\r\nabcdefgh =C3=A9\r\n");
}

/* Of a long line that is broken no part becomes a boundary, and lines are as short as they must be. */
static void test_long_lines(void)
{
	static char in[4096];
	size_t at = (size_t)sprintf(in, MIXED "\r\n--b\r\n" TEXT8 "\r\n\xc3\xa9");
	unsigned boundaries = 0;

	for (unsigned i = 0; i < 500; i++)
		at += (size_t)sprintf(in + at, "--b");
	at += (size_t)sprintf(in + at, "\r\n--b--\r\n");
	CHECK_EQ(convert(in, at, at, false), SEVEN_BIT_CONVERT);
	for (char *line = output, *end; (end = strstr(line, "\r\n")); line = end + 2) {
		CHECK(end - line <= 76);
		boundaries += strncmp(line, "--b", 3) == 0;
	}
	CHECK_EQ(boundaries, 2);
}

/* More levels and parts than anybody writes end nothing and cost nothing. */
static void test_depth_and_number(void)
{
	static char in[ROOM];
	size_t at = 0;

	for (unsigned i = 0; i < 10000; i++)
		at += (size_t)sprintf(in + at, "Content-Type: message/rfc822\r\n\r\n");
	CHECK_EQ(convert(in, at, 1000, false), SEVEN_BIT_AS_IS);
	at += (size_t)sprintf(in + at, "\r\n\xff\r\n");
	CHECK_EQ(convert(in, at, 1000, false), SEVEN_BIT_UNREADABLE);
	at = (size_t)sprintf(in, MIXED "\r\n");
	for (unsigned i = 0; i < 5000; i++)
		at += (size_t)sprintf(in + at, "--b\r\n\r\n\xff\r\n");
	at += (size_t)sprintf(in + at, "--b--\r\n");
	CHECK_EQ(convert(in, at, 1000, false), SEVEN_BIT_UNREADABLE);
	at = (size_t)sprintf(in, MIXED "\r\n");
	for (unsigned i = 0; i < 4000; i++)
		at += (size_t)sprintf(in + at, "--b\r\n\r\n\xff\r\n");
	at += (size_t)sprintf(in + at, "--b--\r\n");
	CHECK_EQ(convert(in, at, 1000, false), SEVEN_BIT_CONVERT);
}

int main(void)
{
	RUN(test_table);
	RUN(test_signature_that_is_void);
	RUN(test_long_lines);
	RUN(test_depth_and_number);
	return check_end();
}
