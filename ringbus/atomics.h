/*
 * The ordered accesses to shared memory, in one place.
 *
 * Shared words are plain uint64_t / uint32_t, because the same lines are read by numpy and written
 * to files; every access that another thread or process can see goes through these functions. They
 * are the C11 memory model by way of the compiler's builtins, which take plain words (stdatomic.h
 * does not). Callers label each ordered access and name its partner.
 */
#ifndef RINGBUS_ATOMICS_H
#define RINGBUS_ATOMICS_H

#include <stdint.h>

static inline uint64_t rb_load_relaxed(const uint64_t *p)
{
    return __atomic_load_n(p, __ATOMIC_RELAXED);
}

static inline uint64_t rb_load_acquire(const uint64_t *p)
{
    return __atomic_load_n(p, __ATOMIC_ACQUIRE);
}

static inline void rb_store_relaxed(uint64_t *p, uint64_t value)
{
    __atomic_store_n(p, value, __ATOMIC_RELAXED);
}

static inline void rb_store_release(uint64_t *p, uint64_t value)
{
    __atomic_store_n(p, value, __ATOMIC_RELEASE);
}

static inline uint32_t rb_load_relaxed_u32(const uint32_t *p)
{
    return __atomic_load_n(p, __ATOMIC_RELAXED);
}

static inline uint32_t rb_load_acquire_u32(const uint32_t *p)
{
    return __atomic_load_n(p, __ATOMIC_ACQUIRE);
}

static inline void rb_store_release_u32(uint32_t *p, uint32_t value)
{
    __atomic_store_n(p, value, __ATOMIC_RELEASE);
}

static inline uint32_t rb_fetch_add_u32(uint32_t *p, uint32_t value)
{
    return __atomic_fetch_add(p, value, __ATOMIC_SEQ_CST);
}

static inline uint64_t rb_fetch_or(uint64_t *p, uint64_t value)
{
    return __atomic_fetch_or(p, value, __ATOMIC_SEQ_CST);
}

static inline uint64_t rb_fetch_and(uint64_t *p, uint64_t value)
{
    return __atomic_fetch_and(p, value, __ATOMIC_SEQ_CST);
}

static inline int rb_compare_exchange_u32(uint32_t *p, uint32_t expected, uint32_t desired)
{
    return __atomic_compare_exchange_n(p, &expected, desired, 0, __ATOMIC_SEQ_CST,
                                       __ATOMIC_RELAXED);
}

static inline void rb_fence_acquire(void)
{
    __atomic_thread_fence(__ATOMIC_ACQUIRE);
}

static inline void rb_fence_release(void)
{
    __atomic_thread_fence(__ATOMIC_RELEASE);
}

static inline void rb_fence_seq_cst(void)
{
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
}

/* Asks for the line of `p`, to write to it. A hint. The compiler's builtin asks to read where the
 * instruction is not in its baseline; CPUs that do not know it pass over it. And gcc leaves out
 * calls of a function that has nothing but builtins in it, as one without effect. */
static inline void rb_ask(const void *p)
{
#if defined(__x86_64__)
    __asm__ __volatile__("prefetchw %0" : : "m"(*(const char *)p));
#else
    __builtin_prefetch(p, 1);
#endif
}

/* Throws the line of `p` out of all caches, written back to memory. A hint: all see the same values
 * before and after. */
static inline void rb_evict(const void *p)
{
#if defined(__x86_64__)
    __builtin_ia32_clflush(p);
#else
    (void)p;
#endif
}

static inline void rb_pause(void)
{
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ __volatile__("yield");
#endif
}

#endif
