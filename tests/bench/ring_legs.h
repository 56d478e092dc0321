/* The legs of bench_ring; each fills the figures that bench_ring.c names. */
#ifndef TESTS_BENCH_RING_LEGS_H
#define TESTS_BENCH_RING_LEGS_H

#include "tests/bench/board.h"

/* ring_lanes.c */
void run_round_trip(double *out);
void run_lane_large(double *out);
void run_lane_small(double *out);

/* ring_lossy.c */
void run_lossy_large(double *out);
void run_lossy_small(double *out);
void run_lossy_three(double *out);
void run_disturbance(double *out);

/* ring_waits.c */
void run_spin(double *out);
void run_yield(double *out);
void run_park(double *out);
void run_adaptive(double *out);
void run_histogram(double *out);
void run_core(double *out);

/* neighbours.c */
void run_queue_trip(double *out);
void run_broadcast_trip(double *out);
void run_batched_trip(double *out);
void run_queue_rates(double *out);
void run_broadcast_rates(double *out);
void run_batched_rates(double *out);

#endif
