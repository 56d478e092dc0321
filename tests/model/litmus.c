/*
 * The explorer's own test: small programs whose outcomes in each memory are known from the
 * literature. Exactly those must be found: one more and the explorer's memory is too weak, one less
 * and it does not look everywhere. An outcome is first * 2 + second of what was read.
 */
#include "ringbus/atomics.h"
#include "tests/model/scenarios.h"

static struct {
    uint64_t first;
    uint64_t second;
} g;

#define X ((uint64_t *)(void *)model_arena)
#define Y ((uint64_t *)(void *)(model_arena + 128))

uint32_t model_outcomes;

static void nothing(void)
{
    model_outcomes = 0;
}

static void note(void)
{
    model_outcomes |= 1u << (g.first * 2 + g.second);
}

/* SB: store, then look at the other's. 0 0 is what a store buffer makes possible. */
static void sb_first(void)
{
    rb_store_relaxed(X, 1);
    g.first = rb_load_acquire(Y);
}

static void sb_second(void)
{
    rb_store_relaxed(Y, 1);
    g.second = rb_load_acquire(X);
}

static void sb_first_fenced(void)
{
    rb_store_relaxed(X, 1);
    rb_fence_seq_cst();
    g.first = rb_load_relaxed(Y);
}

static void sb_second_fenced(void)
{
    rb_store_relaxed(Y, 1);
    rb_fence_seq_cst();
    g.second = rb_load_relaxed(X);
}

/* The same with an atomic or: a fence on x86-64, none in C11. */
static void sb_second_or(void)
{
    (void)rb_fetch_or(Y, 1);
    g.second = rb_load_acquire(X);
}

/* MP: payload, then flag; flag, then payload. 1 0 is a flag without its payload. */
static void mp_send(void)
{
    rb_store_relaxed(X, 1);
    rb_store_relaxed(Y, 1);
}

static void mp_send_release(void)
{
    rb_store_relaxed(X, 1);
    rb_store_release(Y, 1);
}

static void mp_send_fenced(void)
{
    rb_store_relaxed(X, 1);
    rb_fence_release();
    rb_store_relaxed(Y, 1);
}

static void mp_take(void)
{
    g.first = rb_load_relaxed(Y);
    g.second = rb_load_relaxed(X);
}

static void mp_take_acquire(void)
{
    g.first = rb_load_acquire(Y);
    g.second = rb_load_relaxed(X);
}

static void mp_take_fenced(void)
{
    g.first = rb_load_relaxed(Y);
    rb_fence_acquire();
    g.second = rb_load_relaxed(X);
}

/* CoRR: one word read twice never goes back. */
static void corr_take(void)
{
    g.first = rb_load_relaxed(Y);
    g.second = rb_load_relaxed(Y);
}

/* LB: look, then store; 1 1 is out of the explorer's reach in every memory. */
static void lb_first(void)
{
    g.first = rb_load_relaxed(Y);
    rb_store_relaxed(X, 1);
}

static void lb_second(void)
{
    g.second = rb_load_relaxed(X);
    rb_store_relaxed(Y, 1);
}

#define PAIR(program, one, two)                                                                    \
    {.name = program,                                                                              \
     .set_up = nothing,                                                                            \
     .at_end = note,                                                                               \
     .threads = {{"first", one, 0}, {"second", two, 0}},                                           \
     .ghost = &g,                                                                                  \
     .ghost_bytes = sizeof g}
#define OUT(first, second) (1u << ((first) * 2 + (second)))
#define ALL (OUT(0, 0) | OUT(0, 1) | OUT(1, 0) | OUT(1, 1))

const model_litmus model_litmuses[] = {
    {PAIR("SB", sb_first, sb_second), {ALL & ~OUT(0, 0), ALL, ALL}},
    {PAIR("SB+fences", sb_first_fenced, sb_second_fenced),
     {ALL & ~OUT(0, 0), ALL & ~OUT(0, 0), ALL & ~OUT(0, 0)}},
    {PAIR("SB+fence+or", sb_first_fenced, sb_second_or), {ALL & ~OUT(0, 0), ALL & ~OUT(0, 0), ALL}},
    {PAIR("MP", mp_send, mp_take), {ALL & ~OUT(1, 0), ALL & ~OUT(1, 0), ALL}},
    {PAIR("MP+release", mp_send_release, mp_take), {ALL & ~OUT(1, 0), ALL & ~OUT(1, 0), ALL}},
    {PAIR("MP+release+acquire", mp_send_release, mp_take_acquire),
     {ALL & ~OUT(1, 0), ALL & ~OUT(1, 0), ALL & ~OUT(1, 0)}},
    {PAIR("MP+fences", mp_send_fenced, mp_take_fenced),
     {ALL & ~OUT(1, 0), ALL & ~OUT(1, 0), ALL & ~OUT(1, 0)}},
    {PAIR("MP+fence+acquire", mp_send_fenced, mp_take_acquire),
     {ALL & ~OUT(1, 0), ALL & ~OUT(1, 0), ALL & ~OUT(1, 0)}},
    {PAIR("CoRR", mp_send, corr_take), {ALL & ~OUT(1, 0), ALL & ~OUT(1, 0), ALL & ~OUT(1, 0)}},
    {PAIR("LB", lb_first, lb_second), {ALL & ~OUT(1, 1), ALL & ~OUT(1, 1), ALL & ~OUT(1, 1)}},
    {{0}, {0, 0, 0}},
};
