#include "engine/passive.h"

#include <string.h>

#include "ringbus/status.h"

/* No such time in force: what an order has that was refused for it. */
enum { TIME_IN_FORCE_NONE = 255 };

int32_t eng_passive_init(eng_passive *passive, const uint8_t *shard_of, uint32_t instruments)
{
    if (instruments == 0 || instruments > ENG_INSTRUMENTS_MAX) {
        return RB_USAGE;
    }
    memset(passive, 0, sizeof *passive);
    passive->shard_of = shard_of;
    passive->instrument_count = instruments;
    return RB_OK;
}

int32_t eng_passive_add_shard(eng_passive *passive, void *memory, size_t bytes)
{
    if (passive->shard_count == ENG_SHARDS_MAX) {
        return RB_FULL;
    }
    int32_t status = rb_lane_attach(&passive->shards[passive->shard_count], memory, bytes);
    passive->shard_count += status == RB_OK;
    return status;
}

/* Whether a line can only stand behind another one. */
static int is_behind(const rb_message *line)
{
    uint8_t template_id = line->header.template_id;
    return template_id == RB_TEMPLATE_ORDER_TAG || template_id == RB_TEMPLATE_ORDER_TERMS ||
           template_id == RB_TEMPLATE_LEG || template_id == RB_TEMPLATE_TEXT;
}

/* Whether a line begins a group: it was contributed, or stands for what was refused. */
static int is_first(const rb_message *line)
{
    if (line->header.template_id == RB_TEMPLATE_REJECTED) {
        return 1;
    }
    return (line->header.flags & RB_FLAG_GENERATED) == 0 && !is_behind(line);
}

/* Lines of the proposal that `first` begins; `count` are there. */
static int64_t lines_of(const rb_message *first, int64_t count)
{
    int64_t n = 1;
    while (n < count && n < (int64_t)ENG_GROUP_LINES_MAX && is_behind(&first[n]) &&
           (first[n - 1].header.flags & RB_FLAG_CONTINUED) != 0) {
        n++;
    }
    return n;
}

int64_t eng_passive_unfinished(const void *lines, int64_t count)
{
    const rb_message *line = lines;
    if (count == 0 || (line[count - 1].header.flags & RB_FLAG_CONTINUED) == 0) {
        return 0;
    }
    for (int64_t n = 1; n < (int64_t)ENG_GROUP_LINES_MAX && n <= count; n++) {
        if (is_first(&line[count - n])) {
            return lines_of(&line[count - n], n) == n ? n : 0;
        }
    }
    return 0;
}

/* Refused by a book for something that the line still shows: it will be again. */
static int is_order(const rb_rejected *line)
{
    return line->refused_template == RB_TEMPLATE_NEW_ORDER &&
           (line->reason == RB_REJECT_REASON_INVALID_SIDE ||
            line->reason == RB_REJECT_REASON_INVALID_QUANTITY ||
            line->reason == RB_REJECT_REASON_INVALID_PRICE ||
            line->reason == RB_REJECT_REASON_INVALID_TIME_IN_FORCE);
}

static int is_cancel(const rb_rejected *line)
{
    return line->refused_template == RB_TEMPLATE_CANCEL &&
           (line->reason == RB_REJECT_REASON_UNKNOWN_ORDER ||
            line->reason == RB_REJECT_REASON_INVALID_QUANTITY);
}

/* A Rejected line becomes what was refused, or a refusal that is said again. */
static void restore_refused(rb_message *line)
{
    uint16_t reason = line->rejected.reason;
    int decided = line->rejected.instrument != RB_INSTRUMENT_NONE;
    int order = decided && is_order(&line->rejected);
    if (!order && !(decided && is_cancel(&line->rejected))) {
        line->header.flags |= RB_FLAG_REFUSED;
        return;
    }
    size_t kept = offsetof(rb_rejected, refused_template);
    memset((uint8_t *)line + kept, 0, sizeof *line - kept);
    line->header.template_id = order ? RB_TEMPLATE_NEW_ORDER : RB_TEMPLATE_CANCEL;
    if (reason == RB_REJECT_REASON_INVALID_TIME_IN_FORCE) {
        line->new_order.time_in_force = TIME_IN_FORCE_NONE;
    }
}

/* Takes out of a line what the book fills in: it is zero in a proposal. */
static void restore(rb_message *line)
{
    switch (line->header.template_id) {
    case RB_TEMPLATE_NEW_ORDER:
        line->new_order.locate = 0;
        break;
    case RB_TEMPLATE_CANCEL:
        line->cancel.price_ticks = 0;
        line->cancel.side = 0;
        line->cancel.remaining = 0;
        break;
    case RB_TEMPLATE_REPLACE:
        line->replace.side = 0;
        break;
    case RB_TEMPLATE_REJECTED:
        restore_refused(line);
        break;
    default:
        break;
    }
}

/* The lanes that a restored first line goes to: `*end` is behind the last. */
static uint32_t lanes_of(const eng_passive *passive, const rb_message *line, uint8_t recorded,
                         uint32_t *end)
{
    uint32_t first = 0;
    if ((line->header.flags & RB_FLAG_BROADCAST) != 0) {
        *end = passive->shard_count;
        return first;
    }
    if ((line->header.flags & RB_FLAG_REFUSED) != 0) {
        /* The sequencer sent it where its contributor had counted, which is not in it. */
        first = recorded < passive->shard_count ? recorded : passive->shard_count - 1;
    } else if (line->any.instrument < passive->instrument_count) {
        first = passive->shard_of[line->any.instrument];
    }
    *end = first + 1;
    return first;
}

/* Says one proposal of `count` lines. */
static int32_t say(eng_passive *passive, const rb_message *recorded, int64_t count)
{
    rb_message lines[ENG_GROUP_LINES_MAX];
    passive->input++;
    for (int64_t n = 0; n < count; n++) {
        lines[n] = recorded[n];
        rb_header *header = &lines[n].header;
        int goes_on = n + 1 < count;
        int is_for_all = n == 0 ? header->flags & RB_FLAG_BROADCAST : 0;
        header->flags = (uint8_t)(RB_FLAG_REPLAYED | is_for_all |
                                  (goes_on ? RB_FLAG_CONTINUED : RB_FLAG_LAST_OF_GROUP));
        header->shard = 0;
        header->checksum = (uint32_t)passive->input;
        restore(&lines[n]);
    }
    uint32_t end = 0;
    for (uint32_t n = lanes_of(passive, &lines[0], recorded[0].header.shard, &end); n < end; n++) {
        if (rb_lane_offer(&passive->shards[n], lines, count) != count) {
            return RB_FULL;
        }
    }
    return RB_OK;
}

int32_t eng_passive_say(eng_passive *passive, const void *lines, int64_t count)
{
    const rb_message *line = lines;
    int32_t status = passive->shard_count > 0 ? RB_OK : RB_USAGE;
    for (int64_t n = 0; n < count && status == RB_OK;) {
        int64_t group = 1;
        if (is_first(&line[n])) {
            group = lines_of(&line[n], count - n);
            status = say(passive, &line[n], group);
        }
        n += group;
    }
    return status;
}

int64_t eng_passive_same(const void *recorded, const void *regenerated, int64_t count)
{
    const rb_message *one = recorded;
    const rb_message *other = regenerated;
    if (memcmp(one, other, (size_t)count * sizeof *one) == 0) {
        return count;
    }
    int64_t n = 0;
    while (n < count && memcmp(&one[n], &other[n], sizeof *one) == 0) {
        n++;
    }
    return n;
}
