#include "ports/session.h"

#include <string.h>

#include "ringbus/check.h"

/* The order of a line on a session's topic. */
static prt_order *order_of(const prt_desk *desk, const prt_session *session, uint32_t id)
{
    return prt_orders_find(&desk->orders, prt_order_key(session->topic, id));
}

static void use_up(prt_session *session, uint32_t client_order_id)
{
    if (client_order_id > session->last_client_order_id) {
        session->last_client_order_id = client_order_id;
    }
}

/* What an order is beyond its first line. A client of another protocol has no letters of OUCH. */
static void take_terms(prt_order *order, const prt_group *group)
{
    if (group->terms != NULL) {
        const rb_order_terms *terms = &group->terms->order_terms;
        order->display_quantity = terms->display_quantity;
        order->expire_time_ns = terms->expire_time_ns;
        order->options = terms->options;
        order->auction = terms->auction;
    } else if (order->display_quantity > order->remaining) {
        order->display_quantity = order->remaining;
    }
}

static int32_t apply_new_order(prt_desk *desk, prt_session *session, const prt_group *group)
{
    const rb_new_order *line = &group->line->new_order;
    RB_CHECK(line->instrument < desk->instruments.count);
    RB_CHECK(line->quantity > 0);
    RB_CHECK(order_of(desk, session, line->client_order_id) == NULL);
    prt_order *order =
        prt_orders_add(&desk->orders, prt_order_key(session->topic, line->client_order_id));
    if (order == NULL) {
        return RB_FULL;
    }
    char plain_side = line->side == RB_SIDE_SELL ? 'S' : 'B';
    order->instrument = line->instrument;
    order->locate = line->locate;
    order->remaining = line->quantity;
    order->price_ticks = line->price_ticks;
    order->original_side = line->original_side != 0 ? line->original_side : plain_side;
    order->capacity = line->capacity;
    order->cross_type = line->cross_type != 0 ? line->cross_type : 'N';
    order->display = line->display;
    order->sweep = line->sweep;
    order->time_in_force = line->time_in_force;
    order->options = line->options;
    take_terms(order, group);
    session->open_orders++;
    use_up(session, line->client_order_id);
    return RB_OK;
}

/* The order goes on under its new number; what has executed stays part of its total. */
static int32_t apply_replace(prt_desk *desk, prt_session *session, const prt_group *group)
{
    const rb_replace *line = &group->line->replace;
    prt_order *old = order_of(desk, session, line->original_client_order_id);
    RB_CHECK(old != NULL);
    RB_CHECK(line->quantity > 0);
    prt_order moved = *old;
    prt_orders_remove(&desk->orders, old);
    RB_CHECK(order_of(desk, session, line->client_order_id) == NULL);
    prt_order *order =
        prt_orders_add(&desk->orders, prt_order_key(session->topic, line->client_order_id));
    if (order == NULL) {
        return RB_FULL;
    }
    moved.key = order->key;
    moved.locate = line->locate;
    moved.remaining = line->quantity;
    moved.price_ticks = line->price_ticks;
    moved.display = line->display;
    moved.sweep = line->sweep;
    moved.time_in_force = line->time_in_force;
    if (group->tag != NULL && group->tag->order_tag.original_side != 0) {
        moved.original_side = group->tag->order_tag.original_side;
    }
    take_terms(&moved, group);
    *order = moved;
    use_up(session, line->client_order_id);
    return RB_OK;
}

/* `executed`: part of what was open before the line. */
static int32_t apply_less(prt_desk *desk, prt_session *session, uint32_t client_order_id,
                          uint32_t executed, uint32_t remaining)
{
    prt_order *order = order_of(desk, session, client_order_id);
    RB_CHECK(order != NULL);
    RB_CHECK(remaining < order->remaining);
    order->executed += executed;
    order->remaining = remaining;
    if (remaining == 0) {
        RB_CHECK(session->open_orders > 0);
        prt_orders_remove(&desk->orders, order);
        session->open_orders--;
    }
    return RB_OK;
}

