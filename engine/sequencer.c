#include "engine/sequencer.h"

#include <string.h>

#include "ringbus/check.h"

/* A lane that was empty this many turns is no longer polled; its producer's bell brings it back. */
enum { TURNS_TO_COOL = 4096 };
/* Messages that a proposal can have. */
enum { GROUP_MAX = 2 };

int32_t eng_sequencer_init(eng_sequencer *sequencer, void *doorbell, const uint8_t *shard_of,
                           uint32_t instruments, uint32_t topics, void *clock, void *wake)
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

static int is_contributed(uint8_t template_id)
{
    switch (template_id) {
    case RB_TEMPLATE_NEW_ORDER:
    case RB_TEMPLATE_CANCEL:
    case RB_TEMPLATE_REPLACE:
    case RB_TEMPLATE_REJECT:
    case RB_TEMPLATE_SESSION_EVENT:
    case RB_TEMPLATE_END_OF_DAY:
    case RB_TEMPLATE_INSTRUMENT_DEFINITION:
    case RB_TEMPLATE_PARTICIPANT_DEFINITION:
    case RB_TEMPLATE_BUILD_RECORD:
        return 1;
    default:
        return 0;
    }
}

/* 0, or why a contributor may not say this. */
static uint16_t fault(const eng_sequencer *sequencer, const rb_message *first,
                      const rb_message *second)
{
    if (!is_contributed(first->header.template_id)) {
        return RB_REJECT_REASON_INVALID_PROPOSAL;
    }
    if (second != NULL && second->header.template_id != RB_TEMPLATE_ORDER_TAG) {
        return RB_REJECT_REASON_INVALID_PROPOSAL;
    }
    uint32_t instrument = first->any.instrument;
    if (instrument != RB_INSTRUMENT_NONE && instrument >= sequencer->instrument_count) {
        return RB_REJECT_REASON_UNKNOWN_INSTRUMENT;
    }
    if (instrument == RB_INSTRUMENT_NONE && first->header.template_id <= RB_TEMPLATE_REPLACE) {
        return RB_REJECT_REASON_UNKNOWN_INSTRUMENT;
    }
    return 0;
}

/* The line as it goes on; what a contributor has no say in is set here. */
static void stamp(const eng_sequencer *sequencer, const rb_message *from, rb_message *to,
                  uint16_t publisher, uint8_t flags)
{
    memcpy(to->words + 1, from->words + 1, sizeof *to - sizeof to->words[0]);
    to->header.time_ns = sequencer->time_ns;
    to->header.publisher = publisher;
    to->header.flags = flags;
    to->header.shard = 0;
    to->header.reserved = 0;
    to->header.checksum = (uint32_t)sequencer->input;
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
    if (sequencer->clock->mode == RB_CLOCK_COUNTED) {
        sequencer->time_ns =
            RB_CLOCK_COUNTED_START_NS + sequencer->input * RB_CLOCK_COUNTED_STEP_NS;
    } else if (sequencer->time_is_old) {
        uint64_t now = rb_clock_read(sequencer->clock);
        sequencer->time_ns = now > sequencer->time_ns ? now : sequencer->time_ns;
        sequencer->time_is_old = 0;
    }
}

