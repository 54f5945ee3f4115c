/*
 * core/tools/credentials.h - the command `postrider credentials`: what destinations sign in with, and another
 * certificate before the one there is ends.
 *
 *     status   each destination's grant, its certificate's end, and whether it gets a token
 *     rotate   another certificate, without a person (core/agents/token_rotation.h); --due: one that ends in 30 days
 *
 * Exit status: 0 where all is well; 1 where something is not; 64 for wrong arguments; 78 for a configuration that
 * cannot be used.
 */
#ifndef POSTRIDER_TOOLS_CREDENTIALS_H
#define POSTRIDER_TOOLS_CREDENTIALS_H

enum { CREDENTIALS_DUE_DAYS = 30 };

/* argv[0] is "credentials". */
int credentials_command(int argc, char **argv);

#endif
