#include "engine/passive.h"

#include <string.h>

#include "ringbus/status.h"

/* No such time in force: what an order has that was refused for it. */
enum { TIME_IN_FORCE_NONE = 255 };

int32_t eng_passive_init(eng_passive *passive, const uint8_t *shard_of, uint32_t instruments,
                         void *publisher, const void *ring, size_t ring_bytes)
{
    if (instruments == 0 || instruments > ENG_INSTRUMENTS_MAX) {
        return RB_USAGE;
    }
    memset(passive, 0, sizeof *passive);
    passive->shard_of = shard_of;
    passive->instrument_count = instruments;
    passive->publisher = publisher;
    return rb_multicast_reader_attach(&passive->ring, ring, ring_bytes, 1);
}

int32_t eng_passive_add_shard(eng_passive *passive, void *shard, void *memory, size_t bytes)
{
    if (passive->shard_count == ENG_SHARDS_MAX) {
        return RB_FULL;
    }
    passive->shards[passive->shard_count] = shard;
    int32_t status = rb_lane_attach(&passive->lanes[passive->shard_count], memory, bytes);
    passive->shard_count += status == RB_OK;
    return status;
}

/* Whether a line can only stand behind another one. */
static int is_behind(const rb_message *line)
{
    uint8_t template_id = line->header.template_id;
    return template_id == RB_TEMPLATE_ORDER_TAG || template_id == RB_TEMPLATE_ORDER_TERMS ||
           template_id == RB_TEMPLATE_LEG || template_id == RB_TEMPLATE_TRADE_PARTY ||
           template_id == RB_TEMPLATE_TEXT;
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
    while ((first[n - 1].header.flags & RB_FLAG_CONTINUED) != 0 && n < count &&
           n < (int64_t)ENG_GROUP_LINES_MAX && is_behind(&first[n])) {
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

#define TEMPLATE_BIT(template_id) (UINT64_C(1) << (template_id))
#define PLAIN                                                                                      \
    (TEMPLATE_BIT(RB_TEMPLATE_NEW_ORDER) | TEMPLATE_BIT(RB_TEMPLATE_CANCEL) |                      \
     TEMPLATE_BIT(RB_TEMPLATE_REPLACE))

/* A line that is a whole proposal for one shard, as almost all are: written where it goes. 0: it is
 * another one, and nothing was done. */
static int say_plain(eng_passive *passive, const rb_message *recorded)
{
    uint8_t template_id = recorded->header.template_id;
    if (template_id >= 64 || (PLAIN >> template_id & 1) == 0 ||
        (recorded->header.flags & (RB_FLAG_CONTINUED | RB_FLAG_BROADCAST)) != 0 ||
        recorded->any.instrument >= passive->instrument_count) {
        return 0;
    }
    rb_lane *lane = &passive->lanes[passive->shard_of[recorded->any.instrument]];
    if (rb_lane_room(lane, 1) == 0) {
        return 0;
    }
    rb_message *line = rb_lane_slot(lane, 0);
    memcpy(line->words + 1, recorded->words + 1, sizeof *line - sizeof line->words[0]);
    line->words[3] = template_id | (uint64_t)(RB_FLAG_REPLAYED | RB_FLAG_LAST_OF_GROUP) << 8 |
                     ++passive->input << 32;
    restore(line);
    rb_lane_commit(lane, 1);
    return 1;
}

/* Says one proposal of `count` lines. */
static int32_t say(eng_passive *passive, const rb_message *recorded, int64_t count)
{
    rb_message lines[ENG_GROUP_LINES_MAX];
    passive->input++;
    passive->epochs += recorded->header.template_id == RB_TEMPLATE_EPOCH_START;
    passive->is_over |= recorded->header.template_id == RB_TEMPLATE_END_OF_DAY;
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
        if (rb_lane_offer(&passive->lanes[n], lines, count) != count) {
            return RB_FULL;
        }
    }
    return RB_OK;
}

/* Says proposals until `want` of the `count` recorded lines are dealt with; returns how many are.
 */
static int64_t say_some(eng_passive *passive, const rb_message *line, int64_t count, int64_t want)
{
    int64_t n = 0;
    while (n < count && n < want) {
        int64_t group = 1;
        if (!say_plain(passive, &line[n]) && is_first(&line[n])) {
            group = lines_of(&line[n], count - n);
            int32_t status = say(passive, &line[n], group);
            if (status != RB_OK) {
                return status;
            }
        }
        n += group;
    }
    return n;
}

/* Recorded lines that are said ahead of what was heard, by the size of a lane. */
static int64_t lead(const eng_passive *passive)
{
    return (int64_t)rb_lane_capacity(&passive->lanes[0]) / 2;
}

/* A turn of each shard. */
static int64_t work_shards(eng_passive *passive)
{
    /* Not all that lies on a lane: a shard looks ahead. */
    int64_t round = lead(passive) / (passive->shard_count + 1);
    int64_t work = 0;
    for (uint32_t n = 0; n < passive->shard_count; n++) {
        int64_t done = eng_shard_work(passive->shards[n], round);
        if (done < 0) {
            return done;
        }
        work += done;
    }
    return work;
}

int64_t eng_passive_work(eng_passive *passive)
{
    int64_t work = work_shards(passive);
    if (work < 0) {
        return work;
    }
    /* No more than fits on the ring: all of it is heard before the next round. */
    int64_t done = eng_publisher_work(passive->publisher, (int64_t)passive->ring.mask + 1);
    return done < 0 ? done : work + done;
}

uint64_t eng_passive_epochs(const eng_passive *passive)
{
    return passive->epochs;
}

int32_t eng_passive_is_over(const eng_passive *passive)
{
    return passive->is_over != 0;
}

int64_t eng_passive_take(eng_passive *passive, void *out, int64_t limit)
{
    return rb_multicast_poll(&passive->ring, out, limit);
}

int64_t eng_passive_follow(eng_passive *passive, const void *lines, int64_t count)
{
    const rb_message *recorded = lines;
    int64_t said = 0;
    int64_t same = 0;
    int32_t differs = 0;
    while (same < count && !differs) {
        int64_t more =
            say_some(passive, &recorded[said], count - said, lead(passive) - (said - same));
        int64_t work = more < 0 ? more : work_shards(passive);
        if (work < 0) {
            return work;
        }
        said += more;
        int64_t heard =
            eng_publisher_compare(passive->publisher, &recorded[same], count - same, &differs);
        if (heard < 0) {
            return heard;
        }
        same += heard;
        if (more == 0 && work == 0 && heard == 0) {
            break;
        }
    }
    rb_multicast_took(&passive->ring, (uint64_t)same);
    return same;
}
