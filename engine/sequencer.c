#include "engine/sequencer.h"

#include <string.h>

#include "ringbus/check.h"

/* A lane that was empty this many turns is no longer polled; its producer's bell brings it back. */
enum { TURNS_TO_COOL = 4096 };

int32_t eng_sequencer_init(eng_sequencer *sequencer, void *doorbell, const uint8_t *shard_of,
                           const uint32_t *group_of, uint32_t instruments, uint32_t topics,
                           void *clock, void *wake)
{
    if (instruments > ENG_INSTRUMENTS_MAX || topics == 0 || topics > UINT16_MAX + 1u) {
        return RB_USAGE;
    }
    if (clock == NULL || wake == NULL || (shard_of == NULL && instruments > 0)) {
        return RB_USAGE;
    }
    int32_t status = rb_layout_verify(doorbell, sizeof(rb_doorbell), RB_KIND_DOORBELL);
    if (status != RB_OK) {
        return status;
    }
    memset(sequencer, 0, sizeof *sequencer);
    sequencer->doorbell = doorbell;
    sequencer->shard_of = shard_of;
    sequencer->group_of = group_of;
    sequencer->instrument_count = instruments;
    sequencer->topic_count = topics;
    sequencer->clock = clock;
    sequencer->wake = wake;
    return RB_OK;
}

int32_t eng_sequencer_add_contributor(eng_sequencer *sequencer, void *memory, size_t bytes)
{
    if (sequencer->contributor_count >= ENG_CONTRIBUTORS_MAX) {
        return RB_FULL;
    }
    uint32_t n = sequencer->contributor_count;
    int32_t status = rb_lane_attach(&sequencer->contributors[n], memory, bytes);
    if (status == RB_OK) {
        sequencer->all[n >> 6] |= UINT64_C(1) << (n & 63u);
        sequencer->contributor_count++;
        sequencer->word_count = (sequencer->contributor_count + 63u) / 64u;
    }
    return status;
}

int32_t eng_sequencer_add_shard(eng_sequencer *sequencer, void *memory, size_t bytes,
                                uint64_t bell_mask)
{
    if (sequencer->shard_count >= ENG_SHARDS_MAX) {
        return RB_FULL;
    }
    uint32_t n = sequencer->shard_count;
    int32_t status = rb_lane_attach(&sequencer->shards[n], memory, bytes);
    if (status == RB_OK && rb_lane_capacity(&sequencer->shards[n]) < ENG_SHARD_LANE_MIN) {
        return RB_SIZE;
    }
    if (status == RB_OK) {
        sequencer->shard_bells[n] = bell_mask;
        sequencer->shard_count++;
    }
    return status;
}

void eng_sequencer_measure(eng_sequencer *sequencer, void *hop, uint64_t *refused,
                           uint64_t *dropped)
{
    sequencer->hop = hop;
    sequencer->refused_count = refused;
    sequencer->dropped_count = dropped;
}

static void count(uint64_t *counter)
{
    if (counter != NULL) {
        rb_store_relaxed(counter, *counter + 1);
    }
}

/* What may begin a proposal, and what of it needs an instrument; by template. */
#define TEMPLATE_BIT(template_id) (UINT64_C(1) << (template_id))
#define CONTRIBUTED                                                                                \
    (OF_AN_INSTRUMENT | TEMPLATE_BIT(RB_TEMPLATE_REJECT) | TEMPLATE_BIT(RB_TEMPLATE_MASS_CANCEL) | \
     TEMPLATE_BIT(RB_TEMPLATE_SESSION_EVENT) | TEMPLATE_BIT(RB_TEMPLATE_END_OF_DAY) |              \
     TEMPLATE_BIT(RB_TEMPLATE_INSTRUMENT_DEFINITION) |                                             \
     TEMPLATE_BIT(RB_TEMPLATE_PARTICIPANT_DEFINITION) | TEMPLATE_BIT(RB_TEMPLATE_BUILD_RECORD))
#define OF_AN_INSTRUMENT                                                                           \
    (TEMPLATE_BIT(RB_TEMPLATE_NEW_ORDER) | TEMPLATE_BIT(RB_TEMPLATE_CANCEL) |                      \
     TEMPLATE_BIT(RB_TEMPLATE_REPLACE) | TEMPLATE_BIT(RB_TEMPLATE_CROSS_RESULT) |                  \
     TEMPLATE_BIT(RB_TEMPLATE_COMMAND) | TEMPLATE_BIT(RB_TEMPLATE_MULTI_LEG_ORDER))

