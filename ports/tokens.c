#include "ports/tokens.h"

#include <stdlib.h>
#include <string.h>

/* Slots per token, rounded up to a power of two. */
enum { SLOTS_PER_TOKEN = 2 };

/* Fibonacci hashing: the high bits are the mixed ones. */
static uint64_t mix(uint64_t word)
{
    return word * UINT64_C(0x9E3779B97F4A7C15);
}

static uint32_t home_of_text(const prt_tokens *tokens, uint16_t topic, const char *text)
{
    uint64_t words[2] = {0, topic};
    memcpy(&words[0], text, 8);
    memcpy((char *)&words[1] + 2, text + 8, PRT_TOKEN_BYTES - 8);
    return (uint32_t)(mix(mix(words[0]) >> 32 ^ words[1]) >> 32) & tokens->mask;
}

static uint32_t home_of_number(const prt_tokens *tokens, uint16_t topic, uint32_t client_order_id)
{
    return (uint32_t)(mix((uint64_t)topic << 32 | client_order_id) >> 32) & tokens->mask;
}

static uint32_t slots_for(uint32_t capacity)
{
    uint32_t slots = 2;
    while (slots < capacity * SLOTS_PER_TOKEN) {
        slots *= 2;
    }
    return slots;
}

uint64_t prt_tokens_bytes(uint32_t capacity)
{
    if (capacity == 0 || capacity > PRT_TOKENS_MAX) {
        return 0;
    }
    return capacity * (uint64_t)sizeof(prt_token) +
           2 * (uint64_t)slots_for(capacity) * sizeof(uint32_t);
}

int32_t prt_tokens_init(prt_tokens *tokens, uint32_t capacity)
{
    memset(tokens, 0, sizeof *tokens);
    if (capacity > PRT_TOKENS_MAX) {
        return RB_USAGE;
    }
    if (capacity == 0) {
        return RB_OK;
    }
    uint32_t slots = slots_for(capacity);
    tokens->entries = calloc(capacity, sizeof *tokens->entries);
    tokens->by_text = calloc(slots, sizeof *tokens->by_text);
    tokens->by_number = calloc(slots, sizeof *tokens->by_number);
    tokens->mask = slots - 1;
    tokens->capacity = capacity;
    int is_whole = tokens->entries != NULL && tokens->by_text != NULL && tokens->by_number != NULL;
    return is_whole ? RB_OK : RB_SYSTEM;
}

void prt_tokens_free(prt_tokens *tokens)
{
    free(tokens->entries);
    free(tokens->by_text);
    free(tokens->by_number);
    memset(tokens, 0, sizeof *tokens);
}

/* The slot where the text is, or where it would be. */
static uint32_t slot_of_text(const prt_tokens *tokens, uint16_t topic, const char *text)
{
    uint32_t slot = home_of_text(tokens, topic, text);
    for (uint32_t n = 0; n <= tokens->mask && tokens->by_text[slot] != 0; n++) {
        const prt_token *entry = &tokens->entries[tokens->by_text[slot] - 1];
        if (entry->topic == topic && memcmp(entry->text, text, PRT_TOKEN_BYTES) == 0) {
            break;
        }
        slot = (slot + 1) & tokens->mask;
    }
    return slot;
}

static uint32_t slot_of_number(const prt_tokens *tokens, uint16_t topic, uint32_t client_order_id)
{
    uint32_t slot = home_of_number(tokens, topic, client_order_id);
    for (uint32_t n = 0; n <= tokens->mask && tokens->by_number[slot] != 0; n++) {
        const prt_token *entry = &tokens->entries[tokens->by_number[slot] - 1];
        if (entry->topic == topic && entry->client_order_id == client_order_id) {
            break;
        }
        slot = (slot + 1) & tokens->mask;
    }
    return slot;
}

uint32_t prt_tokens_find(const prt_tokens *tokens, uint16_t topic, const char *text)
{
    if (tokens->count == 0) {
        return 0;
    }
    uint32_t entry = tokens->by_text[slot_of_text(tokens, topic, text)];
    return entry == 0 ? 0 : tokens->entries[entry - 1].client_order_id;
}

const char *prt_tokens_text(const prt_tokens *tokens, uint16_t topic, uint32_t client_order_id)
{
    if (tokens->count == 0) {
        return NULL;
    }
    uint32_t entry = tokens->by_number[slot_of_number(tokens, topic, client_order_id)];
    return entry == 0 ? NULL : tokens->entries[entry - 1].text;
}

int32_t prt_tokens_add(prt_tokens *tokens, uint16_t topic, const char *text,
                       uint32_t client_order_id)
{
    if (tokens->count == tokens->capacity) {
        return RB_FULL;
    }
    prt_token *entry = &tokens->entries[tokens->count++];
    memcpy(entry->text, text, PRT_TOKEN_BYTES);
    entry->topic = topic;
    entry->client_order_id = client_order_id;
    tokens->by_text[slot_of_text(tokens, topic, text)] = tokens->count;
    tokens->by_number[slot_of_number(tokens, topic, client_order_id)] = tokens->count;
    return RB_OK;
}
