#include "engine/legs.h"

#include "engine/answer.h"

int32_t eng_submit_legs(eng_book *book, const eng_group *group, eng_sink *sink)
{
    (void)book;
    eng_answer_rejected(sink, group, RB_REJECT_REASON_NOT_SUPPORTED);
    return RB_OK;
}