static int is_one_of(uint64_t templates, uint8_t template_id)
{
    return template_id < 64 && (templates >> template_id & 1) != 0;
}

/* A group at the head of a contributor's lane. */
typedef struct proposal {
    const rb_lane *lane;
    uint64_t lines;
    uint32_t instrument; /* of the first line */
    uint16_t reason;     /* why it is refused, or 0 */
} proposal;

static const rb_message *line_of(const proposal *group, uint64_t n)
{
    return rb_lane_at(group->lane, group->lane->head_local + n);
}

static uint8_t template_of(const proposal *group, uint64_t n)
{
    return line_of(group, n)->header.template_id;
}

/* Lines of the group at the head; 0 while not all of them are there. One that does not end counts
 * as its longest beginning. */
static uint64_t count_lines(const rb_lane *lane)
{
    uint64_t most = lane->mask < ENG_GROUP_LINES_MAX ? lane->mask + 1 : ENG_GROUP_LINES_MAX;
    for (uint64_t n = 0; n < most; n++) {
        const rb_message *line = rb_lane_peek(lane, n);
        if (line == NULL) {
            return 0;
        }
        if ((line->header.flags & RB_FLAG_CONTINUED) == 0) {
            return n + 1;
        }
    }
    return most;
}

/* Whether the lines are those that may stand behind the first one: OrderTerms of an order or Legs,
 * then a tag. */
static int is_of_form(const proposal *group)
{
    uint8_t first = template_of(group, 0);
    uint64_t n = 1;
    if (first == RB_TEMPLATE_MULTI_LEG_ORDER) {
        while (n < group->lines && template_of(group, n) == RB_TEMPLATE_LEG) {
            n++;
        }
    } else if (first == RB_TEMPLATE_NEW_ORDER || first == RB_TEMPLATE_REPLACE) {
        n += n < group->lines && template_of(group, n) == RB_TEMPLATE_ORDER_TERMS;
    }
    n += n < group->lines && template_of(group, n) == RB_TEMPLATE_ORDER_TAG;
    if (n != group->lines) {
        return 0;
    }
    return (line_of(group, n - 1)->header.flags & RB_FLAG_CONTINUED) == 0;
}

/* Which shard they are on does not matter: the same legs are refused for any number of shards. */
static uint16_t legs_fault(const eng_sequencer *sequencer, const proposal *group)
{
    uint64_t legs = line_of(group, 0)->multi_leg_order.leg_count;
    if (legs < 2 || legs > 8 || group->lines <= legs) {
        return RB_REJECT_REASON_INVALID_LEGS;
    }
    if (legs + 1 < group->lines && template_of(group, legs + 1) == RB_TEMPLATE_LEG) {
        return RB_REJECT_REASON_INVALID_LEGS;
    }
    if (group->instrument >= sequencer->instrument_count || sequencer->group_of == NULL) {
        return RB_REJECT_REASON_INVALID_LEGS;
    }
    uint32_t common = sequencer->group_of[group->instrument];
    if (common == 0 || line_of(group, 1)->leg.instrument != group->instrument) {
        return RB_REJECT_REASON_INVALID_LEGS;
    }
    for (uint64_t n = 1; n <= legs; n++) {
        uint32_t instrument = line_of(group, n)->leg.instrument;
        if (template_of(group, n) != RB_TEMPLATE_LEG || instrument >= sequencer->instrument_count ||
            sequencer->group_of[instrument] != common) {
            return RB_REJECT_REASON_INVALID_LEGS;
        }
    }
    return 0;
}