/* A refused Cancel or Modify named an order, all others a number of their own. */
static void apply_refusal(prt_session *session, const rb_rejected *line)
{
    if (line->refused_template != RB_TEMPLATE_CANCEL) {
        use_up(session, line->client_order_id);
    }
}

/* Only the port where a session is logged in says that it is gone. */
static void apply_event(prt_session *session, const rb_session_event *line)
{
    switch (line->kind) {
    case RB_SESSION_EVENT_KIND_LOGIN:
        session->holder = line->header.publisher;
        session->left = 0;
        break;
    case RB_SESSION_EVENT_KIND_LOGOUT:
    case RB_SESSION_EVENT_KIND_DISCONNECT:
        if (session->holder == line->header.publisher) {
            session->left = session->open_orders > 0 ? session->holder : 0;
            session->holder = 0;
        }
        break;
    case RB_SESSION_EVENT_KIND_ENTRY_DISABLED:
    case RB_SESSION_EVENT_KIND_ENTRY_ENABLED:
        session->entry_disabled = line->kind == RB_SESSION_EVENT_KIND_ENTRY_DISABLED;
        use_up(session, line->client_order_id);
        break;
    default:
        break;
    }
}

static void apply_mass_cancel(prt_session *session, const rb_mass_cancel *line)
{
    if (line->scope == RB_MASS_CANCEL_SCOPE_SESSION && line->session == session->topic) {
        session->left = 0;
    }
    use_up(session, line->client_order_id);
}

/* A token that was used, for whatever: it names this number from now on. Of refused ones only as
 * many are kept as there is room for: they name nothing. */
static int32_t learn_token(prt_desk *desk, const prt_session *session, const prt_group *group)
{
    uint8_t template_id = group->line->header.template_id;
    int is_order = template_id == RB_TEMPLATE_NEW_ORDER || template_id == RB_TEMPLATE_REPLACE;
    int is_refusal = template_id == RB_TEMPLATE_REJECT || template_id == RB_TEMPLATE_REJECTED;
    if (session->protocol != PRT_OUCH42 || group->tag == NULL || (!is_order && !is_refusal)) {
        return RB_OK;
    }
    if (is_refusal && (group->line->rejected.refused_template == RB_TEMPLATE_CANCEL ||
                       desk->tokens.count >= desk->tokens_max)) {
        return RB_OK;
    }
    const char *text = group->tag->order_tag.text;
    if (prt_tokens_find(&desk->tokens, session->topic, text) != 0) {
        return RB_OK;
    }
    return prt_tokens_add(&desk->tokens, session->topic, text, group->line->any.rest[3]);
}

static int32_t apply_body(prt_desk *desk, prt_session *session, const prt_group *group)
{
    const rb_message *line = group->line;
    switch (line->header.template_id) {
    case RB_TEMPLATE_NEW_ORDER:
        return apply_new_order(desk, session, group);
    case RB_TEMPLATE_REPLACE:
        return apply_replace(desk, session, group);
    case RB_TEMPLATE_CANCEL:
        return apply_less(desk, session, line->cancel.client_order_id, 0, line->cancel.remaining);
    case RB_TEMPLATE_CANCELED:
        return apply_less(desk, session, line->canceled.client_order_id, 0,
                          line->canceled.remaining);
    case RB_TEMPLATE_EXECUTED:
        return apply_less(desk, session, line->executed.client_order_id, line->executed.quantity,
                          line->executed.remaining);
    case RB_TEMPLATE_REJECT:
    case RB_TEMPLATE_REJECTED:
        /* Laid out alike: translate.c asserts it. */
        apply_refusal(session, &line->rejected);
        return RB_OK;
    case RB_TEMPLATE_SESSION_EVENT:
        apply_event(session, &line->session_event);
        return RB_OK;
    case RB_TEMPLATE_MASS_CANCEL:
        apply_mass_cancel(session, &line->mass_cancel);
        return RB_OK;
    case RB_TEMPLATE_STOP_ORDER:
        /* Of a FIX client: its order comes in later, under this number. */
        use_up(session, line->stop_order.client_order_id);
        return RB_OK;
    default:
        return RB_OK;
    }
}

