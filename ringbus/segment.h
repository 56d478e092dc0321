/*
 * Segment: what is asked of the kernel about memory that Python maps: where its pages come from,
 * and that they stay.
 *
 * Who: rb_segment_bind and rb_segment_unbind change the calling thread only, so one thread calls
 * both round what it allocates; the rest any thread. Crash: locks and policies end with their
 * process. Source: set_mempolicy(2), mlock(2); by number, so that libnuma is not needed.
 */
#ifndef RINGBUS_SEGMENT_H
#define RINGBUS_SEGMENT_H

#include <stddef.h>
#include <stdint.h>

#define RB_NODES_MAX 1024u

/* cffi: struct rb_node_policy */
/* A thread's policy, as it was before it was bound. */
typedef struct rb_node_policy {
    int32_t mode;
    unsigned long nodes[RB_NODES_MAX / (8 * sizeof(unsigned long))];
} rb_node_policy;

/* cffi: begin */
/* Pages that this thread makes from now on are of NUMA node `node` and no other. RB_USAGE: there
 * can be none of that number; RB_SYSTEM: the kernel refuses. */
int32_t rb_segment_bind(uint32_t node, rb_node_policy *before);
/* As it was before. */
int32_t rb_segment_unbind(const rb_node_policy *before);
/* Keeps the pages of a mapping in memory as long as it is mapped. RB_SYSTEM. */
int32_t rb_segment_lock(void *address, size_t bytes);
/* The same for all that this process has mapped now. RB_SYSTEM. */
int32_t rb_segment_lock_all(void);
/* cffi: end */

#endif
