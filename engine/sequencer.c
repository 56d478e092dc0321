#include "engine/sequencer.h"

#include <string.h>

#include "engine/book_state.h"
#include "engine/terms.h"
#include "engine/trade_change.h"
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

void eng_sequencer_guard(eng_sequencer *sequencer, eng_admission *admission)
{
    sequencer->admission = admission;
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
     TEMPLATE_BIT(RB_TEMPLATE_SESSION_EVENT) | TEMPLATE_BIT(RB_TEMPLATE_TICK) |                    \
     TEMPLATE_BIT(RB_TEMPLATE_END_OF_DAY) | TEMPLATE_BIT(RB_TEMPLATE_INSTRUMENT_DEFINITION) |      \
     TEMPLATE_BIT(RB_TEMPLATE_PARTICIPANT_DEFINITION) | TEMPLATE_BIT(RB_TEMPLATE_BUILD_RECORD) |   \
     TEMPLATE_BIT(RB_TEMPLATE_TRADE_REPORTED) | TEMPLATE_BIT(RB_TEMPLATE_ALARM) |                  \
     TEMPLATE_BIT(RB_TEMPLATE_COMMAND_ASKED) | TEMPLATE_BIT(RB_TEMPLATE_CARRIED_OVER))
#define OF_AN_INSTRUMENT                                                                           \
    (TEMPLATE_BIT(RB_TEMPLATE_NEW_ORDER) | TEMPLATE_BIT(RB_TEMPLATE_CANCEL) |                      \
     TEMPLATE_BIT(RB_TEMPLATE_REPLACE) | TEMPLATE_BIT(RB_TEMPLATE_CROSS_RESULT) |                  \
     TEMPLATE_BIT(RB_TEMPLATE_COMMAND) | TEMPLATE_BIT(RB_TEMPLATE_MULTI_LEG_ORDER) |               \
     TEMPLATE_BIT(RB_TEMPLATE_STOP_ORDER) | TEMPLATE_BIT(RB_TEMPLATE_STOP_CANCEL) |                \
     TEMPLATE_BIT(RB_TEMPLATE_IMBALANCE) | TEMPLATE_BIT(RB_TEMPLATE_AUCTION_EXTENSION) |           \
     TEMPLATE_BIT(RB_TEMPLATE_TRADE_CHANGE))

static int is_one_of(uint64_t templates, uint8_t template_id)
{
    return template_id < 64 && (templates >> template_id & 1) != 0;
}

/* What is at the head of a contributor's lane. */
typedef struct proposal {
    const rb_message *first;
    const rb_lane *lane;
    uint64_t lock; /* word 2 of its lines: topic sequence, topic, publisher */
    uint32_t lines;
    uint32_t instrument;
    uint32_t contributor;
    uint16_t reason;  /* why it is refused, or 0 */
    int is_filled_in; /* the admission adds to it */
} proposal;

static const rb_message *line_of(const proposal *said, uint32_t n)
{
    return rb_lane_at(said->lane, said->lane->head_local + n);
}

static uint8_t template_of(const proposal *said, uint32_t n)
{
    return line_of(said, n)->header.template_id;
}

/* Lines of the group at the head; 0 while not all of them are there. One that does not end counts
 * as its longest beginning. */
static uint32_t count_lines(const rb_lane *lane)
{
    uint32_t n = 0;
    for (; n < ENG_GROUP_LINES_MAX && n <= lane->mask; n++) {
        const rb_message *line = rb_lane_peek(lane, n);
        if (line == NULL) {
            return 0;
        }
        if ((line->header.flags & RB_FLAG_CONTINUED) == 0) {
            return n + 1;
        }
    }
    return n;
}

static eng_group group_of(const proposal *said)
{
    return (eng_group){.base = said->lane->slots,
                       .mask = said->lane->mask,
                       .position = said->lane->head_local,
                       .count = said->lines};
}

static int is_well_formed(const proposal *said)
{
    eng_group group = group_of(said);
    int ends = (line_of(said, said->lines - 1)->header.flags & RB_FLAG_CONTINUED) == 0;
    return ends && eng_group_is_well_formed(&group);
}

