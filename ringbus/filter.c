#include "ringbus/filter.h"

#include <string.h>

#include "ringbus/status.h"

void rb_filter_init(rb_filter *filter)
{
    memset(filter, 0, sizeof *filter);
    memset(filter->templates, 0xff, sizeof filter->templates);
    memset(filter->shards, 0xff, sizeof filter->shards);
    memset(filter->topics, 0xff, sizeof filter->topics);
}

static void set(uint64_t *bits, uint32_t n)
{
    bits[n >> 6] |= UINT64_C(1) << (n & 63u);
}

static int has(const uint64_t *bits, uint64_t n)
{
    return (int)(bits[n >> 6] >> (n & 63u) & 1u);
}

static int32_t only_bytes(uint64_t *bits, const uint8_t *numbers, uint32_t count)
{
    if (numbers == NULL || count == 0 || count > UINT8_MAX + 1u) {
        return RB_USAGE;
    }
    memset(bits, 0, 4 * sizeof *bits);
    for (uint32_t i = 0; i < count; i++) {
        set(bits, numbers[i]);
    }
    return RB_OK;
}

int32_t rb_filter_templates(rb_filter *filter, const uint8_t *ids, uint32_t count)
{
    return only_bytes(filter->templates, ids, count);
}

int32_t rb_filter_shards(rb_filter *filter, const uint8_t *shards, uint32_t count)
{
    return only_bytes(filter->shards, shards, count);
}

static int32_t only_words(uint64_t *bits, const uint16_t *numbers, uint32_t count)
{
    if (numbers == NULL || count == 0 || count > UINT16_MAX + 1u) {
        return RB_USAGE;
    }
    memset(bits, 0, RB_FILTER_TOPIC_WORDS * sizeof *bits);
    for (uint32_t i = 0; i < count; i++) {
        set(bits, numbers[i]);
    }
    return RB_OK;
}

int32_t rb_filter_topics(rb_filter *filter, const uint16_t *topics, uint32_t count)
{
    return only_words(filter->topics, topics, count);
}

int32_t rb_filter_accounts(rb_filter *filter, const uint16_t *accounts, uint32_t count)
{
    int32_t status = only_words(filter->accounts, accounts, count);
    filter->has_accounts = status == RB_OK;
    return status;
}

void rb_filter_instruments(rb_filter *filter, const uint64_t *bits, uint64_t count)
{
    filter->instruments = bits;
    filter->instrument_count = count;
}

static const uint64_t with_account[4] = RB_ACCOUNT_TEMPLATES;

static int is_of_account(const rb_filter *filter, const rb_message *message)
{
    uint16_t account;
    memcpy(&account, (const char *)message + RB_ACCOUNT_OFFSET, sizeof account);
    return has(with_account, message->header.template_id) & has(filter->accounts, account);
}

static int wanted(const rb_filter *filter, const rb_message *message)
{
    int all = has(filter->templates, message->header.template_id) &
              has(filter->shards, message->header.shard) &
              has(filter->topics, message->header.topic);
    if (all && filter->has_accounts) {
        all = is_of_account(filter, message);
    }
    if (!all || filter->instruments == NULL) {
        return all;
    }
    uint32_t instrument = message->any.instrument;
    return instrument < filter->instrument_count && has(filter->instruments, instrument);
}

int64_t rb_filter_keep(rb_filter *filter, void *messages, int64_t count)
{
    rb_message *message = messages;
    int64_t kept = 0;
    for (int64_t i = 0; i < count; i++) {
        int keep = filter->follows ? (int)filter->keeps_next : wanted(filter, &message[i]);
        filter->follows = (message[i].header.flags & RB_FLAG_CONTINUED) != 0;
        filter->keeps_next = (uint32_t)keep;
        /* Copied in any case and counted if it is wanted: no branch to guess wrong. */
        if (kept != i) {
            memcpy(&message[kept], &message[i], sizeof *message);
        }
        kept += keep;
    }
    return kept;
}
