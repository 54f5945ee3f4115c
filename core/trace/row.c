/*
 * core/trace/row.c - see row.h.
 */
#include "core/trace/row.h"

#include <assert.h>

static const char *const result_names[ROW_RESULTS] = {
	[ROW_QUEUED] = "queued",           [ROW_DELIVERED] = "delivered", [ROW_DEFERRED] = "deferred",
	[ROW_FAILED] = "failed",           [ROW_HELD] = "held",           [ROW_EXPIRED] = "expired",
	[ROW_UNKNOWN] = "unknown",         [ROW_PARTIAL] = "partial",     [ROW_OTHER_PATH] = "other_path",
	[ROW_INTERRUPTED] = "interrupted", [ROW_REFUSED] = "refused",
};

/* `kind` is that of the event (fact.h); steps of a message stand in its order of time, by milliseconds since its number
 * times 64. */
const char row_schema[] =
	"CREATE TABLE message(n INTEGER PRIMARY KEY, id BLOB, kind INT, client INT, device INT, user INT, peer INT,"
	" listener INT, sender TEXT, recipients INT, octets INT, message_id TEXT, destination INT);"
	"CREATE TABLE recipient(n INT, hash INT, address TEXT, destination INT, result INT,"
	" PRIMARY KEY(n, hash)) WITHOUT ROWID;"
	"CREATE TABLE step(n INT, k INT, kind INT, result INT, destination INT, host INT, mailbox INT, tls INT, code "
	"INT,"
	" stage INT, reply TEXT, problem INT, ms INT, queued_ms INT, attempt INT, recipients INT, more TEXT,"
	" PRIMARY KEY(n, k)) WITHOUT ROWID;"
	"CREATE TABLE key(period INT, hash INT, n INT, PRIMARY KEY(period, hash, n)) WITHOUT ROWID;"
	"CREATE TABLE name(id INTEGER PRIMARY KEY, text TEXT NOT NULL UNIQUE, period INT);"
	"CREATE TABLE gap(ms INT, until INT, count INT, why TEXT);";

static_assert(ROW_QUEUED == 0 && ROW_DEFERRED == 2 && ROW_HELD == 4, "as the index has them");

/* Said with OR: for a list, SQLite makes a table of it in memory for each row that is written. */
const char row_unfinished[] = "CREATE INDEX IF NOT EXISTS waiting ON recipient(result, n)"
			      " WHERE result=0 OR result=2 OR result=4;"
			      "DROP INDEX IF EXISTS unfinished";

const char *row_result_name(enum row_result result)
{
	return result < ROW_RESULTS ? result_names[result] : "?";
}

enum row_result row_result_of(struct span name)
{
	for (int i = 0; i < ROW_RESULTS; i++) {
		if (strlen(result_names[i]) == name.length && memcmp(result_names[i], name.data, name.length) == 0)
			return (enum row_result)i;
	}
	return ROW_RESULTS;
}

static uint64_t mix(uint64_t x)
{
	x = (x ^ x >> 32) * UINT64_C(0xd6e8feb86659fd93);
	return x ^ x >> 32;
}

/* FNV-1a, mixed: its low bits alone are not good enough. */
int64_t row_hash(enum row_key kind, struct span text)
{
	uint64_t hash = UINT64_C(0xcbf29ce484222325) ^ (uint64_t)(kind + 1);

	hash *= UINT64_C(0x100000001b3);
	for (uint32_t i = 0; i < text.length; i++) {
		uint8_t c = (uint8_t)text.data[i];
		hash ^= c >= 'A' && c <= 'Z' ? c + 32u : c;
		hash *= UINT64_C(0x100000001b3);
	}
	return (int64_t)(mix(hash) >> 16);
}

int64_t row_number_at(uint64_t ms)
{
	/* Until the year 2248, and for whatever else a damaged clock says. */
	return (int64_t)((ms & ((UINT64_C(1) << 43) - 1)) << ROW_TIME_SHIFT);
}

int64_t row_number(struct message_id id)
{
	return row_number_at(id.high / 1000000) |
	       (int64_t)(mix(id.high ^ mix(id.low)) & ((UINT64_C(1) << ROW_TIME_SHIFT) - ROW_PROBES - 1));
}