/* Whether the line is what our request became: accepted, or refused by the engine. */
static int is_answer(const prt_desk *desk, const prt_session *session, const rb_message *line)
{
    if (line->header.publisher != desk->publisher) {
        return 0;
    }
    uint8_t template_id = line->header.template_id;
    if (template_id == RB_TEMPLATE_REJECTED) {
        template_id = line->rejected.refused_template;
    }
    if (template_id != session->proposed_template) {
        return 0;
    }
    if (line->header.template_id == RB_TEMPLATE_SESSION_EVENT) {
        return line->session_event.kind == session->proposed_kind;
    }
    return line->any.rest[3] == session->proposed_client_order_id;
}

_Static_assert(offsetof(rb_new_order, client_order_id) == offsetof(rb_any, rest[3]), "is_answer");
_Static_assert(offsetof(rb_cancel, client_order_id) == offsetof(rb_any, rest[3]), "is_answer");
_Static_assert(offsetof(rb_replace, client_order_id) == offsetof(rb_any, rest[3]), "is_answer");
_Static_assert(offsetof(rb_reject, client_order_id) == offsetof(rb_any, rest[3]), "is_answer");
_Static_assert(offsetof(rb_rejected, client_order_id) == offsetof(rb_any, rest[3]), "is_answer");
_Static_assert(offsetof(rb_mass_cancel, client_order_id) == offsetof(rb_any, rest[3]), "is_answer");
_Static_assert(offsetof(rb_session_event, client_order_id) == offsetof(rb_any, rest[3]),
               "is_answer");

/* What all shards answer takes no lock: it comes back whoever was first, and nothing is lost. */
static void resolve(const prt_desk *desk, prt_session *session, const rb_message *line,
                    prt_change *change)
{
    if (session->phase != PRT_PROPOSED) {
        return;
    }
    int is_for_all = session->proposed_shard == PRT_ALL_SHARDS;
    if (!is_for_all &&
        session->topic_sequence[session->proposed_shard] != session->proposed_number) {
        return;
    }
    change->answered = (uint8_t)is_answer(desk, session, line);
    change->lost = !change->answered && !is_for_all;
    if (change->answered || change->lost) {
        session->phase = change->answered ? PRT_QUIET : PRT_ASKED;
    }
}

static int32_t show_to_all(prt_desk *desk, const rb_message *line, prt_change *change)
{
    if (line->header.template_id == RB_TEMPLATE_EPOCH_START) {
        change->epoch = line->epoch_start.epoch;
        return RB_OK;
    }
    if (line->header.template_id != RB_TEMPLATE_BUILD_RECORD &&
        line->header.template_id != RB_TEMPLATE_END_OF_DAY) {
        return RB_OK;
    }
    change->everyone = 1;
    for (uint32_t n = 0; n < desk->session_count; n++) {
        int32_t status =
            prt_outbox_append(&desk->sessions[n].outbox, &desk->pool, line->header.sequence);
        if (status != RB_OK) {
            return status;
        }
    }
    return RB_OK;
}

/* A broadcast took the next number of the topic in every shard, and names only one of them. */
static void count_line(const prt_desk *desk, prt_session *session, const rb_message *line)
{
    int is_for_all = (line->header.flags & RB_FLAG_BROADCAST) != 0;
    uint32_t first = is_for_all ? 0 : line->header.shard;
    uint32_t last = is_for_all ? desk->shard_count - 1 : first;
    for (uint32_t n = first; n <= last; n++) {
        session->topic_sequence[n]++;
    }
}

