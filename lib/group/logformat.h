/* SPDX-License-Identifier: MIT */
/* The bytes of the NameServer's log: segment headers and records.
 *
 * A segment is a preallocated, zero-filled file "log-<number, 16 hex digits>": a header of 64 bytes, then records. The
 * number is the first record's index, or one more than the segment before if that is more (after a cut, below).
 * A record is a header of 64 bytes and a body, padded with zeros to a multiple of 8. All numbers are little-endian.
 *
 *   segment:  0 u64 magic "DFSNMLOG"   8 u32 format version   12 u32 CRC of the record before (0: none)
 *            16 u64 cluster_hi        24 u64 cluster_lo       32 u64 first index     40 u64 position
 *            48 u64 flushed           56 u32 0                60 u32 CRC of bytes 0..59
 *   record:   0 u32 magic "REC1"       4 u32 body length       8 u64 index           16 u64 term
 *            24 u64 position          32 u64 position of the record before           40 u64 flushed
 *            48 u32 CRC of the record before  52 u8 type, 3 zero bytes
 *            56 u32 CRC of the body and its padding   60 u32 CRC of bytes 0..59
 *
 * A position counts the bytes of all segments before, headers included, plus the offset in this one: it never repeats.
 * `flushed` is the position below which everything was durable when the record was written. So a torn tail is told from
 * damage in the middle (A2): a bad record at p is damage exactly if a header with flushed > p follows it.
 * The header CRCs are salted with the node's uuid, which no client knows: no request can contain a header.
 * "CRC of the record before" is that record's header CRC, which covers its body's: records form a chain, and what a cut
 * tail left behind can never be taken for a continuation.
 * A record whose index is not above the one before cuts: it replaces what had its index and all that followed. So a follower drops what a deposed leader had sent it, and nothing is ever overwritten. */
#ifndef DFS_GROUP_LOGFORMAT_H
#define DFS_GROUP_LOGFORMAT_H

#include "base/base.h"

#define LOG_SEGMENT_MAGIC 0x474f4c4d4e534644ULL /* "DFSNMLOG" */
#define LOG_RECORD_MAGIC 0x31434552u            /* "REC1" */
#define LOG_VERSION 1u
#define LOG_SEGMENT_HEADER 64u
#define LOG_RECORD_HEADER 64u
#define LOG_BODY_MAX (1024u * 1024) /* what one message between NameServers carries */
#define LOG_PREFIX "log-"
#define LOG_SPARE "log-spare"

struct log_segment_header {
    uint64_t cluster_hi, cluster_lo, first_index, position, flushed;
    uint32_t chain;
};

struct log_record_header {
    uint64_t index, term, position, previous, flushed;
    uint32_t len, chain, body_crc, crc; /* crc is set by both functions */
    uint8_t type;
};

/* Bytes a record with this body takes. */
static inline uint64_t log_record_size(uint32_t len) { return round_up(LOG_RECORD_HEADER + (uint64_t)len, 8); }

/* Of a padded body. */
uint32_t log_body_crc(const uint8_t *body, uint32_t len);
void log_segment_put(uint8_t out[LOG_SEGMENT_HEADER], const struct log_segment_header *h, uint32_t salt);
/* False: not a segment header of this node. */
bool log_segment_get(const uint8_t in[LOG_SEGMENT_HEADER], struct log_segment_header *h, uint32_t salt);
void log_record_put(uint8_t out[LOG_RECORD_HEADER], struct log_record_header *h, uint32_t salt);
bool log_record_get(const uint8_t in[LOG_RECORD_HEADER], struct log_record_header *h, uint32_t salt);

/* "log-000000000000002a"; out has room for DISK_NAME_MAX + 1. */
void log_segment_name(uint64_t first_index, char *out);
/* True and *first_index for such a name. */
bool log_segment_parse(const char *name, uint64_t *first_index);

#endif
