/*
 * core/config/quirks.h - what old devices do otherwise than RFC 5321 has it, and what is done about it for those of
 * which the configuration says so. Nobody else is treated otherwise.
 */
#ifndef POSTRIDER_CONFIG_QUIRKS_H
#define POSTRIDER_CONFIG_QUIRKS_H

enum quirk {
	/* Content has bare LF or CR CR LF: they are made CRLF. Data ends at CRLF.CRLF all the same. */
	QUIRK_LINE_ENDINGS = 1 << 0,
	/* Command lines may end in LF or CR CR LF; where DATA did, its content's lines do, the last one too. */
	QUIRK_ANY_ENDINGS = 1 << 1,
	/* Lines longer than 998 octets go on in the next one. */
	QUIRK_LONG_LINES = 1 << 2,
	/* Date and Message-ID are missing: they are added, as by add_missing_headers. Of profiles. */
	QUIRK_MISSING_HEADERS = 1 << 3,
	/* Of devices' profiles: whoever it says it is, its mail goes as from the device's `from`, under its name. */
	QUIRK_OWN_FROM = 1 << 4,
};

#endif
