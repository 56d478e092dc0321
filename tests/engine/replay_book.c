/*
 * Replays recorded proposals through a book and writes its answers to a file, in one of several
 * ways that must all say the same; prints the hash of the book that is left.
 *
 * replay_book WAY IN OUT INSTRUMENTS ORDERS NODES, where WAY is
 *   batch  eng_book_apply_batch, which fetches ahead by itself
 *   tight  the same with the smallest room for answers: most of them are taken up again
 *   lines  eng_book_submit, group by group into a small ring, nothing fetched ahead
 *   ahead  the same with all three steps of prefetch
 *
 * tests/engine/test_determinism.py compiles it with several compilers.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/book.h"
#include "tests/check.h"

#define BATCH_LINES 4096
#define RING_SLOTS 16
#define RESUMES_MAX 100000000

typedef struct lines {
    rb_message *at;
    int64_t count;
} lines;

static lines read_all(const char *path)
{
    FILE *file = fopen(path, "rb");
    EXPECT(file != NULL);
    EXPECT(fseek(file, 0, SEEK_END) == 0);
    long bytes = ftell(file);
    EXPECT(bytes > 0 && bytes % (long)sizeof(rb_message) == 0);
    rewind(file);
    lines all = {.at = calloc(1, (size_t)bytes), .count = bytes / (long)sizeof(rb_message)};
    EXPECT(all.at != NULL);
    EXPECT(fread(all.at, sizeof(rb_message), (size_t)all.count, file) == (size_t)all.count);
    EXPECT(fclose(file) == 0);
    return all;
}

static void write_lines(FILE *out, const rb_message *from, uint64_t count)
{
    EXPECT(fwrite(from, sizeof *from, (size_t)count, out) == (size_t)count);
}

static void replay_batches(eng_book *book, lines in, FILE *out, int64_t room)
{
    static rb_message answers[BATCH_LINES];
    int64_t at = 0;
    int32_t status = RB_FULL;
    for (uint64_t turn = 0; turn < RESUMES_MAX && status == RB_FULL; turn++) {
        int64_t used = 0;
        int64_t count = 0;
        status =
            eng_book_apply_batch(book, in.at + at, in.count - at, answers, room, &used, &count);
        at += used;
        write_lines(out, answers, (uint64_t)count);
    }
    EXPECT(status == RB_OK);
    EXPECT(at == in.count);
}

static void drain(eng_sink *sink, FILE *out)
{
    for (uint64_t n = 0; n < sink->count; n++) {
        write_lines(out, &sink->base[(sink->position + n) & sink->mask], 1);
    }
    sink->position += sink->count;
    sink->count = 0;
}

static void fetch_ahead(const eng_book *book, lines in, int64_t at)
{
    if (at + ENG_AHEAD_FAR < in.count) {
        eng_book_prefetch(book, &in.at[at + ENG_AHEAD_FAR]);
        eng_book_prefetch_near(book, &in.at[at + ENG_AHEAD_NEAR]);
        eng_book_prefetch_tail(book, &in.at[at + ENG_AHEAD_TAIL]);
    }
}

static void replay_groups(eng_book *book, lines in, FILE *out, int is_ahead)
{
    static rb_message ring[RING_SLOTS];
    eng_sink sink = {.base = ring, .mask = RING_SLOTS - 1, .limit = RING_SLOTS};
    int64_t at = 0;
    while (at < in.count) {
        eng_group group = {.base = in.at, .mask = UINT64_MAX, .position = (uint64_t)at, .count = 1};
        while ((in.at[at + group.count - 1].header.flags & RB_FLAG_CONTINUED) != 0) {
            group.count++;
        }
        EXPECT(group.count <= ENG_GROUP_LINES_MAX);
        for (uint32_t n = 0; is_ahead && n < group.count; n++) {
            fetch_ahead(book, in, at + n);
        }
        int32_t status = eng_book_submit(book, &group, &sink);
        for (uint64_t turn = 0; turn < RESUMES_MAX && status == RB_FULL; turn++) {
            drain(&sink, out);
            status = eng_book_resume(book, &sink);
        }
        EXPECT(status == RB_OK);
        drain(&sink, out);
        at += group.count;
    }
}

static uint32_t number(const char *text)
{
    return (uint32_t)strtoul(text, NULL, 10);
}

int main(int argc, char **argv)
{
    EXPECT(argc == 7);
    const char *way = argv[1];
    lines in = read_all(argv[2]);
    FILE *out = fopen(argv[3], "wb");
    EXPECT(out != NULL);
    eng_book *book = eng_book_create(number(argv[4]), number(argv[5]), number(argv[6]));
    EXPECT(book != NULL);
    if (strcmp(way, "batch") == 0) {
        replay_batches(book, in, out, BATCH_LINES);
    } else if (strcmp(way, "tight") == 0) {
        replay_batches(book, in, out, ENG_GROUP_LINES_MAX);
    } else {
        replay_groups(book, in, out, strcmp(way, "ahead") == 0);
    }
    EXPECT(fclose(out) == 0);
    EXPECT(eng_book_verify(book) == RB_OK);
    EXPECT(printf("%016llx\n", (unsigned long long)eng_book_hash(book)) > 0);
    eng_book_destroy(book);
    free(in.at);
    return 0;
}
