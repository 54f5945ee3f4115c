/*
 * core/config/preset.h - what is known of a provider, as a file: `preset: NAME` in a destination.
 *
 * A preset's `destination` has keys of a destination; each stands for what the destination of the configuration does
 * not say itself. They are put into the file's tree before it is read, so that one schema reads all, whoever wrote it;
 * marks of their nodes say that they are from a preset, for messages and for `check --show`. What else a preset
 * says (hosts that may be meant, dates, which recipients it takes) is looked at there and gives warnings.
 *
 * Presets are looked for in the directory that POSTRIDER_PRESETS names, or else in /etc/postrider/presets and where
 * they were installed.
 */
#ifndef POSTRIDER_CONFIG_PRESET_H
#define POSTRIDER_CONFIG_PRESET_H

#include <stdbool.h>

#include "core/config/reader.h"

/* Merges the presets that destinations of r->document name. Before any node is pointed to: the tree may move. False
 * after saying what is wrong. */
bool preset_merge(struct reader *r);
/* Warns of what the preset of a destination says against what is configured, and has `mx_of` know what it says of
 * hosts. When all is read. False: no memory. */
bool preset_finish(struct reader *r);
/* What preset_merge() has kept. */
void preset_free(struct reader *r);

#endif
