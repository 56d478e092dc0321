/*
 * CRC-32C (Castagnoli) of a message and of bytes; the hardware instruction where the CPU has one.
 *
 * Chosen at run time, so that one build runs everywhere. Stateless, any thread.
 */
#ifndef RINGBUS_CRC32C_H
#define RINGBUS_CRC32C_H

#include <stddef.h>
#include <stdint.h>

#include "ringbus/messages.h"

/* Checksum of the 60 bytes of a message that are not its checksum. */
uint32_t rb_message_checksum(const rb_message *message);
/* The same as if its sequence and the lower half of word 3 (template, flags, shard) were these. For
 * who writes it elsewhere: from a copy that was changed a moment ago, it would have to wait. */
uint32_t rb_message_checksum_as(const rb_message *message, uint64_t sequence, uint32_t kind);
/* How many of `count` messages, from the first on, have the sequences from `sequence` on and their
 * checksums right. */
int64_t rb_messages_whole(const rb_message *messages, int64_t count, uint64_t sequence);

/* cffi: begin */
/* CRC-32C of bytes, as in RFC 3720: starts from all ones, ends inverted. */
uint32_t rb_crc32c(const void *bytes, size_t count);
/* The same without the hardware instruction; for the test that compares them. */
uint32_t rb_crc32c_portable(const void *bytes, size_t count);
/* How many of `count` messages of 64 bytes, from the first on, have their checksum right. */
int64_t rb_messages_verify(const void *messages, int64_t count);
/* Writes the checksum of each of `count` messages of 64 bytes. */
void rb_messages_seal(void *messages, int64_t count);
/* cffi: end */

#endif
