/*
 * core/tools/page.h - `postrider page`: a link that lets a browser in to the page.
 */
#ifndef POSTRIDER_TOOLS_PAGE_H
#define POSTRIDER_TOOLS_PAGE_H

int page_command(int argc, char **argv);

#endif
