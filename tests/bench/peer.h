/*
 * Peer: another engine, driven with the same flows. An adapter (tests/bench/peers) is a shared
 * object of its own, built against a checkout of that engine, that exports bench_peer().
 */
#ifndef TESTS_BENCH_PEER_H
#define TESTS_BENCH_PEER_H

#include "engine/book.h"

typedef struct peer {
    const char *name;
    /* A book of `instruments` for client_order_ids below `ids`. */
    void *(*create)(uint32_t instruments, uint32_t ids);
    void (*destroy)(void *engine);
    /* Applies a NewOrder, Cancel or Replace and writes a line for each report: accepted, canceled,
     * replaced, an Executed for each side of a trade. The sink has room for them. */
    void (*apply)(void *engine, const rb_message *message, eng_sink *sink);
} peer;

typedef const peer *(*peer_function)(void);

#endif
