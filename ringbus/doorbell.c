#include "ringbus/doorbell.h"

#include "ringbus/status.h"

size_t rb_doorbell_bytes(void)
{
    return sizeof(rb_doorbell);
}

int32_t rb_doorbell_init(void *memory, size_t bytes, const char *name)
{
    if (bytes < sizeof(rb_doorbell)) {
        return RB_SIZE;
    }
    return rb_layout_init(memory, sizeof(rb_doorbell), RB_KIND_DOORBELL, RB_DOORBELL_LANES, name);
}

int32_t rb_doorbell_press(void *doorbell, uint32_t lane)
{
    if (lane >= RB_DOORBELL_LANES) {
        return RB_USAGE;
    }
    rb_doorbell_ring(doorbell, lane);
    return RB_OK;
}
