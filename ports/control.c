#include "ports/control.h"

#include <string.h>

#include "ports/lines.h"

/* The firm that a request names: none, or the session's own. */
static int is_own_firm(const prt_party *party, const prt_request *request)
{
    const char *firm = request->ouch.firm;
    return !prt_is_text(firm, sizeof request->ouch.firm) ||
           memcmp(firm, party->firm_name, sizeof request->ouch.firm) == 0;
}

/* The response says the firm again as it was said. */
static void tag_firm(const prt_request *request, prt_proposal *out)
{
    if (prt_is_text(request->ouch.firm, sizeof request->ouch.firm)) {
        (void)prt_lines_tag(request->ouch.firm, sizeof request->ouch.firm, out);
    }
}

static uint16_t mass_cancel_fault(const prt_party *party, const prt_request *request)
{
    if (request->options.fault != 0) {
        return request->options.fault;
    }
    if (request->options.group != 0) {
        return RB_REJECT_REASON_NOT_SUPPORTED;
    }
    return is_own_firm(party, request) ? 0 : RB_REJECT_REASON_UNKNOWN_FIRM;
}

int32_t prt_propose_mass_cancel(const prt_instruments *instruments, const prt_party *party,
                                const prt_request *request, prt_proposal *out)
{
    const prt_ouch_request *ouch = &request->ouch;
    if (!request->is_own && ouch->user_ref <= party->last_client_order_id) {
        return PRT_DUPLICATE;
    }
    int is_for_one = prt_is_text(ouch->symbol, sizeof ouch->symbol);
    uint32_t instrument =
        is_for_one ? prt_instruments_find(instruments, ouch->symbol) : RB_INSTRUMENT_NONE;
    uint16_t reason = mass_cancel_fault(party, request);
    if (is_for_one && instrument == RB_INSTRUMENT_NONE) {
        reason = RB_REJECT_REASON_UNKNOWN_INSTRUMENT;
    }
    if (reason != 0) {
        return prt_lines_refuse(instruments, party, request, instrument, RB_TEMPLATE_MASS_CANCEL,
                                reason, out);
    }
    uint8_t shard = is_for_one ? instruments->rows[instrument].shard : PRT_ALL_SHARDS;
    rb_mass_cancel *line =
        &prt_lines_begin(party, request, RB_TEMPLATE_MASS_CANCEL, shard, out)->mass_cancel;
    line->instrument = instrument;
    line->session = party->topic;
    line->client_order_id = ouch->user_ref;
    line->account = party->account;
    line->firm = party->firm;
    line->scope = RB_MASS_CANCEL_SCOPE_SESSION;
    line->scope |= is_for_one ? RB_MASS_CANCEL_SCOPE_INSTRUMENT : 0;
    line->side = prt_side_of(request->options.side);
    line->scope |= line->side != 0 ? RB_MASS_CANCEL_SCOPE_SIDE : 0;
    tag_firm(request, out);
    return PRT_PROPOSE;
}

static rb_session_event *begin_event(const prt_party *party, const prt_request *request,
                                     uint8_t kind, prt_proposal *out)
{
    rb_session_event *event =
        &prt_lines_begin(party, request, RB_TEMPLATE_SESSION_EVENT, 0, out)->session_event;
    event->instrument = RB_INSTRUMENT_NONE;
    event->account = party->account;
    event->firm = party->firm;
    event->kind = kind;
    return event;
}

int32_t prt_propose_entry(const prt_instruments *instruments, const prt_party *party,
                          const prt_request *request, prt_proposal *out)
{
    const prt_ouch_request *ouch = &request->ouch;
    if (ouch->user_ref <= party->last_client_order_id) {
        return PRT_DUPLICATE;
    }
    uint16_t reason = request->options.fault;
    if (reason == 0 && !is_own_firm(party, request)) {
        reason = RB_REJECT_REASON_UNKNOWN_FIRM;
    }
    if (reason != 0) {
        return prt_lines_refuse(instruments, party, request, RB_INSTRUMENT_NONE,
                                RB_TEMPLATE_SESSION_EVENT, reason, out);
    }
    uint8_t kind = ouch->kind == PRT_OUCH_DISABLE ? RB_SESSION_EVENT_KIND_ENTRY_DISABLED
                                                  : RB_SESSION_EVENT_KIND_ENTRY_ENABLED;
    begin_event(party, request, kind, out)->client_order_id = ouch->user_ref;
    tag_firm(request, out);
    return PRT_PROPOSE;
}

int32_t prt_propose_query(const prt_party *party, const prt_request *request, prt_proposal *out)
{
    rb_session_event *event = begin_event(party, request, RB_SESSION_EVENT_KIND_ACCOUNT_QUERY, out);
    event->next_message = (uint64_t)party->last_client_order_id + 1;
    return PRT_PROPOSE;
}

int32_t prt_propose_event(const prt_party *party, const prt_request *request, prt_proposal *out)
{
    rb_session_event *event = begin_event(party, request, request->event, out);
    event->connection = request->connection;
    event->next_message = request->next_message;
    return PRT_PROPOSE;
}