/* 0, or why a contributor may not say this. */
__attribute__((noinline)) static uint16_t fault(const eng_sequencer *sequencer,
                                                const proposal *group)
{
    uint8_t template_id = template_of(group, 0);
    if (!is_one_of(CONTRIBUTED, template_id)) {
        return RB_REJECT_REASON_INVALID_PROPOSAL;
    }
    if (group->lines > 1 && !is_of_form(group)) {
        return RB_REJECT_REASON_INVALID_PROPOSAL;
    }
    if (template_id == RB_TEMPLATE_MULTI_LEG_ORDER) {
        return legs_fault(sequencer, group);
    }
    if (group->instrument < sequencer->instrument_count) {
        return 0;
    }
    if (group->instrument != RB_INSTRUMENT_NONE || is_one_of(OF_AN_INSTRUMENT, template_id)) {
        return RB_REJECT_REASON_UNKNOWN_INSTRUMENT;
    }
    return 0;
}

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "headers are written as words");
_Static_assert(offsetof(rb_header, time_ns) == 8, "word 1");
_Static_assert(offsetof(rb_header, topic_sequence) == 16, "word 2");
_Static_assert(offsetof(rb_header, topic) == 20, "word 2");
_Static_assert(offsetof(rb_header, publisher) == 22, "word 2");
_Static_assert(offsetof(rb_header, template_id) == 24, "word 3");
_Static_assert(offsetof(rb_header, flags) == 25, "word 3");
_Static_assert(offsetof(rb_header, checksum) == 28, "word 3");

/* The line as it goes on; what a contributor has no say in is set here. Whole words: a shard that
 * follows at once would wait for narrow stores under its wide loads. `lock`: word 2 of the first
 * line, with the publisher. */
static void stamp(const eng_sequencer *sequencer, const rb_message *from, rb_message *to,
                  uint64_t lock, uint8_t flags)
{
    to->words[1] = sequencer->time_ns;
    to->words[2] = lock;
    to->words[3] = from->header.template_id | (uint64_t)flags << 8 | sequencer->input << 32;
    memcpy(&to->words[4], &from->words[4], 4 * sizeof to->words[0]);
}

/* A bad proposal becomes the refusal that its shard will publish. */
static void refuse(rb_message *line, uint16_t reason)
{
    rb_rejected *rejected = &line->rejected;
    uint8_t refused = rejected->header.template_id;
    if (reason == RB_REJECT_REASON_INVALID_PROPOSAL) {
        /* Of a template that nobody knows, no field can be trusted. */
        memset(&line->any.instrument, 0, sizeof *line - sizeof line->header);
    }
    rejected->instrument = RB_INSTRUMENT_NONE;
    rejected->refused_template = refused;
    rejected->reason = reason;
    rejected->spare = 0;
    rejected->header.template_id = RB_TEMPLATE_REJECTED;
    rejected->header.flags |= RB_FLAG_REFUSED;
}

/* The time of an input. A counted clock moves with the inputs, so that runs compare. A real one is
 * read at the first input of a work call, for all of them: it costs as much as the rest of the
 * sequencer. */
static void tell_time(eng_sequencer *sequencer)
{
    if (!sequencer->time_is_old) {
        return;
    }
    if (sequencer->clock->mode == RB_CLOCK_COUNTED) {
        sequencer->time_ns =
            RB_CLOCK_COUNTED_START_NS + sequencer->input * RB_CLOCK_COUNTED_STEP_NS;
        return;
    }
    uint64_t now = rb_clock_read(sequencer->clock);
    sequencer->time_ns = now > sequencer->time_ns ? now : sequencer->time_ns;
    sequencer->time_is_old = 0;
}

/* Whether it is the contributor's turn on the lane of a shard, and there is room; if not, and
 * nobody else has it, the next turn there is its. */
static int may_put(eng_sequencer *sequencer, uint32_t shard, uint32_t contributor, uint64_t lines)
{
    uint32_t *next_for = &sequencer->next_for[shard];
    if (__builtin_expect(*next_for != 0, 0) && *next_for != contributor + 1) {
        return 0;
    }
    int has_room = rb_lane_room(&sequencer->shards[shard], lines) >= lines;
    *next_for = has_room ? 0 : contributor + 1;
    return has_room;
}

/* The same for all lanes at once. They are claimed in ascending order, and none behind one that
 * another holds: nobody waits in a circle. */
static int may_put_everywhere(eng_sequencer *sequencer, uint32_t contributor, uint64_t lines)
{
    uint32_t claimed = 0;
    int has_room = 1;
    for (; claimed < sequencer->shard_count; claimed++) {
        if (!may_put(sequencer, claimed, contributor, lines)) {
            has_room = 0;
            if (sequencer->next_for[claimed] != contributor + 1) {
                break;
            }
        }
    }
    for (uint32_t n = 0; n < claimed; n++) {
        sequencer->next_for[n] = has_room ? 0 : contributor + 1;
    }
    return has_room;
}

