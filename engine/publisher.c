#include "engine/publisher.h"

#include <string.h>

#include "ringbus/check.h"
#include "ringbus/crc32c.h"

int32_t eng_publisher_init(eng_publisher *publisher, void *ring, size_t ring_bytes, void *readers,
                           size_t readers_bytes, void *clock, void *wake)
{
    if (clock == NULL || wake == NULL) {
        return RB_USAGE;
    }
    memset(publisher, 0, sizeof *publisher);
    publisher->clock = clock;
    publisher->wake = wake;
    publisher->input = 1;
    return rb_multicast_writer_attach(&publisher->writer, ring, ring_bytes, readers, readers_bytes);
}

int32_t eng_publisher_add_shard(eng_publisher *publisher, void *memory, size_t bytes)
{
    if (publisher->shard_count >= ENG_SHARDS_MAX) {
        return RB_FULL;
    }
    rb_lane *lane = &publisher->shards[publisher->shard_count];
    int32_t status = rb_lane_attach(lane, memory, bytes);
    if (status == RB_OK && rb_lane_capacity(lane) < ENG_SHARD_LANE_MIN) {
        return RB_SIZE;
    }
    if (status == RB_OK) {
        publisher->shard_count++;
        publisher->current = publisher->shard_count;
    }
    return status;
}

int32_t eng_publisher_settle(eng_publisher *publisher, void *settled, size_t bytes)
{
    int32_t status = rb_layout_verify(settled, bytes, RB_KIND_SETTLED);
    if (status == RB_OK) {
        publisher->settled = settled;
        eng_settled_say(publisher->settled, 0);
    }
    return status;
}

void eng_publisher_measure(eng_publisher *publisher, void *hop)
{
    publisher->hop = hop;
}

/* The next line of the awaited input, from the shard whose lane begins with its group; NULL while
 * it is not there. */
static inline const rb_message *find(eng_publisher *publisher)
{
    if (publisher->current != publisher->shard_count) {
        return rb_lane_peek(&publisher->shards[publisher->current], 0);
    }
    for (uint32_t n = 0; n < publisher->shard_count; n++) {
        const rb_message *line = rb_lane_peek(&publisher->shards[n], 0);
        if (line != NULL && line->header.checksum == (uint32_t)publisher->input) {
            publisher->current = n;
            return line;
        }
    }
    return NULL;
}

_Static_assert(offsetof(rb_header, flags) == 25, "word 3");

/* What a passive engine's publisher compares with. */
typedef struct record {
    const rb_message *next;
    const rb_message *end;
    int differs; /* from what `next` is */
} record;

/* `drop`: flags that the line loses. By words, and past no copy: the shard may have written it a
 * moment ago in smaller pieces, and a wide load would wait until they have reached the cache. */
static inline void publish(eng_publisher *publisher, const rb_message *line, uint8_t drop)
{
    const uint64_t *words = line->words;
    uint32_t kind = (uint32_t)words[3] & ~((uint32_t)drop << 8);
    uint64_t checksum = rb_message_checksum_as(line, publisher->writer.next, kind);
    /* relaxed: only so that they stay single words. */
    rb_message message = {.words = {[1] = rb_load_relaxed(&words[1]),
                                    [2] = rb_load_relaxed(&words[2]),
                                    [3] = kind | checksum << 32,
                                    [4] = rb_load_relaxed(&words[4]),
                                    [5] = rb_load_relaxed(&words[5]),
                                    [6] = rb_load_relaxed(&words[6]),
                                    [7] = rb_load_relaxed(&words[7])}};
    rb_multicast_publish(&publisher->writer, &message);
}

/* Whether all 64 bytes that would be published are those that were recorded. If 60 are, the
 * checksums of both are the same. */
static inline int is_recorded(const eng_publisher *publisher, const rb_message *line, uint8_t drop,
                              const rb_message *recorded)
{
    const uint64_t *made = line->words;
    const uint64_t *said = recorded->words;
    uint64_t word = (made[3] & ~((uint64_t)drop << 8)) ^ said[3];
    uint64_t differs = (publisher->writer.next ^ said[0]) | (made[1] ^ said[1]) |
                       (made[2] ^ said[2]) | (uint32_t)word | (made[4] ^ said[4]) |
                       (made[5] ^ said[5]) | (made[6] ^ said[6]) | (made[7] ^ said[7]) |
                       (recorded->header.checksum ^ rb_message_checksum(recorded));
    return differs == 0;
}

