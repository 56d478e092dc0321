/* The multicast's legs of bench_ring: one writer that never waits, readers that check after the
 * copy, and what stopped and slow ones change for it. */
#include <signal.h>
#include <string.h>

#include "ringbus/multicast.h"
#include "tests/bench/ring_legs.h"

enum { GOES = 3, SLOW_TURNS = 1000 /* of rb_pause after each batch */ };

typedef struct ring {
    void *memory;
    void *readers;
    void *lossy; /* where the readers show what they count */
    uint64_t capacity;
    rb_writer writer;
} ring;

static ring make_ring(uint64_t capacity)
{
    size_t bytes = rb_multicast_bytes(capacity);
    ring r = {.memory = shared(bytes),
              .readers = shared(rb_readers_bytes()),
              .lossy = shared(rb_readers_bytes()),
              .capacity = capacity};
    EXPECT(rb_multicast_init(r.memory, bytes, capacity, "bench") == RB_OK);
    EXPECT(rb_readers_init(r.readers, rb_readers_bytes(), "bench") == RB_OK);
    EXPECT(rb_readers_init(r.lossy, rb_readers_bytes(), "bench") == RB_OK);
    EXPECT(rb_multicast_writer_attach(&r.writer, r.memory, bytes, r.readers, rb_readers_bytes()) ==
           RB_OK);
    return r;
}

static void drop_ring(ring *r)
{
    EXPECT(munmap(r->memory, rb_multicast_bytes(r->capacity)) == 0);
    EXPECT(munmap(r->readers, rb_readers_bytes()) == 0);
    EXPECT(munmap(r->lossy, rb_readers_bytes()) == 0);
}

/* A reader that was lapped goes on in the middle of what is there: at the oldest it would be lapped
 * again at once. */
static uint64_t skip(rb_reader *reader)
{
    uint64_t first = rb_multicast_wanted(reader);
    uint64_t tail = rb_multicast_tail(reader);
    uint64_t half = rb_multicast_capacity(reader) / 2;
    uint64_t next = tail > half ? tail - half : 1;
    uint64_t oldest = rb_multicast_oldest(reader);
    next = next > oldest ? next : oldest;
    rb_multicast_seek(reader, next);
    return next - first;
}

/* `pause_turns`: after each batch, so that it is slower than the writer. */
static void read_lossy(const ring *r, int index, int pause_turns)
{
    rb_reader reader;
    rb_message batch[BATCH];
    uint64_t received = 0;
    uint64_t lost = 0;
    uint64_t sum = 0;
    prefault(r->memory, rb_multicast_bytes(r->capacity));
    EXPECT(rb_multicast_reader_attach(&reader, r->memory, rb_multicast_bytes(r->capacity), 1) ==
           RB_OK);
    const char name[2] = {(char)('a' + index), '\0'};
    EXPECT(rb_readers_join(&reader, r->lossy, rb_readers_bytes(), name) >= 0);
    board_ready();
    for (;;) {
        int64_t count = rb_multicast_poll(&reader, batch, BATCH);
        if (count > 0) {
            received += (uint64_t)count;
            sum += batch[count - 1].words[7];
        } else if (count == RB_LAPPED) {
            lost += skip(&reader);
        } else {
            uint64_t end = rb_load_acquire(&table->end);
            if (end != 0 && rb_multicast_wanted(&reader) > end) {
                break;
            }
        }
        for (int i = 0; i < pause_turns; i++) {
            rb_pause();
        }
    }
    table->readers[index].ended_ns = now_ns();
    table->readers[index].received = received;
    table->readers[index].lost = lost;
    EXPECT(rb_multicast_received(&reader) == received && rb_multicast_lost(&reader) == lost);
    table->readers[index].sum = sum;
    board_leave(index);
}

/* The writer's own rate: it never waits. */
static double write_all(ring *r, uint64_t *start_ns)
{
    *start_ns = now_ns();
    for (uint64_t sent = 0; sent < set.messages; sent += BATCH) {
        EXPECT(rb_multicast_room(&r->writer, BATCH) >= BATCH);
        for (uint64_t n = 0; n < BATCH; n++) {
            rb_multicast_publish(&r->writer, &set.work[n]);
        }
        rb_multicast_announce(&r->writer);
    }
    uint64_t end_ns = now_ns();
    rb_store_release(&table->end, set.messages);
    return rate(set.messages, *start_ns, end_ns);
}

typedef struct lossy_result {
    double written;
    double received; /* over all readers, up to when the last one ended */
    double lost;     /* % of what they should have had */
} lossy_result;

static lossy_result lossy(uint64_t capacity, int readers, int pause_turns, int stopped)
{
    ring r = make_ring(capacity);
    pid_t children[READERS_HERE];
    board_start();
    for (int i = 0; i < readers; i++) {
        children[i] = board_fork();
        if (children[i] == 0) {
            read_lossy(&r, i, pause_turns);
        }
        board_wait_ready((uint64_t)i + 1);
        if (stopped) {
            EXPECT(kill(children[i], SIGSTOP) == 0);
        }
    }
    lossy_result result = {.written = 0};
    uint64_t start_ns = 0;
    result.written = write_all(&r, &start_ns);
    uint64_t received = 0;
    uint64_t ended_ns = start_ns + 1;
    for (int i = 0; i < readers; i++) {
        if (stopped) {
            EXPECT(kill(children[i], SIGCONT) == 0);
        }
        board_reap(children[i]);
        EXPECT(table->readers[i].received + table->readers[i].lost == set.messages);
        received += table->readers[i].received;
        uint64_t its_ns = table->readers[i].ended_ns;
        ended_ns = its_ns > ended_ns ? its_ns : ended_ns;
    }
    if (readers > 0) {
        result.received = rate(received, start_ns, ended_ns);
        double wanted = (double)set.messages * readers;
        result.lost = 100 * (wanted - (double)received) / wanted;
    }
    drop_ring(&r);
    return result;
}

static void run_one_reader(uint64_t capacity, double *out)
{
    lossy_result result;
    int goes = 0;
    do {
        result = lossy(capacity, 1, 0, 0);
    } while (board_again(&goes));
    out[0] = result.written;
    out[1] = result.received;
    out[2] = result.lost;
    out[3] = result.received * (double)sizeof(rb_message) / 1e3;
}

void run_lossy_large(double *out)
{
    run_one_reader(LARGE, out);
}

void run_lossy_small(double *out)
{
    run_one_reader(SMALL, out);
}

void run_lossy_three(double *out)
{
    lossy_result result = lossy(LARGE, READERS_HERE, 0, 0);
    out[0] = result.written;
    out[1] = result.received;
    out[2] = result.lost;
    out[3] = result.received * (double)sizeof(rb_message) / 1e3;
}

static double slowdown(double alone, double with)
{
    return 100 * (alone - with) / alone;
}

/* Of a few goes: whatever else runs here only ever takes from the writer. */
static double best_written(int readers, int pause_turns, int stopped)
{
    double best = 0;
    for (int go = 0; go < GOES; go++) {
        double written = lossy(LARGE, readers, pause_turns, stopped).written;
        best = written > best ? written : best;
    }
    return best;
}

/* Alone before and after, so that a drift of the machine is not taken for the reader's doing. */
void run_disturbance(double *out)
{
    double before = best_written(0, 0, 0);
    double stopped = best_written(1, 0, 1);
    double between = best_written(0, 0, 0);
    double slow = best_written(1, SLOW_TURNS, 0);
    double after = best_written(0, 0, 0);
    out[0] = between;
    out[1] = slowdown((before + between) / 2, stopped);
    out[2] = slowdown((between + after) / 2, slow);
}
