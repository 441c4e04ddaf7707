/* SPDX-License-Identifier: MIT */
/* Reading a segment from its first record to its last, after a crash or for a check; changes nothing.
 *
 * A record is acknowledged only after a flush that covers it and all before it, and each record says up to where the
 * segment was flushed when it was written. So of a bad spot:
 *   - no valid record behind it that says the spot was flushed: a torn tail. No record from there on was ever
 *     acknowledged (or, if a bit flipped in what was written last, the peers know more than we do: CONSISTENCY B10).
 *     The segment ends there: what is left of each chunk is a prefix of its history.
 *   - a record behind it that says so: damage to something acknowledged. Never cut; reported, with the chunk it
 *     hit where that can be known. */
#ifndef DFS_STORE_SCAN_H
#define DFS_STORE_SCAN_H

#include "store/format.h"
#include "wire/disk.h"

struct scan_damage {
    uint32_t position;
    bool known; /* chunk holds */
    uint64_t chunk;
};

struct scan {
    struct segment_header header;
    bool quick;          /* in: where the summary is whole, it is believed, and the records are not read */
    bool closed;         /* a seal record or trailer proves that all up to `end` was durable */
    bool summarized;     /* records come from the summary; their prev, durable, CRCs, session… are not known */
    bool empty;          /* never used: the header was not written, or not completely, and no record follows */
    bool header_damaged; /* records were found all the same; header is what they say */
    uint64_t size;       /* of the file */
    uint32_t end;        /* where the last good record ends */
    uint32_t torn;       /* bytes of a torn tail behind it that are not zero: 0 or at least 1 */
    struct record *records;
    uint32_t n_records, cap_records;
    struct scan_damage *damage;
    uint32_t n_damage, cap_damage;
};

/* On entry s is zero but for quick, header.cluster_* and header.uuid_*: those of the server, in case the header is
 * damaged.
 * 0; DFS_ECORRUPT: the header is damaged and nothing can be made of the rest; DFS_EVERSION; DFS_EIO; DFS_ENOMEM. */
int segment_scan(struct disk *d, const char *name, uint64_t id, uint64_t size, struct scan *s) MUST_USE;
void scan_free(struct scan *s);
/* This one will be scanned quickly, soon: the disk may begin with its header and its summary. */
void segment_expect(struct disk *d, uint64_t id, uint64_t size);

#endif
