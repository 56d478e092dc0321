#include "ringbus/segment.h"

#include <linux/mempolicy.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "ringbus/status.h"

enum { WORD_BITS = 8 * sizeof(unsigned long) };

int32_t rb_segment_bind(uint32_t node, rb_node_policy *before)
{
    if (node >= RB_NODES_MAX) {
        return RB_USAGE;
    }
    memset(before, 0, sizeof *before);
    int mode = MPOL_DEFAULT;
    if (syscall(SYS_get_mempolicy, &mode, before->nodes, RB_NODES_MAX, NULL, 0) != 0) {
        return RB_SYSTEM;
    }
    before->mode = mode;
    rb_node_policy only = {.mode = MPOL_BIND};
    only.nodes[node / WORD_BITS] = 1ul << (node % WORD_BITS);
    return rb_segment_unbind(&only);
}

int32_t rb_segment_unbind(const rb_node_policy *before)
{
    /* The kernel takes one bit less than it is told. */
    long status = syscall(SYS_set_mempolicy, before->mode, before->nodes, RB_NODES_MAX + 1u);
    return status == 0 ? RB_OK : RB_SYSTEM;
}

int32_t rb_segment_lock(void *address, size_t bytes)
{
    return mlock(address, bytes) == 0 ? RB_OK : RB_SYSTEM;
}

int32_t rb_segment_lock_all(void)
{
    /* Not MCL_FUTURE: nothing of the data path is allocated later, and what is would fail at a
     * limit in the middle of the day instead of at its start. */
    return mlockall(MCL_CURRENT) == 0 ? RB_OK : RB_SYSTEM;
}