_Static_assert(offsetof(rb_header, checksum) == 28, "the upper half of word 3");

/* Publishes a line, or compares it if there is a record. 0: no room, nothing more was recorded, or
 * it differs. `*room`: free slots of the ring as far as was looked. */
static inline __attribute__((always_inline)) int
say(eng_publisher *publisher, const rb_message *line, uint8_t drop, uint64_t *room, record *with)
{
    if (with != NULL) {
        if (with->next == with->end) {
            return 0;
        }
        if (!is_recorded(publisher, line, drop, with->next)) {
            with->differs = 1;
            return 0;
        }
        with->next++;
        publisher->writer.next++;
        return 1;
    }
    if (*room == 0) {
        *room = rb_multicast_room(&publisher->writer, 1);
        if (*room == 0) {
            return 0;
        }
    }
    --*room;
    publish(publisher, line, drop);
    return 1;
}

/* When the line just published came from its shard, and when it was on the stream. Behind the
 * message: nobody waits for the clock. */
static void measure(const eng_publisher *publisher, const rb_lane *lane, uint64_t time_ns)
{
    uint64_t now_ns = rb_clock_read(publisher->clock);
    const rb_writer *writer = &publisher->writer;
    /* relaxed: a measurement, see rb_lane_note. */
    rb_store_relaxed(&writer->stamps[(writer->next - 2) & writer->mask], now_ns);
    uint64_t shard_ns = rb_lane_stamp(lane, 0);
    if (publisher->hop != NULL && shard_ns >= time_ns && now_ns >= shard_ns) {
        rb_histogram_record(publisher->hop, now_ns - shard_ns);
    }
}

static void end_group(eng_publisher *publisher)
{
    publisher->input++;
    publisher->current = publisher->shard_count;
}

/* Lines at the head of a lane that turn the proposal round; *ends: nothing is behind them. 0: they
 * are not there yet. A shard commits them together. */
static uint32_t head_lines(const rb_lane *lane, int *ends)
{
    uint8_t flags = RB_FLAG_CONTINUED;
    uint32_t n = 0;
    for (; n < ENG_GROUP_LINES_MAX && (flags & RB_FLAG_CONTINUED) != 0; n++) {
        const rb_message *line = rb_lane_peek(lane, n);
        if (line == NULL) {
            return 0;
        }
        flags = line->header.flags;
    }
    *ends = (flags & RB_FLAG_LAST_OF_GROUP) != 0;
    return n;
}

/* A broadcast is awaited: when all shards have begun to answer, drops what they say alike but shard
 * 0's. 1: done, 0: not all have. */
__attribute__((noinline)) static int32_t begin_merge(eng_publisher *publisher)
{
    uint32_t heads[ENG_SHARDS_MAX];
    uint32_t merging = 1;
    for (uint32_t n = 0; n < publisher->shard_count; n++) {
        int ends = 0;
        heads[n] = head_lines(&publisher->shards[n], &ends);
        if (heads[n] == 0) {
            return 0;
        }
        merging |= ends ? 0 : 1u << n;
    }
    const rb_message *first = rb_lane_peek(&publisher->shards[0], 0);
    for (uint32_t n = 1; n < publisher->shard_count; n++) {
        const rb_message *line = rb_lane_peek(&publisher->shards[n], 0);
        RB_CHECK(heads[n] == heads[0]);
        RB_CHECK(line->header.checksum == (uint32_t)publisher->input);
        RB_CHECK(line->header.template_id == first->header.template_id);
        RB_CHECK((line->header.flags & RB_FLAG_BROADCAST) != 0);
        rb_lane_release(&publisher->shards[n], heads[n]);
    }
    publisher->merging = merging;
    publisher->head_lines = heads[0];
    return 1;
}

/* The shard that says the next line of a broadcast's group; shard_count while that is not known. */
static uint32_t lowest(const eng_publisher *publisher)
{
    uint32_t shard = publisher->shard_count;
    uint32_t instrument = 0;
    for (uint32_t left = publisher->merging; left != 0; left &= left - 1) {
        uint32_t n = (uint32_t)__builtin_ctz(left);
        const rb_message *line = rb_lane_peek(&publisher->shards[n], 0);
        if (line == NULL) {
            return publisher->shard_count;
        }
        if (shard == publisher->shard_count || line->any.instrument < instrument) {
            shard = n;
            instrument = line->any.instrument;
        }
    }
    return shard;
}

