/*
 * Login: how the port asks somebody slower whether a password is right.
 *
 * Two lanes in private memory, questions one way and verdicts the other, and an eventfd for each,
 * so that neither side polls. A password takes tens of milliseconds to verify; the agent goes on
 * meanwhile. Passwords are wiped from the lane as they are taken, and never leave the process.
 *
 * Who: ask and take from the agent's thread, next and answer from the one thread of the
 * authenticator; wake from anybody. Progress: wait-free. Crash: private memory, gone with the
 * process.
 */
#ifndef PORTS_LOGIN_H
#define PORTS_LOGIN_H

#include "ports/client.h"
#include "ringbus/lane.h"

typedef struct prt_login_verdict {
    uint32_t connection;
    uint32_t generation;
    uint32_t good;
} prt_login_verdict;

typedef struct prt_login {
    void *question_memory;
    void *verdict_memory;
    rb_lane asking;    /* owner: agent */
    rb_lane answering; /* owner: authenticator */
    rb_lane hearing;   /* owner: authenticator; the other end of `asking` */
    rb_lane taking;    /* owner: agent; the other end of `answering` */
    int32_t question_fd;
    int32_t verdict_fd;
} prt_login;

/* Bytes of memory that prt_login_init takes. */
uint64_t prt_login_bytes(uint32_t capacity);
/* Room for `capacity` questions. RB_USAGE, RB_SYSTEM; prt_login_free in any case. */
int32_t prt_login_init(prt_login *login, uint32_t capacity);
void prt_login_free(prt_login *login);
/* 1; 0: no room now. */
int32_t prt_login_ask(prt_login *login, const prt_client_login *question);
/* 1; 0: no verdict is there. */
int32_t prt_login_take(prt_login *login, prt_login_verdict *verdict);
/* 1; 0: nothing is asked. Wipes what it takes. */
int32_t prt_login_hear(prt_login *login, prt_client_login *question);
/* 1; 0: no room now. */
int32_t prt_login_answer(prt_login *login, const prt_login_verdict *verdict);
/* Makes an eventfd readable, and not readable again. */
void prt_login_signal(int32_t fd);
void prt_login_hush(int32_t fd);

#endif
