#include "ringbus/check.h"

#include <stdio.h>

static _Thread_local char check_text[256];

int32_t rb_check_failed(const char *expression, const char *file, int32_t line)
{
    (void)snprintf(check_text, sizeof check_text, "%s:%d: %s", file, (int)line, expression);
    return RB_CORRUPT;
}

const char *rb_check_text(void)
{
    return check_text;
}

#define RB_STATUS_ROW(name, value, text) {(value), #name, (text)},
static const struct {
    int64_t value;
    const char *name;
    const char *text;
} statuses[] = {RB_STATUS_LIST(RB_STATUS_ROW)};
#undef RB_STATUS_ROW

static const uint32_t status_count = sizeof statuses / sizeof statuses[0];

const char *rb_status_text(int64_t status)
{
    for (uint32_t i = 0; i < status_count; i++) {
        if (statuses[i].value == status) {
            return statuses[i].text;
        }
    }
    return "unknown status";
}

const char *rb_status_name(int64_t status)
{
    for (uint32_t i = 0; i < status_count; i++) {
        if (statuses[i].value == status) {
            return statuses[i].name;
        }
    }
    return NULL;
}

int64_t rb_status_at(uint32_t n)
{
    return n < status_count ? statuses[n].value : 1;
}