/* The lines behind the first, up to `lines`. */
static void put_others(const eng_sequencer *sequencer, const rb_lane *out, const proposal *group,
                       uint64_t lines, uint64_t lock)
{
    for (uint64_t n = 1; n < lines; n++) {
        uint8_t place = n + 1 < lines ? RB_FLAG_CONTINUED : RB_FLAG_LAST_OF_GROUP;
        stamp(sequencer, line_of(group, n), rb_lane_slot(out, n), lock, place);
    }
}

/* Puts the first `lines` of the group onto the lane of a shard. */
static inline void put(eng_sequencer *sequencer, uint32_t shard, const proposal *group,
                       uint64_t lines, uint64_t lock, uint8_t flags)
{
    rb_lane *out = &sequencer->shards[shard];
    rb_message *line = rb_lane_slot(out, 0);
    flags |= lines > 1 ? RB_FLAG_CONTINUED : RB_FLAG_LAST_OF_GROUP;
    stamp(sequencer, line_of(group, 0), line, lock, flags);
    if (lines > 1) {
        put_others(sequencer, out, group, lines, lock);
    }
    if (__builtin_expect(group->reason != 0, 0)) {
        refuse(line, group->reason);
        count(sequencer->refused_count);
    }
    rb_lane_commit(out, lines);
    sequencer->wake->mask |= sequencer->shard_bells[shard];
}

static void end_input(eng_sequencer *sequencer, const proposal *group)
{
    uint64_t proposed_ns = line_of(group, 0)->header.time_ns;
    if (sequencer->hop != NULL && proposed_ns != 0 && sequencer->time_ns >= proposed_ns) {
        rb_histogram_record(sequencer->hop, sequencer->time_ns - proposed_ns);
    }
}

/* A proposal for every shard. 1: taken, 0: somewhere there is no room. */
__attribute__((noinline)) static int broadcast(eng_sequencer *sequencer, const proposal *group,
                                               uint32_t contributor, uint64_t lock)
{
    if (!may_put_everywhere(sequencer, contributor, group->lines)) {
        return 0;
    }
    sequencer->input++;
    tell_time(sequencer);
    for (uint32_t n = 0; n < sequencer->shard_count; n++) {
        put(sequencer, n, group, group->lines, lock, RB_FLAG_BROADCAST);
    }
    end_input(sequencer, group);
    return 1;
}

/* A proposal for one shard. */
static int route(eng_sequencer *sequencer, const proposal *group, uint32_t contributor,
                 uint64_t lock)
{
    uint32_t shard = group->instrument < sequencer->instrument_count
                         ? sequencer->shard_of[group->instrument]
                         : 0;
    /* Lines that do not belong together are not repeated. */
    uint64_t lines = group->reason == RB_REJECT_REASON_INVALID_PROPOSAL ? 1 : group->lines;
    if (!may_put(sequencer, shard, contributor, lines)) {
        return 0;
    }
    sequencer->input++;
    tell_time(sequencer);
    put(sequencer, shard, group, lines, lock, 0);
    end_input(sequencer, group);
    return 1;
}

/* Takes one group from a lane. 1: taken; 0: nothing whole there, or no room behind. */
static int take(eng_sequencer *sequencer, uint32_t contributor)
{
    rb_lane *lane = &sequencer->contributors[contributor];
    const rb_message *first = rb_lane_peek(lane, 0);
    if (first == NULL) {
        return 0;
    }
    proposal group = {.lane = lane, .lines = 1, .instrument = first->any.instrument};
    if (first->header.flags & RB_FLAG_CONTINUED) {
        group.lines = count_lines(lane);
        if (group.lines == 0) {
            return 0;
        }
    }
    uint64_t lock = first->words[2] << 16 >> 16;
    if (lock >> 32 >= sequencer->topic_count) {
        count(sequencer->dropped_count);
        rb_lane_release(lane, group.lines);
        return 1;
    }
    lock |= (uint64_t)(contributor + 1) << 48;
    /* Most is a single line about an order. */
    if (first->header.template_id - 1u >= RB_TEMPLATE_REPLACE || group.lines > 1 ||
        group.instrument >= sequencer->instrument_count) {
        group.reason = fault(sequencer, &group);
    }
    int is_for_all = first->header.template_id == RB_TEMPLATE_MASS_CANCEL &&
                     group.instrument == RB_INSTRUMENT_NONE && group.reason == 0;
    int taken = is_for_all ? broadcast(sequencer, &group, contributor, lock)
                           : route(sequencer, &group, contributor, lock);
    if (taken) {
        rb_lane_release(lane, group.lines);
    }
    return taken;
}