/* Says one line of a broadcast's group, as step. Kept out of the way of what is said all day. */
__attribute__((noinline)) static int32_t merge(eng_publisher *publisher, uint64_t *room,
                                               record *with)
{
    uint32_t shard = publisher->head_lines > 0 ? 0 : lowest(publisher);
    if (shard == publisher->shard_count) {
        return 0;
    }
    rb_lane *lane = &publisher->shards[shard];
    const rb_message *line = rb_lane_peek(lane, 0);
    RB_CHECK(line != NULL);
    RB_CHECK(line->header.checksum == (uint32_t)publisher->input);
    uint8_t flags = line->header.flags;
    uint32_t ended = flags & RB_FLAG_LAST_OF_GROUP ? 1u << shard : 0;
    uint32_t merging = publisher->merging & ~ended;
    if (!say(publisher, line, merging == 0 ? 0 : RB_FLAG_LAST_OF_GROUP, room, with)) {
        return 0;
    }
    publisher->merging = merging;
    if (with == NULL && (flags & RB_FLAG_BROADCAST) && eng_is_measured(line)) {
        measure(publisher, lane, line->header.time_ns);
    }
    publisher->head_lines -= publisher->head_lines > 0;
    rb_lane_release(lane, 1);
    if (publisher->merging == 0) {
        end_group(publisher);
    }
    return 1;
}

/* Says one line of the group at hand. 1: done, 0: not there yet, or as say; < 0: failed. */
static inline __attribute__((always_inline)) int32_t step(eng_publisher *publisher, uint64_t *room,
                                                          record *with)
{
    if (__builtin_expect(publisher->merging != 0, 0)) {
        return merge(publisher, room, with);
    }
    const rb_message *line = find(publisher);
    if (line == NULL) {
        return 0;
    }
    rb_lane *lane = &publisher->shards[publisher->current];
    RB_CHECK(line->header.checksum == (uint32_t)publisher->input);
    uint8_t flags = line->header.flags;
    if (flags & RB_FLAG_BROADCAST) {
        return begin_merge(publisher);
    }
    if (line->header.template_id != RB_TEMPLATE_SKIP) {
        if (!say(publisher, line, 0, room, with)) {
            return 0;
        }
        if (with == NULL && eng_is_measured(line) && (flags & RB_FLAG_GENERATED) == 0) {
            measure(publisher, lane, line->header.time_ns);
        }
    }
    if (flags & RB_FLAG_LAST_OF_GROUP) {
        end_group(publisher);
    }
    rb_lane_release(lane, 1);
    return 1;
}

int64_t eng_publisher_work(void *state, int64_t limit)
{
    eng_publisher *publisher = state;
    uint64_t first = publisher->writer.next;
    uint64_t input = publisher->input;
    uint64_t room = 0;
    int64_t done = 0;
    for (; done < limit; done++) {
        int32_t status = step(publisher, &room, NULL);
        if (status < 0) {
            return status;
        }
        if (status == 0) {
            break;
        }
    }
    if (publisher->writer.next != first) {
        rb_multicast_announce(&publisher->writer);
        publisher->wake->stream = 1;
    }
    if (publisher->input != input && publisher->settled != NULL) {
        eng_settled_say(publisher->settled, publisher->input - 1);
    }
    if (done == 0) {
        rb_multicast_warm(&publisher->writer);
    }
    return done;
}

int64_t eng_publisher_compare(eng_publisher *publisher, const void *recorded, int64_t count,
                              int32_t *differs)
{
    const rb_message *first = recorded;
    record with = {.next = first, .end = first + count};
    uint64_t room = 0;
    int32_t status = 1;
    /* A line a step, or a broadcast's beginning: between two of those are lines. */
    for (int64_t n = 0; n < 2 * count + 1 && status > 0; n++) {
        status = step(publisher, &room, &with);
    }
    *differs = with.differs;
    return status < 0 ? status : with.next - first;
}

void *eng_publisher_work_function(void)
{
    rb_work work = eng_publisher_work;
    void *pointer;
    memcpy(&pointer, &work, sizeof pointer);
    return pointer;
}

uint64_t eng_publisher_next(const eng_publisher *publisher)
{
    return publisher->writer.next;
}

int64_t eng_publisher_offer(eng_publisher *publisher, const void *messages, int64_t count)
{
    publisher->wake->stream = 1;
    return rb_multicast_offer(&publisher->writer, messages, count);
}
