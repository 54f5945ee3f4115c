/*
 * core/tools/sendmail.h - `postrider sendmail`, and the same as a program of that name: what programs that write mail
 * expect to find (postrider-sendmail(8)).
 */
#ifndef POSTRIDER_TOOLS_SENDMAIL_H
#define POSTRIDER_TOOLS_SENDMAIL_H

int sendmail_command(int argc, char **argv);
/* `postrider mailq`, the program mailq, and sendmail -bp: the queue as Postfix shows it. */
int mailq_command(int argc, char **argv);

#endif