void prt_desk_ask(const prt_desk *desk, const rb_message *line)
{
    uint32_t owner = desk->by_topic[line->header.topic];
    if (owner == 0) {
        return;
    }
    const prt_session *session = &desk->sessions[owner - 1];
    __builtin_prefetch(session, 1);
    __builtin_prefetch(&session->topic_sequence[line->header.shard % PRT_SHARDS_MAX], 1);
    prt_orders_ask(&desk->orders, prt_order_key(line->header.topic, line->any.rest[3]));
}

void prt_desk_ask_more(const prt_desk *desk, const rb_message *line)
{
    uint32_t owner = desk->by_topic[line->header.topic];
    if (owner != 0) {
        prt_outbox_ask(&desk->sessions[owner - 1].outbox);
        prt_orders_ask_more(&desk->orders, prt_order_key(line->header.topic, line->any.rest[3]));
    }
}

int32_t prt_desk_apply(prt_desk *desk, const prt_group *group, prt_change *change)
{
    const rb_message *line = group->line;
    const rb_message *tag = group->tag;
    memset(change, 0, sizeof *change);
    change->session = PRT_NONE;
    uint32_t owner = desk->by_topic[line->header.topic];
    if (owner == 0) {
        return line->header.topic == 0 ? show_to_all(desk, line, change)
                                       : prt_desk_tell(desk, line, change);
    }
    prt_session *session = &desk->sessions[owner - 1];
    RB_CHECK(line->header.shard < desk->shard_count);
    RB_CHECK(line->header.topic_sequence == session->topic_sequence[line->header.shard] + 1);
    if (tag != NULL) {
        RB_CHECK(tag->header.topic == line->header.topic);
        RB_CHECK(tag->header.topic_sequence == line->header.topic_sequence);
    }
    count_line(desk, session, line);
    change->session = owner - 1;
    int32_t status = apply_body(desk, session, group);
    if (status == RB_OK) {
        status = learn_token(desk, session, group);
    }
    if (status != RB_OK) {
        return status;
    }
    int is_shown =
        prt_is_shown(line) && (session->protocol != PRT_OUCH42 || prt_ouch42_is_shown(line));
    if (is_shown) {
        status = prt_outbox_append(&session->outbox, &desk->pool, line->header.sequence);
        if (status != RB_OK) {
            return status;
        }
        change->shown = 1;
    }
    resolve(desk, session, line, change);
    return RB_OK;
}

size_t prt_desk_show(const prt_desk *desk, const prt_session *session, const prt_group *group,
                     uint8_t *out, size_t room)
{
    if (session->protocol == PRT_OUCH42) {
        return prt_ouch42_translate(&desk->instruments, &desk->tokens, group, out, room);
    }
    return prt_translate(&desk->instruments, group, out, room);
}

int32_t prt_session_ask(prt_session *session, const prt_request *request)
{
    RB_CHECK(session->phase == PRT_QUIET);
    session->request = *request;
    session->phase = PRT_ASKED;
    return RB_OK;
}

/* As many as the rate may come at once, and then evenly (a virtual schedule, as ATM's GCRA). */
int prt_session_throttle(prt_session *session, uint8_t kind, uint64_t now_ns)
{
    const uint64_t window_ns = 1000000000;
    if (session->rate == 0 || (kind != PRT_OUCH_ENTER && kind != PRT_OUCH_REPLACE)) {
        return 0;
    }
    uint64_t due_ns = session->due_ns > now_ns ? session->due_ns : now_ns;
    if (due_ns - now_ns > window_ns - window_ns / session->rate) {
        return 1;
    }
    session->due_ns = due_ns + window_ns / session->rate;
    return 0;
}

int prt_session_owes_cancel(const prt_desk *desk, const prt_session *session, uint64_t now_ns,
                            prt_request *request)
{
    if (!session->cancels_on_disconnect || session->left != desk->publisher) {
        return 0;
    }
    memset(request, 0, sizeof *request);
    request->read_ns = now_ns;
    request->ouch.kind = PRT_OUCH_MASS_CANCEL;
    request->is_own = 1;
    return session->open_orders > 0;
}

