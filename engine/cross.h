/*
 * Cross: the result of an auction, executed (engine/README.md, "CrossResult").
 *
 * All orders that take part are held (resting ones are moved there first), and the held list is in
 * the order of their arrival. The cross needs another order, by priority, and afterwards the old
 * one again. A list with links both ways has one way too many for that: while the cross is being
 * executed, `next` keeps the order of arrival, and `prev` links those that take part by priority,
 * one chain a side, sorted in place.
 *
 *     held    A ─next─▶ B ─next─▶ C ─next─▶ D ─next─▶ E          arrival
 *     buys    C ─prev─▶ A                                        priority
 *     sells   E ─prev─▶ B                          D takes no part
 *
 * Trades take from the heads of both chains. Who is used up leaves its chain and joins a third,
 * `done`, in the order in which it happened; it stays on `next` until the end, with nothing open.
 * Then one walk along `next` drops those and makes `prev` anew, and the records of `done` are
 * released in its order. No memory but the links is needed, and nothing has to be sorted back.
 *
 * The sort is a stable merge sort of runs that are in order already: lists of held orders come in
 * long ones (a side of a book that was closed, best price first). Runs wait in slots, at slot n one
 * that was made of 2^n of them, as the carry of a binary counter goes: no recursion, and what is
 * merged is still in the caches. Source: the Linux kernel's list_sort, with natural runs.
 *
 * For the files of the book only.
 */
#ifndef ENGINE_CROSS_H
#define ENGINE_CROSS_H

#include "engine/book_state.h"

/* Answers a CrossResult, whose instrument exists. */
int32_t eng_submit_cross(eng_book *book, const eng_group *group, eng_sink *sink);
/* Whether the held list of an instrument has lent its links to a cross. */
int eng_cross_lends(const eng_book *book, uint32_t instrument);

#endif
