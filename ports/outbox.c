#include "ports/outbox.h"

#include <string.h>

#include "ringbus/table.h"

/* Part of the chunks that is kept, besides one for each session, for what cannot be refused. */
enum { RESERVE_DIVISOR = 8 };

static uint64_t reserve_of(uint64_t messages, uint32_t outboxes)
{
    return (messages / PRT_CHUNK_MESSAGES + 1) / RESERVE_DIVISOR + outboxes;
}

static uint64_t chunks_of(uint64_t messages, uint32_t outboxes)
{
    return messages / PRT_CHUNK_MESSAGES + 1 + outboxes + reserve_of(messages, outboxes);
}

uint64_t prt_pool_bytes(uint64_t messages, uint32_t outboxes)
{
    return chunks_of(messages, outboxes) * sizeof(prt_chunk);
}

int32_t prt_pool_init(prt_pool *pool, uint64_t messages, uint32_t outboxes)
{
    memset(pool, 0, sizeof *pool);
    uint64_t reserve = reserve_of(messages, outboxes);
    uint64_t chunks = chunks_of(messages, outboxes);
    if (messages == 0 || chunks > UINT32_MAX) {
        return RB_USAGE;
    }
    pool->reserve = (uint32_t)reserve;
    pool->chunks = rb_table_make(chunks, sizeof *pool->chunks);
    pool->capacity = (uint32_t)chunks;
    return pool->chunks == NULL ? RB_SYSTEM : RB_OK;
}

void prt_pool_free(prt_pool *pool)
{
    rb_table_free(pool->chunks);
    pool->chunks = NULL;
}

int prt_pool_is_low(const prt_pool *pool)
{
    return pool->capacity - pool->used <= pool->reserve;
}

int32_t prt_outbox_append(prt_outbox *outbox, prt_pool *pool, uint64_t sequence)
{
    uint64_t index = outbox->count % PRT_CHUNK_MESSAGES;
    if (index == 0) {
        if (pool->used == pool->capacity) {
            return RB_FULL;
        }
        prt_chunk *chunk = &pool->chunks[pool->used++];
        if (outbox->last == NULL) {
            outbox->first = chunk;
        } else {
            outbox->last->next = chunk;
        }
        outbox->last = chunk;
    }
    outbox->last->sequences[index] = sequence;
    outbox->count++;
    return RB_OK;
}

static const prt_chunk *chunk_of(const prt_outbox *outbox, uint64_t number)
{
    uint64_t index = (number - 1) / PRT_CHUNK_MESSAGES;
    if (index == (outbox->count - 1) / PRT_CHUNK_MESSAGES) {
        return outbox->last;
    }
    const prt_chunk *chunk = outbox->first;
    for (uint64_t n = 0; n < index; n++) {
        chunk = chunk->next;
    }
    return chunk;
}

void prt_outbox_seek(const prt_outbox *outbox, prt_cursor *cursor, uint64_t next)
{
    cursor->next = next;
    cursor->chunk = next <= outbox->count ? chunk_of(outbox, next) : NULL;
}

uint64_t prt_outbox_at(const prt_outbox *outbox, prt_cursor *cursor)
{
    if (cursor->next > outbox->count) {
        return 0;
    }
    if (cursor->chunk == NULL) {
        cursor->chunk = chunk_of(outbox, cursor->next);
    }
    return cursor->chunk->sequences[(cursor->next - 1) % PRT_CHUNK_MESSAGES];
}

void prt_outbox_advance(prt_cursor *cursor)
{
    cursor->next++;
    if ((cursor->next - 1) % PRT_CHUNK_MESSAGES == 0) {
        cursor->chunk = cursor->chunk != NULL ? cursor->chunk->next : NULL;
    }
}
