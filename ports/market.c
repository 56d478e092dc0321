#include "ports/market.h"

#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "ports/big_endian.h"
#include "ports/market_state.h"
#include "ports/soup.h"
#include "ringbus/check.h"

#define PRT_MARKET_COUNT_ROW(name, text) text,
static const char *const count_names[] = {PRT_MARKET_COUNT_LIST(PRT_MARKET_COUNT_ROW)};
#undef PRT_MARKET_COUNT_ROW

/* Whether the values make sense together; what the tape and the feed take they check themselves. */
static int is_sound(const prt_market_config *config)
{
    size_t length = strnlen(config->session, sizeof config->session);
    if (length == 0 || length > PRT_MOLD_SESSION_BYTES || config->heartbeat_ns == 0) {
        return 0;
    }
    return config->packet_bytes >= PRT_MOLD_PACKET_MIN &&
           config->packet_bytes <= PRT_MOLD_PACKET_MAX;
}

static int32_t init(prt_market *market, const prt_market_config *config)
{
    market->config = *config;
    market->replay.file = -1;
    market->group_fd = -1;
    market->answer_fd = -1;
    market->next.number = 1;
    memset(market->session, ' ', sizeof market->session);
    memcpy(market->session, config->session, strlen(config->session));
    for (uint32_t n = 0; n < PRT_MARKET_COUNTS; n++) {
        market->counters[n] = &market->own_counters[n];
    }
    market->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (market->epoll_fd < 0) {
        return RB_SYSTEM;
    }
    int32_t status = prt_tape_init(&market->tape, config->tape_bytes, config->tape_messages);
    if (status == RB_OK) {
        status = prt_feed_init(&market->feed, &market->tape, config->instruments, config->shards,
                               config->orders);
    }
    if (status != RB_OK) {
        return status;
    }
    /* An A for every order, R and H for every instrument, an S and the G. */
    uint64_t messages = (uint64_t)config->orders * config->shards + 2 * config->instruments + 2;
    return prt_tape_init(&market->snapshot, messages * (PRT_TAPE_LENGTH_BYTES + PRT_ITCH_BYTES_MAX),
                         messages);
}

int32_t prt_market_create(const prt_market_config *config, prt_market **out)
{
    *out = NULL;
    if (!is_sound(config)) {
        return RB_USAGE;
    }
    size_t whole = (sizeof **out + RB_GUARD_BYTES - 1) / RB_GUARD_BYTES * RB_GUARD_BYTES;
    prt_market *market = aligned_alloc(RB_GUARD_BYTES, whole);
    if (market == NULL) {
        return RB_SYSTEM;
    }
    memset(market, 0, whole);
    int32_t status = init(market, config);
    if (status != RB_OK) {
        prt_market_destroy(market);
        return status;
    }
    *out = market;
    return RB_OK;
}

static void close_one(int32_t fd)
{
    if (fd >= 0) {
        (void)close(fd);
    }
}

void prt_market_destroy(prt_market *market)
{
    if (market == NULL) {
        return;
    }
    close_one(market->group_fd);
    close_one(market->answer_fd);
    close_one(market->epoll_fd);
    prt_tape_free(&market->tape);
    prt_tape_free(&market->snapshot);
    prt_feed_free(&market->feed);
    rb_replay_close(&market->replay);
    free(market);
}

int32_t prt_market_attach_core(prt_market *market, void *clock)
{
    market->clock = clock;
    return clock == NULL ? RB_USAGE : RB_OK;
}

int32_t prt_market_attach_stream(prt_market *market, const void *ring, size_t ring_bytes,
                                 const char *directory, uint64_t segment_messages)
{
    if (ring == NULL) {
        return RB_USAGE;
    }
    market->has_journal = directory != NULL && directory[0] != '\0';
    return rb_replay_attach(&market->replay, ring, ring_bytes, directory, segment_messages, 1);
}

int32_t prt_market_add_journal(prt_market *market, const char *directory)
{
    return rb_replay_add(&market->replay, directory);
}

int32_t prt_market_attach_marks(prt_market *market, const void *marks, size_t marks_bytes,
                                uint32_t copies)
{
    if (copies > RB_MARKS_MAX) {
        return RB_USAGE;
    }
    int32_t status = rb_marks_verify(marks, marks_bytes);
    if (status == RB_OK && copies > 0) {
        market->marks = marks;
        market->copies = copies;
    }
    return status;
}

void *prt_market_reader(prt_market *market)
{
    return rb_replay_reader(&market->replay);
}

int32_t prt_market_epoll(const prt_market *market)
{
    return market->epoll_fd;
}

/* --- the stream --- */

int32_t prt_market_hear(prt_market *market, const void *lines, int64_t count)
{
    const rb_message *line = lines;
    uint64_t before = market->tape.count;
    int32_t status = RB_OK;
    for (int64_t n = 0; n < count && status == RB_OK; n++) {
        status = prt_feed_apply(&market->feed, &line[n]);
    }
    prt_market_add(market, PRT_MARKET_MESSAGES, market->tape.count - before);
    return status;
}

