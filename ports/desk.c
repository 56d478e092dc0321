#include <stdlib.h>
#include <string.h>

#include "ports/session.h"
#include "ringbus/table.h"

enum { TOPICS = 65536 };

static uint32_t user_slots(uint32_t sessions)
{
    uint32_t slots = 2;
    while (slots < 2 * sessions) {
        slots *= 2;
    }
    return slots;
}

/* One more for each session may come before the bound is noticed. */
static uint32_t tokens_of(const prt_bounds *bounds)
{
    return bounds->tokens == 0 ? 0 : bounds->tokens + bounds->sessions;
}

uint64_t prt_desk_bytes(const prt_bounds *bounds)
{
    uint64_t tables = TOPICS + (uint64_t)user_slots(bounds->sessions);
    return prt_instruments_bytes(bounds->instruments) + prt_orders_bytes(bounds->orders) +
           prt_pool_bytes(bounds->messages, bounds->sessions) +
           prt_tokens_bytes(tokens_of(bounds)) + prt_hearing_bytes(bounds->ears) +
           bounds->sessions * (uint64_t)sizeof(prt_session) + tables * sizeof(uint16_t);
}

int32_t prt_desk_init(prt_desk *desk, const prt_bounds *bounds)
{
    memset(desk, 0, sizeof *desk);
    if (bounds->sessions == 0 || bounds->sessions > PRT_SESSIONS_MAX) {
        return RB_USAGE;
    }
    if (bounds->shards == 0 || bounds->shards > PRT_SHARDS_MAX) {
        return RB_USAGE;
    }
    if (bounds->publisher == 0 || bounds->publisher > UINT16_MAX) {
        return RB_USAGE;
    }
    desk->publisher = (uint16_t)bounds->publisher;
    desk->shard_count = bounds->shards;
    desk->session_capacity = bounds->sessions;
    int32_t status = prt_instruments_init(&desk->instruments, bounds->instruments);
    if (status == RB_OK) {
        status = prt_orders_init(&desk->orders, bounds->orders);
    }
    if (status == RB_OK) {
        /* Besides, one for each session that may be on its way when the last one is reached. */
        desk->tokens_max = bounds->tokens;
        status = prt_tokens_init(&desk->tokens, tokens_of(bounds));
    }
    if (status == RB_OK) {
        status = prt_pool_init(&desk->pool, bounds->messages, bounds->sessions);
    }
    if (status == RB_OK) {
        status = prt_hearing_init(&desk->hearing, bounds->ears);
    }
    if (status != RB_OK) {
        return status;
    }
    desk->sessions = rb_table_make(bounds->sessions, sizeof *desk->sessions);
    desk->by_topic = calloc(TOPICS, sizeof *desk->by_topic);
    desk->by_user = calloc(user_slots(bounds->sessions), sizeof *desk->by_user);
    desk->user_mask = user_slots(bounds->sessions) - 1;
    int all = desk->sessions != NULL && desk->by_topic != NULL && desk->by_user != NULL;
    return all ? RB_OK : RB_SYSTEM;
}

void prt_desk_free(prt_desk *desk)
{
    prt_instruments_free(&desk->instruments);
    prt_orders_free(&desk->orders);
    prt_tokens_free(&desk->tokens);
    prt_pool_free(&desk->pool);
    prt_hearing_free(&desk->hearing);
    rb_table_free(desk->sessions);
    free(desk->by_topic);
    free(desk->by_user);
    desk->sessions = NULL;
    desk->by_topic = NULL;
    desk->by_user = NULL;
}

/* Slot of the user in `by_user`, or the free one where it would be. */
static uint16_t *slot_of(const prt_desk *desk, const char *user)
{
    uint64_t key = 0;
    memcpy(&key, user, strnlen(user, sizeof key));
    uint64_t place = key * UINT64_C(0x9E3779B97F4A7C15) >> 32;
    for (uint32_t n = 0; n <= desk->user_mask; n++, place++) {
        uint16_t *slot = &desk->by_user[place & desk->user_mask];
        if (*slot == 0 ||
            strncmp(desk->sessions[*slot - 1].user, user, sizeof desk->sessions->user) == 0) {
            return slot;
        }
    }
    return NULL;
}

int64_t prt_desk_add_session(prt_desk *desk, const prt_client_session *config)
{
    uint16_t topic = config->topic;
    size_t length = strnlen(config->user, sizeof desk->sessions->user);
    if (length == 0 || length >= sizeof desk->sessions->user) {
        return RB_USAGE;
    }
    if (topic == 0 || desk->by_topic[topic] != 0 ||
        prt_desk_find_user(desk, config->user) != NULL) {
        return RB_USAGE;
    }
    if (prt_self_trade_options(config->self_trade) < 0 || config->protocol > PRT_OUCH42) {
        return RB_USAGE;
    }
    if (config->protocol == PRT_OUCH42 && desk->tokens_max == 0) {
        return RB_USAGE;
    }
    if (desk->session_count == desk->session_capacity) {
        return RB_FULL;
    }
    uint32_t number = desk->session_count++;
    prt_session *session = &desk->sessions[number];
    session->topic = topic;
    session->account = config->account;
    session->firm = config->firm;
    session->protocol = config->protocol;
    session->rate = config->rate;
    session->notional_max_1e4 = config->notional_max_1e4;
    session->cancels_on_disconnect = config->cancels_on_disconnect;
    session->self_trade = config->self_trade;
    session->connection = PRT_NONE;
    session->waiting = PRT_NONE;
    memcpy(session->user, config->user, length);
    memcpy(session->firm_name, config->firm_name, sizeof session->firm_name);
    desk->by_topic[topic] = (uint16_t)(number + 1);
    *slot_of(desk, config->user) = (uint16_t)(number + 1);
    return number;
}

prt_session *prt_desk_find_user(const prt_desk *desk, const char *user)
{
    const uint16_t *slot = slot_of(desk, user);
    return slot == NULL || *slot == 0 ? NULL : &desk->sessions[*slot - 1];
}