/* Legs are of one group, whichever shards there are; the book sees to the rest. */
static uint16_t legs_fault(const eng_sequencer *sequencer, const proposal *said)
{
    uint32_t legs = 0;
    while (legs + 1 < said->lines && template_of(said, legs + 1) == RB_TEMPLATE_LEG) {
        legs++;
    }
    if (legs < 2 || legs > 8 || said->first->multi_leg_order.leg_count != legs) {
        return RB_REJECT_REASON_INVALID_LEGS;
    }
    if (said->instrument >= sequencer->instrument_count || sequencer->group_of == NULL ||
        line_of(said, 1)->leg.instrument != said->instrument) {
        return RB_REJECT_REASON_INVALID_LEGS;
    }
    uint32_t common = sequencer->group_of[said->instrument];
    for (uint32_t n = 1; n <= legs; n++) {
        uint32_t instrument = line_of(said, n)->leg.instrument;
        if (common == 0 || instrument >= sequencer->instrument_count ||
            sequencer->group_of[instrument] != common) {
            return RB_REJECT_REASON_INVALID_LEGS;
        }
    }
    return 0;
}

#define SELF_TRADE (ENG_SELF_TRADE | RB_ORDER_OPTION_SELF_TRADE_FIRM)

static int is_one_owner(uint8_t scope)
{
    return scope == RB_MASS_CANCEL_SCOPE_ACCOUNT || scope == RB_MASS_CANCEL_SCOPE_FIRM;
}

/* Commands that the sequencer itself obeys; the others are the book's to judge. */
static uint16_t command_fault(const eng_sequencer *sequencer, const rb_command *line)
{
    int is_known = line->instrument < sequencer->instrument_count;
    int is_none = line->instrument == RB_INSTRUMENT_NONE;
    int is_right = 1;
    switch (line->kind) {
    case RB_COMMAND_KIND_LIMIT:
        is_right = is_none && is_one_owner(line->scope) && line->limit >= RB_RISK_LIMIT_OPEN_LONG &&
                   line->limit <= RB_RISK_LIMIT_MESSAGES_PER_SECOND;
        break;
    case RB_COMMAND_KIND_SELF_TRADE:
        is_right = is_none && is_one_owner(line->scope) && line->value <= UINT8_MAX &&
                   (line->value & ~(uint64_t)SELF_TRADE) == 0 &&
                   eng_is_self_trade_clear((uint8_t)line->value);
        break;
    case RB_COMMAND_KIND_RESTRICTION:
        is_right =
            !is_known || (is_one_owner(line->scope) && line->value <= RB_RESTRICTION_SELL_ONLY);
        return is_known && is_right ? 0
               : is_known           ? RB_REJECT_REASON_INVALID_OPTIONS
                                    : RB_REJECT_REASON_UNKNOWN_INSTRUMENT;
    case RB_COMMAND_KIND_REFERENCE_PRICE:
        is_right = !is_known || (line->price_ticks >= 0 && line->price_ticks < 1 << 30);
        return is_known && is_right ? 0
               : is_known           ? RB_REJECT_REASON_INVALID_PRICE
                                    : RB_REJECT_REASON_UNKNOWN_INSTRUMENT;
    case RB_COMMAND_KIND_CLOSE_DAY:
        is_right = is_none;
        break;
    case RB_COMMAND_KIND_RESUME:
        is_right = is_none &&
                   (is_one_owner(line->scope) || line->scope == RB_MASS_CANCEL_SCOPE_EVERYTHING ||
                    line->scope == RB_MASS_CANCEL_SCOPE_SESSION);
        break;
    default:
        return is_known ? 0 : RB_REJECT_REASON_UNKNOWN_INSTRUMENT;
    }
    return is_right ? 0 : RB_REJECT_REASON_INVALID_OPTIONS;
}

