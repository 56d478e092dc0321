/*
 * A fuzzer for where there is none: every file of a directory through the target, then seeded
 * changes of them. `fuzz_soup DIRECTORY CHANGES [SEED]`; the same arguments do the same again, and
 * what was done last is told when the target ends the program.
 */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/check.h"
#include "tests/fuzz/fuzz.h"

enum { FILES_MAX = 4096, BYTES_MAX = 4096, CHANGES_EACH_MAX = 6 };

typedef struct seed_file {
    uint8_t *bytes;
    size_t count;
    char name[64];
} seed_file;

static seed_file files[FILES_MAX];
static size_t file_count;
static uint64_t random_state;
static char doing[128] = "nothing yet";

static uint64_t draw(uint64_t below)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return random_state % below;
}

static void tell(void)
{
    (void)fprintf(stderr, "fuzz: %s\n", doing);
}

static int by_name(const void *one, const void *other)
{
    return strcmp(((const seed_file *)one)->name, ((const seed_file *)other)->name);
}

static void load(const char *directory)
{
    DIR *open = opendir(directory);
    EXPECT(open != NULL);
    for (struct dirent *entry = readdir(open); entry != NULL; entry = readdir(open)) {
        char path[512];
        if (entry->d_name[0] == '.' || strlen(entry->d_name) >= sizeof files->name) {
            continue;
        }
        EXPECT(file_count < FILES_MAX);
        (void)snprintf(path, sizeof path, "%s/%s", directory, entry->d_name);
        FILE *file = fopen(path, "rb");
        EXPECT(file != NULL);
        seed_file *one = &files[file_count++];
        one->bytes = malloc(BYTES_MAX);
        EXPECT(one->bytes != NULL);
        one->count = fread(one->bytes, 1, BYTES_MAX, file);
        (void)snprintf(one->name, sizeof one->name, "%s", entry->d_name);
        EXPECT(fclose(file) == 0);
    }
    EXPECT(closedir(open) == 0);
    EXPECT(file_count > 0);
    qsort(files, file_count, sizeof files[0], by_name);
}

/* A copy to the byte, so that a sanitizer sees one step beyond. */
static void run(const uint8_t *bytes, size_t count)
{
    uint8_t *copy = malloc(count == 0 ? 1 : count);
    EXPECT(copy != NULL);
    memcpy(copy, bytes, count);
    (void)LLVMFuzzerTestOneInput(copy, count);
    free(copy);
}

static size_t change(uint8_t *bytes, size_t count)
{
    static const uint8_t telling[] = {0, 1, 2, 32, 48, 57, 79, 85, 88, 76, 127, 128, 254, 255};
    size_t at = count == 0 ? 0 : draw(count);
    switch (draw(6)) {
    case 0:
        if (count > 0) {
            bytes[at] ^= (uint8_t)(1u << draw(8));
        }
        return count;
    case 1:
        if (count > 0) {
            bytes[at] = telling[draw(sizeof telling)];
        }
        return count;
    case 2: /* less of it */
        return at;
    case 3: /* a byte more */
        if (count < BYTES_MAX) {
            memmove(bytes + at + 1, bytes + at, count - at);
            bytes[at] = (uint8_t)draw(256);
            return count + 1;
        }
        return count;
    case 4: { /* a part of another behind a part of this */
        const seed_file *other = &files[draw(file_count)];
        size_t from = other->count == 0 ? 0 : draw(other->count);
        size_t more = other->count - from;
        more = more < BYTES_MAX - at ? more : BYTES_MAX - at;
        memcpy(bytes + at, other->bytes + from, more);
        return at + more;
    }
    default: /* twice */
        at = count < BYTES_MAX - count ? count : BYTES_MAX - count;
        memcpy(bytes + count, bytes, at);
        return count + at;
    }
}

int main(int argc, char **argv)
{
    EXPECT(argc >= 3);
    uint64_t changes = strtoull(argv[2], NULL, 10);
    uint64_t seed = argc > 3 ? strtoull(argv[3], NULL, 10) : 1;
    EXPECT(atexit(tell) == 0);
    load(argv[1]);
    for (size_t n = 0; n < file_count; n++) {
        (void)snprintf(doing, sizeof doing, "file %s", files[n].name);
        run(files[n].bytes, files[n].count);
    }
    static uint8_t bytes[BYTES_MAX];
    for (uint64_t n = 0; n < changes; n++) {
        /* Each has a seed of its own, so that it can be found without the others. */
        random_state =
            (seed * UINT64_C(0x9E3779B97F4A7C15)) ^ (n + 1) * UINT64_C(0xBF58476D1CE4E5B9);
        const seed_file *one = &files[draw(file_count)];
        size_t count = one->count;
        memcpy(bytes, one->bytes, count);
        for (uint64_t left = 1 + draw(CHANGES_EACH_MAX); left > 0; left--) {
            count = change(bytes, count);
        }
        (void)snprintf(doing, sizeof doing, "change %llu of %s, seed %llu", (unsigned long long)n,
                       one->name, (unsigned long long)seed);
        run(bytes, count);
    }
    (void)snprintf(doing, sizeof doing, "%zu files and %llu changes of them held", file_count,
                   (unsigned long long)changes);
    return 0;
}