/* Lines that may be heard now: with marks, what enough journals have. */
static int64_t allowed(const prt_market *market, int64_t limit)
{
    int64_t most = limit < (int64_t)RB_REPLAY_BATCH ? limit : (int64_t)RB_REPLAY_BATCH;
    if (market->marks == NULL) {
        return most;
    }
    uint64_t reached = rb_marks_reached(market->marks, market->copies);
    uint64_t left = reached > market->feed.heard ? reached - market->feed.heard : 0;
    return left < (uint64_t)most ? (int64_t)left : most;
}

/* Caught up: from here on it sends, and first of all says where it is. */
static void go_live(prt_market *market)
{
    market->is_live = 1;
    market->next = prt_tape_seek(&market->tape, market->tape.count + 1);
}

static int64_t follow(prt_market *market, int64_t limit)
{
    int64_t most = allowed(market, limit);
    int64_t got = most > 0 ? rb_replay_poll(&market->replay, market->batch, most) : 0;
    if (got == RB_LAPPED && market->has_journal) {
        /* What the ring has lost will be in the files in a moment. */
        return 0;
    }
    if (got > 0) {
        int32_t status = prt_market_hear(market, market->batch, got);
        if (status != RB_OK) {
            return status;
        }
    }
    /* At the end of the stream, or of what may be known of it; and of a group. */
    int is_at_end = most == 0 || rb_replay_lag(&market->replay) == 0;
    if (got >= 0 && !market->is_live && is_at_end && !market->feed.in_group) {
        go_live(market);
    }
    return got;
}

int64_t prt_market_work(void *state, int64_t limit)
{
    prt_market *market = state;
    RB_CHECK(market->clock != NULL);
    int64_t heard = follow(market, limit);
    if (heard < 0) {
        return heard;
    }
    market->now_ns = rb_clock_read(market->clock);
    int64_t done = heard + prt_market_answer(market, limit);
    return market->is_live ? done + prt_market_send(market, limit) : done;
}

void *prt_market_work_function(void)
{
    return rb_work_address(prt_market_work);
}

/* --- what others ask --- */

int32_t prt_market_is_live(const prt_market *market)
{
    return market->is_live != 0;
}

int32_t prt_market_is_over(const prt_market *market)
{
    return market->feed.is_over != 0;
}

uint64_t prt_market_messages(const prt_market *market)
{
    return market->tape.count;
}

int64_t prt_market_copy(const prt_market *market, uint64_t number, uint32_t limit, uint8_t *out,
                        size_t room)
{
    if (number == 0) {
        return RB_USAGE;
    }
    prt_tape_cursor cursor = prt_tape_seek(&market->tape, number);
    uint64_t offset = cursor.offset;
    (void)prt_tape_advance(&market->tape, &cursor, limit, room);
    size_t bytes = cursor.offset - offset;
    memcpy(out, market->tape.bytes + offset, bytes);
    return (int64_t)bytes;
}

/* A message and its length become a packet that is one byte longer. */
static int64_t copy_soup(const prt_tape *tape, uint64_t number, uint8_t *out, size_t room,
                         uint64_t *next)
{
    if (number == 0) {
        return RB_USAGE;
    }
    size_t used = 0;
    prt_tape_cursor cursor = prt_tape_seek(tape, number);
    while (cursor.number <= tape->count) {
        const uint8_t *message = tape->bytes + cursor.offset + PRT_TAPE_LENGTH_BYTES;
        uint32_t bytes = prt_tape_length(tape, &cursor);
        if (room - used < PRT_SOUP_HEADER_BYTES + bytes) {
            break;
        }
        used += prt_soup_write_sequenced_header(out + used, room - used, bytes);
        memcpy(out + used, message, bytes);
        used += bytes;
        (void)prt_tape_advance(tape, &cursor, 1, SIZE_MAX);
    }
    *next = cursor.number;
    return (int64_t)used;
}

int64_t prt_market_copy_soup(const prt_market *market, uint64_t number, uint8_t *out, size_t room,
                             uint64_t *next)
{
    return copy_soup(&market->tape, number, out, room, next);
}

int64_t prt_market_snapshot(prt_market *market)
{
    if (market->feed.in_group) {
        return 0;
    }
    prt_tape_clear(&market->snapshot);
    int32_t status = prt_feed_snapshot(&market->feed, &market->snapshot);
    return status != RB_OK ? status : (int64_t)market->snapshot.count;
}

int64_t prt_market_copy_snapshot(const prt_market *market, uint64_t number, uint8_t *out,
                                 size_t room, uint64_t *next)
{
    return copy_soup(&market->snapshot, number, out, room, next);
}

int32_t prt_market_valid(const prt_market *market)
{
    return prt_feed_valid(&market->feed);
}

const char *prt_market_count_name(uint32_t n)
{
    return n < PRT_MARKET_COUNTS ? count_names[n] : NULL;
}

uint64_t prt_market_count(const prt_market *market, uint32_t n)
{
    /* relaxed: a number for a watcher. */
    return n < PRT_MARKET_COUNTS ? rb_load_relaxed(market->counters[n]) : 0;
}

int32_t prt_market_count_into(prt_market *market, uint32_t n, uint64_t *counter)
{
    if (n >= PRT_MARKET_COUNTS || counter == NULL) {
        return RB_USAGE;
    }
    market->counters[n] = counter;
    return RB_OK;
}
