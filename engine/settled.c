#include "engine/settled.h"

size_t eng_settled_bytes(void)
{
    return sizeof(eng_settled);
}

int32_t eng_settled_init(void *memory, size_t bytes)
{
    return rb_layout_init(memory, bytes, RB_KIND_SETTLED, 1, "settled");
}