/* Takes one group from a lane. 1: taken; 0: nothing whole there, or no room behind. */
static int take(eng_sequencer *sequencer, uint32_t contributor)
{
    rb_lane *lane = &sequencer->contributors[contributor];
    const rb_message *first = rb_lane_peek(lane, 0);
    if (first == NULL) {
        return 0;
    }
    const rb_message *second = NULL;
    if (first->header.flags & RB_FLAG_CONTINUED) {
        second = rb_lane_peek(lane, 1);
        if (second == NULL) {
            return 0;
        }
    }
    uint64_t lines = second != NULL ? 2 : 1;
    if (first->header.topic >= sequencer->topic_count) {
        count(sequencer->dropped_count);
        rb_lane_release(lane, lines);
        return 1;
    }
    uint16_t reason = fault(sequencer, first, second);
    uint32_t instrument = first->any.instrument;
    uint32_t shard =
        reason == 0 && instrument != RB_INSTRUMENT_NONE ? sequencer->shard_of[instrument] : 0;
    rb_lane *out = &sequencer->shards[shard];
    if (rb_lane_room(out, lines) < lines) {
        return 0;
    }
    uint64_t proposed_ns = first->header.time_ns;
    uint16_t publisher = (uint16_t)(contributor + 1);
    sequencer->input++;
    tell_time(sequencer);
    rb_message *line = rb_lane_slot(out, 0);
    stamp(sequencer, first, line, publisher,
          second != NULL ? RB_FLAG_CONTINUED : RB_FLAG_LAST_OF_GROUP);
    if (second != NULL) {
        rb_message *tag = rb_lane_slot(out, 1);
        stamp(sequencer, second, tag, publisher, RB_FLAG_LAST_OF_GROUP);
        tag->header.topic = first->header.topic;
        tag->header.topic_sequence = first->header.topic_sequence;
        tag->header.template_id = RB_TEMPLATE_ORDER_TAG;
    }
    if (reason != 0) {
        refuse(line, reason);
        count(sequencer->refused_count);
    }
    rb_lane_commit(out, lines);
    rb_lane_release(lane, lines);
    sequencer->wake->mask |= sequencer->shard_bells[shard];
    if (sequencer->hop != NULL && proposed_ns != 0 && sequencer->time_ns >= proposed_ns) {
        rb_histogram_record(sequencer->hop, sequencer->time_ns - proposed_ns);
    }
    return 1;
}

/* Lanes whose bell rang become hot; now and then all, for a producer that died before it could
 * ring. */
static void listen(eng_sequencer *sequencer)
{
    for (uint32_t word = 0; word < sequencer->word_count; word++) {
        sequencer->hot[word] |= rb_load_relaxed(&sequencer->doorbell->words[word]);
    }
    if (sequencer->turns_to_sweep-- != 0) {
        return;
    }
    sequencer->turns_to_sweep = RB_DOORBELL_SWEEP;
    for (uint32_t n = 0; n < sequencer->contributor_count; n++) {
        sequencer->hot[n >> 6] |= UINT64_C(1) << (n & 63u);
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

/* One turn: at most one group of every hot lane, beginning behind the last lane that was served. So
 * a turn that the limit cuts goes on where it was cut; beginning anew, two busy lanes with idle
 * ones between them shared single steps 1:9. A turn in vain moves on by one, so that of those who
 * come at once none is always first. */
static int64_t turn(eng_sequencer *sequencer, int64_t limit)
{
    int64_t taken = 0;
    uint32_t words = sequencer->word_count;
    uint32_t start = sequencer->next_contributor;
    uint32_t last = start;
    uint32_t word = start >> 6;
    uint64_t upper = ~UINT64_C(0) << (start & 63u);
    /* The first word is visited twice: its upper part first, its lower part last. */
    for (uint32_t step = 0; step <= words && taken < limit; step++) {
        uint64_t part = step == 0 ? upper : step == words ? ~upper : ~UINT64_C(0);
        uint64_t lanes = sequencer->hot[word] & part;
        while (lanes != 0 && taken < limit) {
            uint32_t n = word * 64u + (uint32_t)__builtin_ctzll(lanes);
            lanes &= lanes - 1;
            if (n >= sequencer->contributor_count) {
                continue;
            }
            if (take(sequencer, n)) {
                sequencer->empty_turns[n] = 0;
                last = n;
                taken++;
            } else {
                cool(sequencer, n);
            }
        }
        word = word + 1 < words ? word + 1 : 0;
    }
    sequencer->next_contributor = last + 1 < sequencer->contributor_count ? last + 1 : 0;
    return taken;
}

int64_t eng_sequencer_work(void *state, int64_t limit)
{
    eng_sequencer *sequencer = state;
    if (sequencer->contributor_count == 0) {
        return 0;
    }
    RB_CHECK(sequencer->shard_count > 0);
    listen(sequencer);
    sequencer->time_is_old = 1;
    int64_t total = 0;
    while (total < limit) {
        int64_t taken = turn(sequencer, limit - total);
        if (taken == 0) {
            break;
        }
        total += taken;
    }
    for (uint32_t n = 0; total == 0 && n < sequencer->shard_count; n++) {
        rb_lane_warm(&sequencer->shards[n]);
    }
    return total;
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
