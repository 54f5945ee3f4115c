/*
 * core/relay/first_files.h - what files hold of the first snapshot: trust anchors, certificates, passwords.
 */
#ifndef POSTRIDER_RELAY_FIRST_FILES_H
#define POSTRIDER_RELAY_FIRST_FILES_H

struct agents;
struct config;
struct relay;

/* Before any shard runs. 0 or the exit status of the process; what is wrong was said on standard error. */
int first_files_load(struct relay *relay, struct agents *agents, const struct config *config);

#endif
