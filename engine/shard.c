#include "engine/shard.h"

#include <string.h>

#include "engine/sequencer.h"
#include "ringbus/check.h"

/* An answer is begun when its first line, a tag and one trade fit; the rest can wait in the book.
 */
enum { ROOM_TO_BEGIN = 4 };

int32_t eng_shard_init(eng_shard *shard, uint8_t number, void *in, size_t in_bytes, void *out,
                       size_t out_bytes, void *book, uint32_t *topics, uint32_t topic_count,
                       void *clock, void *wake, uint64_t publisher_bell_mask)
{
    if (book == NULL || topics == NULL || topic_count == 0 || clock == NULL || wake == NULL) {
        return RB_USAGE;
    }
    memset(shard, 0, sizeof *shard);
    int32_t status = rb_lane_attach(&shard->in, in, in_bytes);
    if (status != RB_OK) {
        return status;
    }
    status = rb_lane_attach(&shard->out, out, out_bytes);
    if (status != RB_OK) {
        return status;
    }
    shard->number = number;
    shard->book = book;
    shard->topics = topics;
    shard->topic_count = topic_count;
    shard->clock = clock;
    shard->wake = wake;
    shard->publisher_bell = publisher_bell_mask;
    return RB_OK;
}

void eng_shard_measure(eng_shard *shard, void *hop, uint64_t *dropped)
{
    shard->hop = hop;
    shard->drop_count = dropped;
}

/* Finishes `count` lines that lie behind the tail and commits them: numbers of their topics, the
 * shard, and what closes the group. `first` is the message they answer, NULL for the rest of a
 * sweep. */
static int32_t answer(eng_shard *shard, const rb_message *first, uint64_t count, int last)
{
    uint8_t generated = first == NULL ? RB_FLAG_GENERATED : 0;
    for (uint64_t n = 0; n < count; n++) {
        rb_header *header = &rb_lane_slot(&shard->out, n)->header;
        RB_CHECK(header->topic < shard->topic_count);
        int is_tag = header->template_id == RB_TEMPLATE_ORDER_TAG;
        shard->topics[header->topic] += is_tag ? 0 : 1;
        header->topic_sequence = shard->topics[header->topic];
        header->shard = shard->number;
        header->reserved = 0;
        header->flags = generated;
        generated = RB_FLAG_GENERATED;
        if (is_tag) {
            header->flags = 0;
        }
    }
    if (first != NULL) {
        rb_header *header = &rb_lane_slot(&shard->out, 0)->header;
        /* The answer carries who asked, so that the contributor knows its own, a refusal too. */
        header->publisher = first->header.publisher;
        if (header->template_id == RB_TEMPLATE_REJECTED) {
            header->flags = RB_FLAG_GENERATED;
        }
        if (first->header.flags & RB_FLAG_CONTINUED) {
            header->flags |= RB_FLAG_CONTINUED;
        }
    }
    if (last) {
        rb_lane_slot(&shard->out, count - 1)->header.flags |= RB_FLAG_LAST_OF_GROUP;
    }
    rb_lane_commit(&shard->out, count);
    return RB_OK;
}

/* What the book does not know: said again as it came. */
static uint64_t echo(eng_shard *shard, const rb_message *first, const rb_message *tag)
{
    memcpy(rb_lane_slot(&shard->out, 0)->words + 1, first->words + 1,
           sizeof *first - sizeof first->words[0]);
    if (tag == NULL) {
        return 1;
    }
    memcpy(rb_lane_slot(&shard->out, 1)->words + 1, tag->words + 1,
           sizeof *tag - sizeof tag->words[0]);
    return 2;
}

/* The contributor's knowledge was stale: nothing happens, and only the publisher hears of it. */
static void skip(eng_shard *shard, const rb_message *first)
{
    rb_message *line = rb_lane_slot(&shard->out, 0);
    memset(line->words + 1, 0, sizeof *line - sizeof line->words[0]);
    line->header.template_id = RB_TEMPLATE_SKIP;
    line->header.flags = RB_FLAG_LAST_OF_GROUP;
    line->header.checksum = first->header.checksum;
    rb_lane_commit(&shard->out, 1);
    if (shard->drop_count != NULL) {
        rb_store_relaxed(shard->drop_count, *shard->drop_count + 1);
    }
}

