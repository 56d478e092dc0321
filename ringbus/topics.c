#include "ringbus/topics.h"

#include <string.h>

#include "ringbus/check.h"
#include "ringbus/doorbell.h"
#include "ringbus/status.h"

int32_t rb_topics_init(rb_topics *topics, uint32_t *last, uint32_t topic_count,
                       uint32_t shard_count)
{
    if (last == NULL || topic_count == 0 || topic_count > UINT16_MAX + 1u || shard_count == 0 ||
        shard_count > UINT8_MAX + 1u) {
        return RB_USAGE;
    }
    memset(topics, 0, sizeof *topics);
    topics->last = last;
    topics->topic_count = topic_count;
    topics->shard_count = shard_count;
    topics->epoch = 1;
    return RB_OK;
}

static int32_t take(rb_topics *topics, const rb_message *line)
{
    uint32_t topic = line->header.topic;
    uint32_t shard = line->header.shard;
    RB_CHECK(topic < topics->topic_count);
    RB_CHECK(shard < topics->shard_count);
    int is_for_all = (line->header.flags & RB_FLAG_BROADCAST) != 0;
    uint32_t end = is_for_all ? topics->shard_count : shard + 1;
    for (uint32_t n = shard; n < end; n++) {
        topics->last[(size_t)n * topics->topic_count + topic]++;
    }
    RB_CHECK(line->header.topic_sequence ==
             topics->last[(size_t)shard * topics->topic_count + topic]);
    if (line->header.template_id == RB_TEMPLATE_EPOCH_START) {
        topics->epoch = line->epoch_start.epoch;
    }
    return RB_OK;
}

int32_t rb_topics_hear(rb_topics *topics, const void *messages, int64_t count)
{
    const rb_message *lines = messages;
    int32_t status = RB_OK;
    for (int64_t n = 0; n < count && status == RB_OK; n++) {
        if (!topics->follows) {
            status = take(topics, &lines[n]);
        }
        topics->follows = (lines[n].header.flags & RB_FLAG_CONTINUED) != 0;
    }
    return status;
}

uint32_t rb_topics_epoch(const rb_topics *topics)
{
    return topics->epoch;
}

uint8_t rb_topics_reign(const rb_topics *topics)
{
    return rb_reign(topics->epoch);
}
