/*
 * SoupBinTCP 3.00, the server's side: bytes in, packets out, and back. No sockets, no clock, no
 * state.
 *
 * A packet is a big-endian length (it counts everything behind itself), one type byte and a
 * payload. The byte stream may be split anywhere: prt_soup_next takes what has arrived and says how
 * much of it is one whole packet. Login requests of 4.x, which are 5 bytes longer, are understood
 * too.
 *
 * Who: any thread; nothing is shared and nothing is kept. A parser never reads beyond `count` and a
 * writer never beyond `room`, whatever the bytes. Every call is bounded by its input.
 * Source: Nasdaq, SoupBinTCP 3.00.
 */
#ifndef PORTS_SOUP_H
#define PORTS_SOUP_H

#include <stddef.h>
#include <stdint.h>

#include "ringbus/status.h"

/* cffi: begin */
/* Length and type. */
#define PRT_SOUP_HEADER_BYTES 3u
/* Longest payload taken from a client: an Enter Order with every option of OUCH 5.0 has 130. */
#define PRT_SOUP_PAYLOAD_MAX 1024u
/* Longest payload that the length field can say. */
#define PRT_SOUP_PAYLOAD_LIMIT 65534u
#define PRT_SOUP_USER_BYTES 6u
#define PRT_SOUP_PASSWORD_BYTES 10u
#define PRT_SOUP_SESSION_BYTES 10u
#define PRT_SOUP_LOGIN_ACCEPTED_BYTES 33u

enum prt_soup_type {
    PRT_SOUP_DEBUG = 43,            /* '+', both ways */
    PRT_SOUP_LOGIN_REQUEST = 76,    /* 'L', client */
    PRT_SOUP_UNSEQUENCED = 85,      /* 'U', client */
    PRT_SOUP_CLIENT_HEARTBEAT = 82, /* 'R', client */
    PRT_SOUP_LOGOUT = 79,           /* 'O', client */
    PRT_SOUP_LOGIN_ACCEPTED = 65,   /* 'A', server */
    PRT_SOUP_LOGIN_REJECTED = 74,   /* 'J', server */
    PRT_SOUP_SEQUENCED = 83,        /* 'S', server */
    PRT_SOUP_SERVER_HEARTBEAT = 72, /* 'H', server */
    PRT_SOUP_END_OF_SESSION = 90,   /* 'Z', server */
};

enum prt_soup_reject {
    PRT_SOUP_NOT_AUTHORISED = 65,        /* 'A' */
    PRT_SOUP_SESSION_NOT_AVAILABLE = 83, /* 'S' */
};

typedef struct prt_soup_packet {
    const uint8_t *payload; /* inside the bytes that were parsed */
    uint32_t payload_bytes;
    uint8_t type; /* enum prt_soup_type */
} prt_soup_packet;

/* Text is trimmed of spaces and NULs on both sides and zero padded, so that memcmp compares it
 * whole. */
typedef struct prt_soup_login {
    uint64_t sequence;     /* next message wanted; 0 or blank: only what is to come */
    uint32_t heartbeat_ms; /* 4.x; 0 when not said */
    char user[8];          /* upper case; "" if blank */
    char password[12];     /* upper case */
    char session[12];      /* "" means the active one */
} prt_soup_login;

/*
 * The first packet that a client sent in `bytes`. Returns: bytes of it (> 0), with `out` filled; 0:
 * not whole yet; RB_FORMAT: no length, a payload above PRT_SOUP_PAYLOAD_MAX, a type that no client
 * sends, or a heartbeat or logout with a payload; said as soon as the bytes that show it are there.
 */
int64_t prt_soup_next(const uint8_t *bytes, size_t count, prt_soup_packet *out);
/*
 * Payload of a login request. RB_FORMAT: another length than 46 (3.00) or 51 (4.x), a number that
 * is not digits or above 2^64 - 1, text that is not printable ASCII. A blank number is 0.
 */
int32_t prt_soup_parse_login(const uint8_t *payload, size_t count, prt_soup_login *out);

/* Writers return the bytes written, 0 if `room` is too small or an argument cannot be said. */

/* `session`: 1..10 characters, zero terminated; `sequence`: of the next sequenced packet. */
size_t prt_soup_write_login_accepted(uint8_t *out, size_t room, const char *session,
                                     uint64_t sequence);
/* `code`: enum prt_soup_reject. */
size_t prt_soup_write_login_rejected(uint8_t *out, size_t room, uint8_t code);
/* Only the 3 bytes before a sequenced payload, which the caller puts behind them. */
size_t prt_soup_write_sequenced_header(uint8_t *out, size_t room, size_t payload_bytes);
/* The server's. */
size_t prt_soup_write_heartbeat(uint8_t *out, size_t room);
size_t prt_soup_write_end_of_session(uint8_t *out, size_t room);
size_t prt_soup_write_debug(uint8_t *out, size_t room, const char *text, size_t text_bytes);
/* cffi: end */

#endif
