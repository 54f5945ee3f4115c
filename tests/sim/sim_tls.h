/*
 * tests/sim/sim_tls.h - the simulated TLS (sim_tls.c): both sides say this line, the client first, and then what they
 * have to say in clear.
 */
#ifndef POSTRIDER_TESTS_SIM_TLS_H
#define POSTRIDER_TESTS_SIM_TLS_H

#define SIM_TLS_HELLO "simulated TLS\r\n"
#define SIM_TLS_HELLO_LENGTH (sizeof(SIM_TLS_HELLO) - 1)

#endif
