/*
 * Trade change: an operator's bust or correction of a trade, told on the topics of both parties.
 *
 * The engine keeps no trades. Who proposes the change has read the trade on the stream and hands in
 * all that is to be said of it; the topic's lock sees to it that nobody has changed it meanwhile.
 * What is checked here is that the parties fit together; that a bust takes back no more than its
 * owners have is the sequencer's to see (engine/risk.h).
 *
 *     proposed, and turned round:  TradeChange  TradeParty OrderTag  TradeParty OrderTag  Text …
 *     made behind it:              TradeChanged OrderTag (one party's topic), the same (other's)
 *
 * Who: sequencer and shard. Progress: bounded. Crash: nothing is kept.
 */
#ifndef ENGINE_TRADE_CHANGE_H
#define ENGINE_TRADE_CHANGE_H

#include "engine/book.h"
#include "ringbus/lane.h"

/* Lines that are made. */
#define ENG_TRADE_CHANGED_LINES 4u

/* The n-th party, 0 or 1, of a group that is well formed. */
static inline const rb_trade_party *eng_trade_party(const eng_group *group, uint32_t n)
{
    return &eng_group_line(group, 1 + 2 * n)->trade_party;
}

/* 0, or why a well-formed group of an instrument that is known is refused; sessions are topics
 * below `topics`. */
uint16_t eng_trade_change_fault(const eng_group *group, uint32_t topics);
/* Writes what the parties are told behind `count` lines that lie in the lane's free slots. Topic
 * sequence, flags and input are the shard's to write. Returns ENG_TRADE_CHANGED_LINES. */
uint64_t eng_trade_change_tell(const eng_group *group, rb_lane *out, uint64_t count);

#endif