/* Lanes whose bell rang become hot; now and then all, for a producer that died before it could
 * ring. */
static void listen(eng_sequencer *sequencer)
{
    int sweep = sequencer->turns_to_sweep-- == 0;
    if (sweep) {
        sequencer->turns_to_sweep = RB_DOORBELL_SWEEP;
    }
    for (uint32_t word = 0; word < sequencer->word_count; word++) {
        uint64_t rung = sweep ? ~UINT64_C(0) : rb_load_relaxed(&sequencer->doorbell->words[word]);
        sequencer->hot[word] |= rung & sequencer->all[word];
    }
}

/* An empty lane cools down: its bit is cleared first, then it is looked at once more. */
static void cool(eng_sequencer *sequencer, uint32_t n)
{
    if (++sequencer->empty_turns[n] < TURNS_TO_COOL) {
        return;
    }
    sequencer->empty_turns[n] = 0;
    rb_doorbell_clear(sequencer->doorbell, n);
    if (rb_lane_peek(&sequencer->contributors[n], 0) == NULL) {
        sequencer->hot[n >> 6] &= ~(UINT64_C(1) << (n & 63u));
    }
}

/* The first hot lane from `n` on, going round; contributor_count if none is hot. */
static uint32_t next_hot(const eng_sequencer *sequencer, uint32_t n)
{
    uint32_t word = n >> 6;
    uint64_t lanes = sequencer->hot[word] & ~UINT64_C(0) << (n & 63u);
    for (uint32_t step = 0; lanes == 0; step++) {
        if (step == sequencer->word_count) {
            return sequencer->contributor_count;
        }
        word = word + 1 < sequencer->word_count ? word + 1 : 0;
        lanes = sequencer->hot[word];
    }
    return word * 64u + (uint32_t)__builtin_ctzll(lanes);
}

static uint32_t behind(const eng_sequencer *sequencer, uint32_t n)
{
    return n + 1 < sequencer->contributor_count ? n + 1 : 0;
}

/*
 * Turns: at most one group of every hot lane, again and again until a whole turn was in vain.
 *
 * A limit that cuts a turn goes on where it was cut; beginning anew, two busy lanes with idle ones
 * between them shared single steps 1:9. A turn in vain moves on by one, so that of those who come
 * at once none is always first.
 */
int64_t eng_sequencer_work(void *state, int64_t limit)
{
    eng_sequencer *sequencer = state;
    uint32_t count = sequencer->contributor_count;
    if (count == 0) {
        return 0;
    }
    RB_CHECK(sequencer->shard_count > 0);
    listen(sequencer);
    sequencer->time_is_old = 1;
    int64_t taken = 0;
    uint32_t next = sequencer->next_contributor; /* behind the last lane that was served */
    uint32_t at = next;
    /* Lanes to go, hot or not, until all were passed since the last that was served. */
    uint32_t left = count;
    while (taken < limit) {
        uint32_t n = next_hot(sequencer, at);
        uint32_t passed = 1 + (n >= at ? n - at : n + count - at);
        if (left == 0 || n == count || passed > left) {
            next = behind(sequencer, next);
            break;
        }
        left -= passed;
        at = behind(sequencer, n);
        if (take(sequencer, n)) {
            sequencer->empty_turns[n] = 0;
            next = at;
            left = count;
            taken++;
        } else {
            cool(sequencer, n);
        }
    }
    sequencer->next_contributor = next;
    return taken;
}

void *eng_sequencer_work_function(void)
{
    rb_work work = eng_sequencer_work;
    void *pointer;
    memcpy(&pointer, &work, sizeof pointer);
    return pointer;
}

uint64_t eng_sequencer_input(const eng_sequencer *sequencer)
{
    return sequencer->input;
}
