/*
 * core/agents/bundle_hidden.h - words that are to be in no text that leaves: lines of the files with secrets that a
 * configuration names, and what of itself may be one.
 */
#ifndef POSTRIDER_AGENTS_BUNDLE_HIDDEN_H
#define POSTRIDER_AGENTS_BUNDLE_HIDDEN_H

#include <stddef.h>

struct config;
struct hidden_words;

/* Shorter ones would be found everywhere; no more than so many are known, and the first ones: a password has up to five
 * forms, each of which is one. Of hashes, which are as many as users, there are fewer. */
enum { HIDDEN_WORD_MIN = 4, HIDDEN_WORDS_MAX = 1 << 17, HIDDEN_HASHES_MAX = 1 << 14 };

struct hidden_words *hidden_words_new(void); /* NULL without memory */
void hidden_words_free(struct hidden_words *words);
/* Each line of a text, and in a line what stands between colons, quotes and blanks, where it is long enough to be none
 * of language: 12 octets. */
void hidden_words_take(struct hidden_words *words, const char *text);
/* Of a file NAME:HASH (core/config/user_file.h) the hashes. */
void hidden_words_take_users(struct hidden_words *words, const char *text, size_t length);
/* Those of a configuration itself, and which files it names. No file is read. */
void hidden_words_of(struct hidden_words *words, const struct config *config);
/* Those of all such files. One that cannot be read is passed over: it can be in no text either. */
void hidden_words_read(struct hidden_words *words);
/* The text without any of them, as it is, as JSON and as base64 has it: from malloc, with its *length, and HIDDEN_SPARE
 * octets of room behind it; NULL without memory, now or for one of the words. */
enum { HIDDEN_SPARE = 64 };
char *hidden_words_out(const struct hidden_words *words, const char *text, size_t *length);

#endif
