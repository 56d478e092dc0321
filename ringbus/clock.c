#include "ringbus/clock.h"

#if defined(__x86_64__)
#include <cpuid.h>
#endif

/* The kernel's answer takes 23 ns, 70 to 120 ticks; where it took 4,000, somebody came between. */
enum { CALIBRATION_NS = 10000000, ANCHOR_NS = 100000, PROMPT_TICKS = 4000, STEP_NS = 1000000 };

static uint64_t kernel_ns(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

#if defined(__x86_64__)
/* The counter runs at one rate, whatever the CPU does (leaf 0x80000007, EDX bit 8). */
static int counter_is_invariant(void)
{
    uint32_t eax = 0;
    uint32_t ebx = 0;
    uint32_t ecx = 0;
    uint32_t edx = 0;
    return __get_cpuid(0x80000007u, &eax, &ebx, &ecx, &edx) && (edx & (1u << 8)) != 0;
}

static void measure_rate(rb_clock *clock, uint64_t now_ns, uint64_t ticks)
{
    if (clock->first_ticks == 0) {
        clock->first_ns = now_ns;
        clock->first_ticks = ticks;
        return;
    }
    uint64_t elapsed_ns = now_ns - clock->first_ns;
    uint64_t elapsed_ticks = ticks - clock->first_ticks;
    /* A step of the wall clock shows as an impossible rate: begin again. */
    if (elapsed_ticks == 0 || elapsed_ns > 100 * elapsed_ticks) {
        clock->first_ticks = 0;
        return;
    }
    if (elapsed_ns < CALIBRATION_NS || !counter_is_invariant()) {
        return;
    }
    double rate = (double)elapsed_ns / (double)elapsed_ticks;
    clock->ns_per_tick32 = (uint64_t)(rate * 4294967296.0);
    clock->span_ticks = (uint64_t)(ANCHOR_NS / rate);
    clock->rate_known = 1;
}

/*
 * The counter is read a moment before the kernel's clock, so an anchor is ahead by that moment, and
 * the next one may be behind it: the readings wait for it rather than step back. A step of the wall
 * clock is larger than that and is followed.
 */
static uint64_t not_before(rb_clock *clock, uint64_t now_ns, uint64_t ticks)
{
    uint64_t elapsed = ticks - clock->anchor_ticks;
    elapsed = elapsed < clock->span_ticks ? elapsed : clock->span_ticks;
    uint64_t told_ns = clock->anchor_ns + ((elapsed * clock->ns_per_tick32) >> 32);
    uint64_t floor_ns = told_ns > clock->floor_ns ? told_ns : clock->floor_ns;
    if (now_ns < floor_ns && floor_ns - now_ns < STEP_NS) {
        now_ns = floor_ns;
    }
    clock->floor_ns = now_ns;
    return now_ns;
}

uint64_t rb_clock_anchor(rb_clock *clock)
{
    uint64_t ticks = __builtin_ia32_rdtsc();
    uint64_t kernel = kernel_ns();
    uint64_t now_ns = not_before(clock, kernel, ticks);
    /* An interrupt between the two would put all stamps of the next 100 us ahead, or spoil the rate
     * for good. The old anchor has run out: the next call asks the kernel too. */
    if (__builtin_ia32_rdtsc() - ticks > PROMPT_TICKS) {
        return now_ns;
    }
    if (!clock->rate_known) {
        measure_rate(clock, kernel, ticks);
    }
    if (clock->rate_known) {
        clock->anchor_ns = kernel;
        clock->anchor_ticks = ticks;
    }
    return now_ns;
}
#else
uint64_t rb_clock_anchor(rb_clock *clock)
{
    (void)clock;
    return kernel_ns();
}
#endif

uint64_t rb_clock_now(rb_clock *clock)
{
    return rb_clock_read(clock);
}
