#include "ringbus/clock.h"

uint64_t rb_clock_now(rb_clock *clock)
{
    return rb_clock_read(clock);
}