/* 0, or why a contributor may not say this. */
static uint16_t fault(const eng_sequencer *sequencer, const proposal *said)
{
    uint8_t template_id = said->first->header.template_id;
    if (!is_one_of(CONTRIBUTED, template_id) || !is_well_formed(said)) {
        return RB_REJECT_REASON_INVALID_PROPOSAL;
    }
    if (template_id == RB_TEMPLATE_MULTI_LEG_ORDER) {
        return legs_fault(sequencer, said);
    }
    if (template_id == RB_TEMPLATE_COMMAND) {
        return command_fault(sequencer, &said->first->command);
    }
    if (said->instrument < sequencer->instrument_count) {
        eng_group group = group_of(said);
        return template_id == RB_TEMPLATE_TRADE_CHANGE
                   ? eng_trade_change_fault(&group, sequencer->topic_count)
                   : 0;
    }
    if (said->instrument != RB_INSTRUMENT_NONE || is_one_of(OF_AN_INSTRUMENT, template_id)) {
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

/* A line as it goes on; what a contributor has no say in is set here. Whole words: a shard that
 * follows at once would wait for narrow stores under its wide loads. */
static void stamp(const eng_sequencer *sequencer, const proposal *said, const rb_message *from,
                  rb_message *to, uint8_t flags)
{
    to->words[1] = sequencer->time_ns;
    to->words[2] = said->lock;
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
static void tell_time(eng_sequencer *sequencer, uint64_t input)
{
    if (!sequencer->time_is_old) {
        return;
    }
    if (sequencer->clock->mode == RB_CLOCK_COUNTED) {
        sequencer->time_ns = RB_CLOCK_COUNTED_START_NS + input * RB_CLOCK_COUNTED_STEP_NS;
        return;
    }
    uint64_t now = rb_clock_read(sequencer->clock);
    sequencer->time_ns = now > sequencer->time_ns ? now : sequencer->time_ns;
    sequencer->time_is_old = 0;
}

/* Whether it is the contributor's turn on the lane of a shard, and there is room; if not, and
 * nobody else has it, the next turn there is its. */
static int may_put(eng_sequencer *sequencer, uint32_t shard, const proposal *said)
{
    uint32_t *next_for = &sequencer->next_for[shard];
    if (*next_for != 0 && *next_for != said->contributor + 1) {
        return 0;
    }
    int has_room = rb_lane_room(&sequencer->shards[shard], said->lines) >= said->lines;
    if (__builtin_expect(!has_room, 0)) {
        sequencer->wake->soon = 1;
    }
    *next_for = has_room ? 0 : said->contributor + 1;
    return has_room;
}

/* The same for all lanes at once. They are claimed in ascending order, and none behind one that
 * another holds: nobody waits in a circle. */
static int may_put_everywhere(eng_sequencer *sequencer, const proposal *said)
{
    int has_room = 1;
    uint32_t shards = sequencer->shard_count;
    for (uint32_t n = 0; n < shards; n++) {
        has_room &= may_put(sequencer, n, said);
        if (!has_room && sequencer->next_for[n] != 0 &&
            sequencer->next_for[n] != said->contributor + 1) {
            shards = n;
        }
    }
    for (uint32_t n = 0; n < shards; n++) {
        sequencer->next_for[n] = has_room ? 0 : said->contributor + 1;
    }
    return has_room;
}

/* Puts the group onto the lane of a shard. */
static inline void put(eng_sequencer *sequencer, uint32_t shard, const proposal *said,
                       uint8_t flags)
{
    rb_lane *out = &sequencer->shards[shard];
    rb_message *line = rb_lane_slot(out, 0);
    uint32_t lines = said->lines;
    flags |= lines > 1 ? RB_FLAG_CONTINUED : RB_FLAG_LAST_OF_GROUP;
    stamp(sequencer, said, said->first, line, flags);
    for (uint32_t n = 1; n < lines; n++) {
        flags = n + 1 < lines ? RB_FLAG_CONTINUED : RB_FLAG_LAST_OF_GROUP;
        stamp(sequencer, said, line_of(said, n), rb_lane_slot(out, n), flags);
    }
    for (uint32_t n = 0; __builtin_expect(said->is_filled_in, 0) && n < lines; n++) {
        eng_admission_fill_in(sequencer->admission, rb_lane_slot(out, n));
    }
    if (__builtin_expect(said->reason != 0, 0)) {
        refuse(line, said->reason);
        count(sequencer->refused_count);
    }
    rb_lane_commit(out, lines);
    sequencer->wake->mask |= sequencer->shard_bells[shard];
}

/* Gives a proposal its input number and puts it onto all lanes. 1: done; 0: it has to wait. */
static int broadcast(eng_sequencer *sequencer, const proposal *said)
{
    if (!may_put_everywhere(sequencer, said)) {
        return 0;
    }
    sequencer->input++;
    tell_time(sequencer, sequencer->input);
    for (uint32_t n = 0; n < sequencer->shard_count; n++) {
        put(sequencer, n, said, RB_FLAG_BROADCAST);
    }
    return 1;
}

/* The same for the lane of its shard. */
static inline int route(eng_sequencer *sequencer, const proposal *said)
{
    int is_known = said->instrument < sequencer->instrument_count;
    uint32_t shard = is_known ? sequencer->shard_of[said->instrument] : 0;
    if (!may_put(sequencer, shard, said)) {
        return 0;
    }
    sequencer->input++;
    tell_time(sequencer, sequencer->input);
    put(sequencer, shard, said, 0);
    return 1;
}

/* Whether a proposal has its answer from the admission: it may come in, or the reason why not. If
 * not, it and everybody else has to wait. */
static int is_decided(eng_sequencer *sequencer, proposal *said)
{
    eng_group group = group_of(said);
    int is_known = said->instrument < sequencer->instrument_count;
    tell_time(sequencer, sequencer->input + 1);
    uint16_t reason =
        eng_admission_ask(sequencer->admission, &group, sequencer->input, sequencer->time_ns,
                          is_known ? sequencer->shard_of[said->instrument] : 0);
    sequencer->held_for = reason == ENG_ASK_LATER ? said->contributor + 1 : 0;
    said->reason = reason;
    said->is_filled_in = reason == 0 && sequencer->admission->self_trade != 0;
    return reason != ENG_ASK_LATER;
}

/* Takes one group from a lane. 1: taken; 0: nothing whole there, or no room behind. */
static int take(eng_sequencer *sequencer, uint32_t contributor)
{
    rb_lane *lane = &sequencer->contributors[contributor];
    const rb_message *first = rb_lane_peek(lane, 0);
    if (first == NULL || (sequencer->held_for != 0 && sequencer->held_for != contributor + 1)) {
        return 0;
    }
    uint32_t lines = 1;
    if (first->header.flags & RB_FLAG_CONTINUED) {
        lines = count_lines(lane);
        if (lines == 0) {
            return 0;
        }
    }
    uint64_t lock = first->words[2] << 16 >> 16 | (uint64_t)(contributor + 1) << 48;
    if ((uint16_t)(lock >> 32) >= sequencer->topic_count ||
        first->header.reserved != sequencer->reign) {
        count(sequencer->dropped_count);
        sequencer->held_for = 0;
        rb_lane_release(lane, lines);
        return 1;
    }
    proposal said = {.first = first,
                     .lane = lane,
                     .lock = lock,
                     .lines = lines,
                     .instrument = first->any.instrument,
                     .contributor = contributor};
    uint8_t template_id = first->header.template_id;
    int is_plain = lines == 1 && template_id - 1u < RB_TEMPLATE_REPLACE;
    if (!is_plain || said.instrument >= sequencer->instrument_count) {
        said.reason = fault(sequencer, &said);
        /* Lines that do not belong together are not repeated. */
        said.lines = said.reason == RB_REJECT_REASON_INVALID_PROPOSAL ? 1 : lines;
    }
    if (sequencer->admission != NULL && sequencer->time_is_old &&
        said.instrument < sequencer->instrument_count) {
        /* Only of the first of a call: what many ask for is fetched together. */
        eng_admission_expect(sequencer->admission, first, sequencer->shard_of[said.instrument]);
    }
    int is_guarded = sequencer->admission != NULL && said.reason == 0 &&
                     eng_admission_concerns(sequencer->admission, template_id);
    if (is_guarded && !is_decided(sequencer, &said)) {
        /* A dropped proposal settles without a line that would ring us. */
        sequencer->wake->soon = 1;
        return 0;
    }
    /* Nobody waits for it any more, nor if it has waited only for what came before it. */
    sequencer->held_for = 0;
    int is_for_all = said.instrument == RB_INSTRUMENT_NONE && said.reason == 0 &&
                     template_id == RB_TEMPLATE_MASS_CANCEL;
    uint64_t proposed_ns = first->header.time_ns;
    if (!(is_for_all ? broadcast(sequencer, &said) : route(sequencer, &said))) {
        return 0;
    }
    if (is_guarded && said.reason == 0) {
        eng_admission_took(sequencer->admission, sequencer->input);
    }
    rb_lane_release(lane, lines);
    if (sequencer->hop != NULL && proposed_ns != 0 && sequencer->time_ns >= proposed_ns) {
        rb_histogram_record(sequencer->hop, sequencer->time_ns - proposed_ns);
    }
    return 1;
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
        rung &= sequencer->all[word] & ~sequencer->hot[word];
        if (rung != 0) {
            sequencer->hot[word] |= rung;
            sequencer->hot_count += (uint32_t)__builtin_popcountll(rung);
        }
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
        sequencer->hot_count--;
    }
}

/* The first hot lane from `n` on, going round. There is one. */
static uint32_t next_hot(const eng_sequencer *sequencer, uint32_t n)
{
    uint32_t word = n >> 6;
    uint64_t lanes = sequencer->hot[word] & ~UINT64_C(0) << (n & 63u);
    for (uint32_t step = 0; lanes == 0 && step < sequencer->word_count; step++) {
        word = word + 1 < sequencer->word_count ? word + 1 : 0;
        lanes = sequencer->hot[word];
    }
    return word * 64u + (uint32_t)__builtin_ctzll(lanes);
}

static uint32_t behind(const eng_sequencer *sequencer, uint32_t n)
{
    return n + 1 < sequencer->contributor_count ? n + 1 : 0;
}

/* Lets the admission read the stream: when there is nothing else to do, or it has got far behind.
 * Nobody's answer waits for it, and what is read at once costs less a line. */
static int32_t settle(eng_sequencer *sequencer, int is_idle)
{
    if (sequencer->admission == NULL) {
        return RB_OK;
    }
    if (!is_idle && !eng_admission_is_behind(sequencer->admission)) {
        return RB_OK;
    }
    int64_t status = eng_admission_settle(sequencer->admission);
    return status < 0 ? (int32_t)status : RB_OK;
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
    RB_CHECK(sequencer->shard_count > 0);
    listen(sequencer);
    sequencer->time_is_old = 1;
    int32_t status = settle(sequencer, 0);
    if (status != RB_OK) {
        return status;
    }
    int64_t taken = 0;
    uint32_t next = sequencer->next_contributor; /* behind the last lane that was served */
    uint32_t at = next;
    uint32_t in_vain = 0; /* lanes that were looked at since */
    while (taken < limit && in_vain < sequencer->hot_count) {
        uint32_t n = next_hot(sequencer, at);
        at = behind(sequencer, n);
        if (take(sequencer, n)) {
            sequencer->empty_turns[n] = 0;
            next = at;
            in_vain = 0;
            taken++;
        } else {
            cool(sequencer, n);
            in_vain++;
        }
    }
    sequencer->next_contributor = taken < limit ? behind(sequencer, next) : next;
    status = taken == 0 ? settle(sequencer, 1) : RB_OK;
    if (status != RB_OK) {
        return status;
    }
    for (uint32_t n = 0; taken == 0 && n < sequencer->shard_count; n++) {
        rb_lane_warm(&sequencer->shards[n]);
    }
    return taken;
}

void *eng_sequencer_work_function(void)
{
    rb_work work = eng_sequencer_work;
    void *pointer;
    memcpy(&pointer, &work, sizeof pointer);
    return pointer;
}

void eng_sequencer_begin(eng_sequencer *sequencer, uint64_t input, uint64_t time_ns, uint32_t epoch)
{
    sequencer->input = input;
    sequencer->time_ns = time_ns;
    sequencer->reign = rb_reign(epoch);
}

uint64_t eng_sequencer_input(const eng_sequencer *sequencer)
{
    return sequencer->input;
}
