/* The book alone, from C: two headers, one library, no ring, no clock, no Python. */
#include <stdio.h>

#include "engine/book.h"

enum { ALICE = 1, BOB = 2 };

static rb_message limit(uint16_t topic, uint32_t number, uint8_t side, uint32_t quantity,
                        int32_t price_ticks)
{
    return (rb_message){
        .new_order = {.header = {.topic = topic, .template_id = RB_TEMPLATE_NEW_ORDER},
                      .price_ticks = price_ticks,
                      .quantity = quantity,
                      .client_order_id = number,
                      .side = side}};
}

static void say(const rb_message *line)
{
    if (line->header.template_id == RB_TEMPLATE_NEW_ORDER) {
        (void)printf("%d: order %u is in, locate %u\n", line->header.topic,
                     line->new_order.client_order_id, line->new_order.locate);
    } else if (line->header.template_id == RB_TEMPLATE_EXECUTED) {
        (void)printf("%d: order %u trades %u at %d, %u left\n", line->header.topic,
                     line->executed.client_order_id, line->executed.quantity,
                     line->executed.price_ticks, line->executed.remaining);
    } else if (line->header.template_id == RB_TEMPLATE_CANCEL) {
        (void)printf("%d: order %u has %u left\n", line->header.topic, line->cancel.client_order_id,
                     line->cancel.remaining);
    }
}

int main(void)
{
    eng_book *book = eng_book_create(1, 1000, 100);
    if (book == NULL) {
        return 1;
    }
    rb_message proposals[4] = {limit(ALICE, 1, RB_SIDE_SELL, 300, 10050),
                               limit(ALICE, 2, RB_SIDE_SELL, 500, 10060),
                               limit(BOB, 1, RB_SIDE_BUY, 400, 10060)};
    proposals[3].cancel = (rb_cancel){.header = {.topic = ALICE, .template_id = RB_TEMPLATE_CANCEL},
                                      .locate = 2, /* what the answer to her second order said */
                                      .client_order_id = 2,
                                      .quantity = 150};
    rb_message answers[16];
    int64_t used = 0;
    int64_t count = 0;
    int32_t status = eng_book_apply_batch(book, proposals, 4, answers, 16, &used, &count);
    for (int64_t n = 0; n < count; n++) {
        say(&answers[n]);
    }
    uint64_t quantity = 0;
    int32_t price_ticks = eng_book_best(book, 0, RB_SIDE_SELL, &quantity);
    (void)printf("best offer %llu at %d\n", (unsigned long long)quantity, price_ticks);
    eng_book_destroy(book);
    return status == RB_OK ? 0 : 1;
}