static eng_sink sink_of(const eng_shard *shard, uint64_t room)
{
    eng_sink sink = {.base = shard->out.slots,
                     .mask = shard->out.mask,
                     .position = shard->out.tail_local,
                     .limit = room,
                     .count = 0};
    return sink;
}

static int32_t resume(eng_shard *shard, uint64_t room)
{
    eng_sink sink = sink_of(shard, room);
    int32_t status = eng_book_resume(shard->book, &sink);
    if (status != RB_OK && status != RB_FULL) {
        return status;
    }
    shard->sweeping = status == RB_FULL;
    RB_CHECK(sink.count > 0);
    return answer(shard, NULL, sink.count, status == RB_OK);
}

static int32_t apply(eng_shard *shard, const rb_message *first, const rb_message *tag,
                     uint64_t room)
{
    uint8_t template_id = first->header.template_id;
    uint16_t topic = first->header.topic;
    RB_CHECK(topic < shard->topic_count);
    if (first->header.topic_sequence != shard->topics[topic] + 1 &&
        (first->header.flags & RB_FLAG_REPLAYED) == 0) {
        skip(shard, first);
        return RB_OK;
    }
    if (template_id == RB_TEMPLATE_NEW_ORDER || template_id == RB_TEMPLATE_CANCEL ||
        template_id == RB_TEMPLATE_REPLACE) {
        eng_sink sink = sink_of(shard, room);
        int32_t status = eng_book_submit(shard->book, first, tag, &sink);
        if (status != RB_OK && status != RB_FULL) {
            return status;
        }
        RB_CHECK(sink.count > 0);
        shard->sweeping = status == RB_FULL;
        return answer(shard, first, sink.count, status == RB_OK);
    }
    return answer(shard, first, echo(shard, first, tag), 1);
}

/* Messages further down the lane bring their orders, then their levels, then the neighbours there.
 */
static void prefetch(const eng_shard *shard)
{
    const rb_message *far = rb_lane_peek(&shard->in, ENG_AHEAD_FAR);
    const rb_message *near = rb_lane_peek(&shard->in, ENG_AHEAD_NEAR);
    const rb_message *tail = rb_lane_peek(&shard->in, ENG_AHEAD_TAIL);
    if (far != NULL) {
        eng_book_prefetch(shard->book, far);
    }
    if (near != NULL) {
        eng_book_prefetch_near(shard->book, near);
    }
    if (tail != NULL) {
        eng_book_prefetch_tail(shard->book, tail);
    }
}

/* Behind the answer: nobody waits for the clock. */
static void measure(const eng_shard *shard, uint64_t position, uint64_t time_ns)
{
    uint64_t now_ns = rb_clock_read(shard->clock);
    rb_lane_note(&shard->out, position, now_ns);
    if (shard->hop != NULL && now_ns >= time_ns) {
        rb_histogram_record(shard->hop, now_ns - time_ns);
    }
}

int64_t eng_shard_work(void *state, int64_t limit)
{
    eng_shard *shard = state;
    int64_t done = 0;
    for (; done < limit; done++) {
        const rb_message *first = shard->sweeping ? NULL : rb_lane_peek(&shard->in, 0);
        if (first == NULL && !shard->sweeping) {
            break;
        }
        uint64_t room = rb_lane_room(&shard->out, ROOM_TO_BEGIN);
        if (room < ROOM_TO_BEGIN) {
            break;
        }
        uint64_t lines = 0;
        int32_t status;
        if (shard->sweeping) {
            status = resume(shard, room);
        } else {
            if (limit > ENG_AHEAD_FAR) {
                prefetch(shard);
            }
            const rb_message *tag = NULL;
            if (first->header.flags & RB_FLAG_CONTINUED) {
                /* Both lines were committed at once. */
                tag = rb_lane_peek(&shard->in, 1);
                RB_CHECK(tag != NULL);
            }
            lines = tag != NULL ? 2 : 1;
            uint64_t position = shard->out.tail_local;
            status = apply(shard, first, tag, room);
            if (eng_is_measured(first)) {
                measure(shard, position, first->header.time_ns);
            }
        }
        if (status != RB_OK) {
            return status;
        }
        rb_lane_release(&shard->in, lines);
    }
    if (done > 0) {
        shard->wake->mask |= shard->publisher_bell;
    } else {
        rb_lane_warm(&shard->out);
    }
    return done;
}

void *eng_shard_work_function(void)
{
    rb_work work = eng_shard_work;
    void *pointer;
    memcpy(&pointer, &work, sizeof pointer);
    return pointer;
}
