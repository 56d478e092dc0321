/*
 * The bare cache line between two CPUs, for benchmarks that are not in C: one word there and back,
 * two processes.
 *
 * usage: bare_line [round trips] [first CPU] [second CPU]; prints p50, p99 and p99.9 in ns.
 */
#include "tests/bench/bench.h"

int main(int argc, char **argv)
{
    uint64_t trips = argc > 1 ? strtoull(argv[1], NULL, 10) : 20000;
    size_t first = argc > 2 ? strtoull(argv[2], NULL, 10) : 0;
    size_t second = argc > 3 ? strtoull(argv[3], NULL, 10) : 1;
    EXPECT(trips > 0);
    pin(first);
    spread line = bare(shared(4096), shared(trips * sizeof(uint64_t)), trips, second);
    (void)printf("%.0f %.0f %.0f\n", line.p50, line.p99, line.p999);
    return 0;
}
