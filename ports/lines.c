#include "ports/lines.h"

#include <string.h>

rb_message *prt_lines_begin(const prt_party *party, const prt_request *request, uint8_t template_id,
                            uint8_t shard, prt_proposal *out)
{
    memset(out, 0, sizeof *out);
    out->count = 1;
    out->shard = shard;
    rb_header *header = &out->lines[0].header;
    header->time_ns = request->read_ns;
    header->topic = party->topic;
    header->template_id = template_id;
    header->flags = RB_FLAG_LAST_OF_GROUP;
    return &out->lines[0];
}

static rb_message *add(uint8_t template_id, prt_proposal *out)
{
    rb_message *line = &out->lines[out->count];
    line->header = out->lines[0].header;
    line->header.template_id = template_id;
    line->header.flags = RB_FLAG_LAST_OF_GROUP;
    out->lines[out->count - 1].header.flags = RB_FLAG_CONTINUED;
    out->count++;
    return line;
}

void prt_lines_terms(const prt_terms *terms, prt_proposal *out)
{
    rb_order_terms *line = &add(RB_TEMPLATE_ORDER_TERMS, out)->order_terms;
    line->instrument = out->lines[0].any.instrument;
    line->display_quantity = terms->display_quantity;
    line->minimum_quantity = terms->minimum_quantity;
    line->options = terms->options;
    line->auction = terms->auction;
    line->customer_type = terms->customer_type;
    line->time_in_force = terms->letter;
    line->expire_time_ns = terms->expire_time_ns;
    line->group = terms->group;
    line->shares_located = terms->shares_located;
    line->self_trade = terms->self_trade;
    memcpy(line->firm_name, terms->firm, sizeof line->firm_name);
}

rb_order_tag *prt_lines_tag(const char *text, size_t bytes, prt_proposal *out)
{
    rb_order_tag *tag = &add(RB_TEMPLATE_ORDER_TAG, out)->order_tag;
    memcpy(tag->text, text, bytes);
    return tag;
}

int prt_lines_has_tag(const prt_request *request)
{
    return prt_is_text(request->ouch.clordid, sizeof request->ouch.clordid);
}

int32_t prt_lines_refuse(const prt_instruments *instruments, const prt_party *party,
                         const prt_request *request, uint32_t instrument, uint8_t template_id,
                         uint16_t reason, prt_proposal *out)
{
    uint8_t shard = instrument == RB_INSTRUMENT_NONE ? 0 : instruments->rows[instrument].shard;
    rb_reject *reject = &prt_lines_begin(party, request, RB_TEMPLATE_REJECT, shard, out)->reject;
    reject->instrument = instrument;
    reject->quantity = request->ouch.quantity;
    reject->client_order_id = request->ouch.user_ref;
    reject->account = party->account;
    reject->firm = party->firm;
    reject->side = prt_side_of((char)request->ouch.side);
    reject->refused_template = template_id;
    reject->reason = reason;
    if (prt_lines_has_tag(request)) {
        (void)prt_lines_tag(request->ouch.clordid, sizeof request->ouch.clordid, out);
    }
    return PRT_PROPOSE;
}
