/*
 * tests/sim/sim_tls_reports.c - stands in for core/agents/tls_reports.c: nobody is reported to about TLS.
 */
#include <stdlib.h>

#include "core/agents/tls_reports.h"

void tls_reports_give(struct tls_reports *reports, struct tls_count *count)
{
	abort();
}

void tls_reports_ask(struct tls_reports *reports, struct asker *asker, struct tls_reports_question *question)
{
	abort();
}
