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
    int32_t status = rb_lane_attach(&publisher->shards[publisher->shard_count], memory, bytes);
    if (status == RB_OK) {
        publisher->shard_count++;
        publisher->current = publisher->shard_count;
    }
    return status;
}

void eng_publisher_measure(eng_publisher *publisher, void *hop)
{
    publisher->hop = hop;
}

/* The shard whose lane begins with the group of the awaited input; shard_count if it is not there
 * yet. */
static uint32_t find(const eng_publisher *publisher)
{
    for (uint32_t n = 0; n < publisher->shard_count; n++) {
        const rb_message *line = rb_lane_peek(&publisher->shards[n], 0);
        if (line != NULL && line->header.checksum == (uint32_t)publisher->input) {
            return n;
        }
    }
    return publisher->shard_count;
}

static void publish(eng_publisher *publisher, const rb_message *line)
{
    rb_message message;
    memcpy(&message, line, sizeof message);
    message.header.sequence = publisher->writer.next;
    message.header.checksum = rb_message_checksum(&message);
    rb_multicast_publish(&publisher->writer, &message);
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

/* Publishes one line of the group at hand. 1: done, 0: not there yet or no room, < 0: failed. */
static int32_t step(eng_publisher *publisher)
{
    if (publisher->current == publisher->shard_count) {
        publisher->current = find(publisher);
        if (publisher->current == publisher->shard_count) {
            return 0;
        }
    }
    rb_lane *lane = &publisher->shards[publisher->current];
    const rb_message *line = rb_lane_peek(lane, 0);
    if (line == NULL) {
        return 0;
    }
    RB_CHECK(line->header.checksum == (uint32_t)publisher->input);
    if (line->header.template_id != RB_TEMPLATE_SKIP) {
        if (rb_multicast_room(&publisher->writer, 1) == 0) {
            return 0;
        }
        publish(publisher, line);
        if (eng_is_measured(line) && (line->header.flags & RB_FLAG_GENERATED) == 0) {
            measure(publisher, lane, line->header.time_ns);
        }
    }
    if (line->header.flags & RB_FLAG_LAST_OF_GROUP) {
        publisher->input++;
        publisher->current = publisher->shard_count;
    }
    rb_lane_release(lane, 1);
    return 1;
}

int64_t eng_publisher_work(void *state, int64_t limit)
{
    eng_publisher *publisher = state;
    uint64_t first = publisher->writer.next;
    int64_t done = 0;
    for (; done < limit; done++) {
        int32_t status = step(publisher);
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
    if (done == 0) {
        rb_multicast_warm(&publisher->writer);
    }
    return done;
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
