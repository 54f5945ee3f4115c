/*
 * core/relay/spool_tool.h - `postrider spool check | export`: what lies in a spool that no relay uses just now.
 *
 * Purpose
 *   Reads as the next start would, needs no configuration, and changes nothing: no file is renamed, written or removed
 *   but those that export makes. It holds the spool's lock meanwhile and refuses one that is in use.
 *
 * Failure
 *   Said in sentences on standard error. The exit status: 0; 64 wrong arguments; 65 there is damage, or something could
 *   not be exported; 74 the spool cannot be read, or is in use.
 */
#ifndef POSTRIDER_RELAY_SPOOL_TOOL_H
#define POSTRIDER_RELAY_SPOOL_TOOL_H

/* argv[0] is "spool". */
int spool_tool(int argc, char **argv);

#endif
