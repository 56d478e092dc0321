#include "engine/nodes.h"

#include <string.h>

#include "ringbus/check.h"

#define LINE_BYTES UINT64_C(64)
#define LEVELS 64u

static uint64_t whole_lines(uint64_t bytes)
{
    return (bytes + LINE_BYTES - 1) / LINE_BYTES * LINE_BYTES;
}

static uint64_t heads_bytes(uint32_t count)
{
    return whole_lines((count + UINT64_C(1)) * sizeof(eng_head));
}

static uint64_t pool_bytes(uint32_t count)
{
    return (count + UINT64_C(1)) * sizeof(eng_node);
}

uint64_t eng_nodes_bytes(uint32_t count)
{
    /* A word of table for each node: an instrument that grows a table of 4,096 slots has cut 8,184
     * words, and has leaves enough to have been worth that many nodes. */
    return heads_bytes(count) + pool_bytes(count) +
           whole_lines((count + UINT64_C(1)) * sizeof(uint32_t));
}

void eng_nodes_init(eng_nodes *nodes, void *memory, uint32_t count, uint32_t links)
{
    uint8_t *at = memory;
    *nodes = (eng_nodes){.count = count, .links = links, .table_words = count + 1, .table_used = 1};
    nodes->pool = (eng_node *)memory;
    at += pool_bytes(count);
    nodes->heads = (eng_head *)(void *)at;
    at += heads_bytes(count);
    nodes->tables = (uint32_t *)(void *)at;
    nodes->heads[0] = (eng_head){.key = ENG_KEY_NONE};
    for (uint32_t n = count; n > 0; n--) {
        eng_node_release(nodes, n);
    }
}

uint32_t eng_node_take(eng_nodes *nodes)
{
    uint32_t at = nodes->free_head;
    if (at != ENG_NODE_NONE) {
        nodes->free_head = nodes->heads[at].next;
        nodes->free_count--;
    }
    return at;
}

void eng_node_release(eng_nodes *nodes, uint32_t at)
{
    nodes->heads[at] = (eng_head){.bitmap = 0, .key = ENG_KEY_NONE, .next = nodes->free_head};
    nodes->free_head = at;
    nodes->free_count++;
}

void eng_node_close(eng_nodes *nodes, uint32_t at)
{
    uint32_t link = nodes->links + at * LEVELS;
    for (uint32_t n = 0; n < LEVELS; n++) {
        nodes->pool[at].levels[n] = (eng_links){.next = link + n, .prev = link + n};
    }
}

static uint32_t class_of(uint32_t slots)
{
    return (uint32_t)__builtin_ctz(slots / ENG_TABLE_SLOTS_MIN);
}

uint32_t eng_table_take(eng_nodes *nodes, uint32_t slots)
{
    uint32_t *first = &nodes->table_free[class_of(slots)];
    uint32_t at = *first;
    if (at != ENG_TABLE_NONE) {
        *first = nodes->tables[at];
    } else if (slots <= nodes->table_words - nodes->table_used) {
        at = nodes->table_used;
        nodes->table_used += slots;
    } else {
        return ENG_TABLE_NONE;
    }
    memset(&nodes->tables[at], 0, slots * sizeof nodes->tables[0]);
    return at;
}

void eng_table_release(eng_nodes *nodes, uint32_t at, uint32_t slots)
{
    uint32_t *first = &nodes->table_free[class_of(slots)];
    nodes->tables[at] = *first;
    *first = at;
}

static int32_t verify_tables(const eng_nodes *nodes)
{
    RB_CHECK(nodes->table_used <= nodes->table_words);
    uint32_t words = 0;
    for (uint32_t class = 0; class < ENG_TABLE_CLASSES; class ++) {
        uint32_t at = nodes->table_free[class];
        for (; at != ENG_TABLE_NONE && words < nodes->table_used; at = nodes->tables[at]) {
            RB_CHECK(at < nodes->table_used);
            words += ENG_TABLE_SLOTS_MIN << class;
        }
        RB_CHECK(at == ENG_TABLE_NONE);
    }
    RB_CHECK(words < nodes->table_used);
    return RB_OK;
}

int32_t eng_nodes_verify(const eng_nodes *nodes)
{
    uint32_t seen = 0;
    uint32_t at = nodes->free_head;
    RB_CHECK(nodes->heads[0].bitmap == 0);
    RB_CHECK(nodes->heads[0].key == ENG_KEY_NONE);
    for (; at != ENG_NODE_NONE && seen < nodes->count; seen++) {
        RB_CHECK(at <= nodes->count);
        RB_CHECK(nodes->heads[at].bitmap == 0);
        RB_CHECK(nodes->heads[at].key == ENG_KEY_NONE);
        at = nodes->heads[at].next;
    }
    RB_CHECK(at == ENG_NODE_NONE);
    RB_CHECK(seen == nodes->free_count);
    return verify_tables(nodes);
}