/* Whether an event is still to be said, given what the stream has said meanwhile. */
static int32_t event_outcome(const prt_desk *desk, const prt_session *session)
{
    if (session->request.event == RB_SESSION_EVENT_KIND_LOGIN) {
        int is_elsewhere = session->holder != 0 && session->holder != desk->publisher;
        return is_elsewhere ? PRT_ELSEWHERE : PRT_PROPOSE;
    }
    if (session->request.event == RB_SESSION_EVENT_KIND_DISCONNECT) {
        return session->holder == desk->publisher ? PRT_PROPOSE : PRT_NO_EFFECT;
    }
    return PRT_PROPOSE;
}

static prt_party party_of(const prt_desk *desk, const prt_session *session)
{
    prt_party party = {
        .topic = session->topic,
        .account = session->account,
        .firm = session->firm,
        .full = desk->orders.count >= desk->orders.limit || prt_pool_is_low(&desk->pool) ||
                (session->protocol == PRT_OUCH42 && desk->tokens.count >= desk->tokens_max),
        .entry_disabled = session->entry_disabled,
        .self_trade = session->self_trade,
        .notional_max_1e4 = session->notional_max_1e4,
        .last_client_order_id = session->last_client_order_id,
    };
    memcpy(party.firm_name, session->firm_name, sizeof party.firm_name);
    return party;
}

/* Gives a request of OUCH 4.2 the numbers that its tokens stand for. Returns PRT_DUPLICATE if its
 * own token was used. */
static int32_t number_tokens(const prt_desk *desk, prt_session *session)
{
    prt_ouch_request *ouch = &session->request.ouch;
    if (session->protocol != PRT_OUCH42 || session->request.event != 0 || session->request.is_own) {
        return PRT_PROPOSE;
    }
    uint32_t known = prt_tokens_find(&desk->tokens, session->topic, ouch->clordid);
    if (ouch->kind != PRT_OUCH_ENTER && ouch->kind != PRT_OUCH_REPLACE) {
        ouch->user_ref = known;
        return PRT_PROPOSE;
    }
    ouch->user_ref = session->last_client_order_id + 1;
    if (ouch->kind == PRT_OUCH_REPLACE) {
        ouch->original_user_ref =
            prt_tokens_find(&desk->tokens, session->topic, ouch->original_token);
    }
    return known != 0 ? PRT_DUPLICATE : PRT_PROPOSE;
}

int32_t prt_desk_propose(const prt_desk *desk, prt_session *session, prt_proposal *out)
{
    RB_CHECK(session->phase == PRT_ASKED);
    int32_t outcome = event_outcome(desk, session);
    if (outcome == PRT_PROPOSE) {
        outcome = number_tokens(desk, session);
    }
    if (outcome == PRT_PROPOSE) {
        prt_party party = party_of(desk, session);
        outcome = prt_propose(&desk->instruments, &desk->orders, &party, &session->request, out);
    }
    if (outcome != PRT_PROPOSE) {
        session->phase = PRT_QUIET;
        return outcome;
    }
    /* What goes to all shards names the number of the first, in case that its form is refused. */
    uint32_t shard = out->shard == PRT_ALL_SHARDS ? 0 : out->shard;
    RB_CHECK(shard < desk->shard_count);
    uint32_t number = session->topic_sequence[shard] + 1;
    for (uint32_t n = 0; n < out->count; n++) {
        out->lines[n].header.topic_sequence = number;
    }
    session->phase = PRT_PROPOSED;
    session->proposed_template = out->lines[0].header.template_id;
    session->proposed_kind = out->lines[0].session_event.kind;
    session->proposed_shard = out->shard;
    session->proposed_number = number;
    session->proposed_client_order_id = out->lines[0].any.rest[3];
    return PRT_PROPOSE;
}
