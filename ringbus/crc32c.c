#include "ringbus/crc32c.h"

#include <string.h>

/* Table of the reflected polynomial 0x82f63b78, one nibble at a time: 64 bytes that stay in L1. */
static const uint32_t nibble_table[16] = {
    0x00000000u, 0x105ec76fu, 0x20bd8edeu, 0x30e349b1u, 0x417b1dbcu, 0x5125dad3u,
    0x61c69362u, 0x7198540du, 0x82f63b78u, 0x92a8fc17u, 0xa24bb5a6u, 0xb21572c9u,
    0xc38d26c4u, 0xd3d3e1abu, 0xe330a81au, 0xf36e6f75u,
};

static uint32_t update_portable(uint32_t crc, const uint8_t *bytes, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        crc ^= bytes[i];
        crc = (crc >> 4) ^ nibble_table[crc & 15u];
        crc = (crc >> 4) ^ nibble_table[crc & 15u];
    }
    return crc;
}

enum { CHECKSUM_AT = offsetof(rb_header, checksum), BODY_AT = sizeof(rb_header) };

static uint32_t message_portable(const rb_message *message)
{
    const uint8_t *bytes = (const uint8_t *)message;
    uint32_t crc = update_portable(~0u, bytes, CHECKSUM_AT);
    return ~update_portable(crc, bytes + BODY_AT, sizeof *message - BODY_AT);
}

static uint32_t as_portable(const rb_message *message, uint64_t sequence, uint32_t kind)
{
    rb_message changed = *message;
    changed.words[0] = sequence;
    changed.words[3] = kind;
    return message_portable(&changed);
}

static int64_t whole_portable(const rb_message *messages, int64_t count, uint64_t sequence)
{
    for (int64_t i = 0; i < count; i++) {
        if (messages[i].header.sequence != sequence + (uint64_t)i ||
            messages[i].header.checksum != message_portable(&messages[i])) {
            return i;
        }
    }
    return count;
}

#if defined(__x86_64__)
__attribute__((target("sse4.2"))) static uint32_t
update_hardware(uint32_t crc, const uint8_t *bytes, size_t count)
{
    uint64_t wide = crc;
    size_t i = 0;
    for (; i + 8 <= count; i += 8) {
        uint64_t word;
        memcpy(&word, bytes + i, sizeof word);
        wide = __builtin_ia32_crc32di(wide, word);
    }
    crc = (uint32_t)wide;
    for (; i < count; i++) {
        crc = __builtin_ia32_crc32qi(crc, bytes[i]);
    }
    return crc;
}

__attribute__((target("sse4.2"))) static uint32_t message_hardware(const rb_message *message,
                                                                   uint64_t sequence, uint32_t kind)
{
    const uint64_t *words = message->words;
    uint64_t crc = ~0u;
    crc = __builtin_ia32_crc32di(crc, sequence);
    crc = __builtin_ia32_crc32di(crc, words[1]);
    crc = __builtin_ia32_crc32di(crc, words[2]);
    crc = __builtin_ia32_crc32si((uint32_t)crc, kind);
    crc = __builtin_ia32_crc32di(crc, words[4]);
    crc = __builtin_ia32_crc32di(crc, words[5]);
    crc = __builtin_ia32_crc32di(crc, words[6]);
    crc = __builtin_ia32_crc32di(crc, words[7]);
    return ~(uint32_t)crc;
}

/* As rb_messages_whole: with the instruction in the loop the sums of neighbours overlap. */
__attribute__((target("sse4.2"))) static int64_t whole_hardware(const rb_message *messages,
                                                                int64_t count, uint64_t sequence)
{
    for (int64_t i = 0; i < count; i++) {
        if (messages[i].header.sequence != sequence + (uint64_t)i ||
            messages[i].header.checksum != message_hardware(&messages[i], sequence + (uint64_t)i,
                                                            (uint32_t)messages[i].words[3])) {
            return i;
        }
    }
    return count;
}

/* The answer is a bit in a variable that libgcc fills before main; testing it costs one load. */
static int has_hardware(void)
{
    return __builtin_cpu_supports("sse4.2");
}
#else
static uint32_t update_hardware(uint32_t crc, const uint8_t *bytes, size_t count)
{
    return update_portable(crc, bytes, count);
}

static uint32_t message_hardware(const rb_message *message, uint64_t sequence, uint32_t kind)
{
    return as_portable(message, sequence, kind);
}

static int64_t whole_hardware(const rb_message *messages, int64_t count, uint64_t sequence)
{
    return whole_portable(messages, count, sequence);
}

static int has_hardware(void)
{
    return 0;
}
#endif

uint32_t rb_message_checksum(const rb_message *message)
{
    return rb_message_checksum_as(message, message->words[0], (uint32_t)message->words[3]);
}

uint32_t rb_message_checksum_as(const rb_message *message, uint64_t sequence, uint32_t kind)
{
    return has_hardware() ? message_hardware(message, sequence, kind)
                          : as_portable(message, sequence, kind);
}

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the lower half of word 3 comes first");
_Static_assert(offsetof(rb_header, template_id) == 24, "word 3");

uint32_t rb_crc32c(const void *bytes, size_t count)
{
    return has_hardware() ? ~update_hardware(~0u, bytes, count) : rb_crc32c_portable(bytes, count);
}

uint32_t rb_crc32c_portable(const void *bytes, size_t count)
{
    return ~update_portable(~0u, bytes, count);
}

int64_t rb_messages_whole(const rb_message *messages, int64_t count, uint64_t sequence)
{
    return has_hardware() ? whole_hardware(messages, count, sequence)
                          : whole_portable(messages, count, sequence);
}

int64_t rb_messages_verify(const void *messages, int64_t count)
{
    const rb_message *message = messages;
    for (int64_t i = 0; i < count; i++) {
        if (message[i].header.checksum != rb_message_checksum(&message[i])) {
            return i;
        }
    }
    return count;
}

void rb_messages_seal(void *messages, int64_t count)
{
    rb_message *message = messages;
    for (int64_t i = 0; i < count; i++) {
        message[i].header.checksum = rb_message_checksum(&message[i]);
    }
}
