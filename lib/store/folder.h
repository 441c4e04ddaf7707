/* SPDX-License-Identifier: MIT */
/* One data folder as the StorageServer core keeps it: two lanes of group commit, its space, its errors. */
#ifndef DFS_STORE_FOLDER_H
#define DFS_STORE_FOLDER_H

#include "base/list.h"
#include "store/format.h"
#include "wire/disk.h"

#define AHEAD_MAX 16u               /* writes ahead of a flush */
#define SLOW_AFTER (2 * NS_PER_SEC) /* without any sign of it a disk that has something to do is taken for slow */

struct segment;
struct clean;

struct scrub {
    uint64_t next;  /* when to go on */
    uint64_t bytes; /* since start */
    uint32_t passes;
};

struct disk_errors { /* since start */
    uint32_t read, write, damaged;
};

struct ahead { /* a write ahead of its flush */
    uint16_t serial;
    bool written;
    uint32_t n, bytes, end; /* records; in the segment */
};

struct lane { /* one class of segments of one disk */
    struct segment *active, *next;
    struct list queue;             /* struct write.link: waiting for the next batch */
    struct list early;             /* written ahead, or being so: the next flush covers them */
    struct list flight;            /* the flush under way covers them */
    struct ahead ahead[AHEAD_MAX]; /* what early is made of, in order */
    uint32_t n_ahead;
    uint32_t writing; /* of them, under way */
    uint16_t ahead_serial;
    bool flushing;
    int sick;             /* an error: nothing is submitted before all that is under way came back */
    uint32_t early_bytes; /* in the segment */
    uint32_t durable;     /* up to here the active segment is flushed */
    uint32_t covers;      /* and up to here once the flush under way is done */
    uint64_t since;       /* when something under way last ended, or the first of it began */
};

enum clean_kind { CLEAN_PUNCH, CLEAN_COMPACT, CLEAN_SCRUB, CLEAN_KINDS };

struct store { /* one data folder */
    struct disk *disk;
    uint8_t number;
    bool failed, stat_pending;
    bool slow; /* gets no new chunks while others do */
    bool cut;  /* at this start something is cut off a segment */
    struct identity identity;
    uint64_t free, total;
    uint64_t next_segment;
    uint64_t full_until; /* no new segment could be made: refuse until then */
    uint64_t chunks;
    uint64_t write_bytes, read_bytes; /* its part of what is in flight */
    struct lane lanes[SEGMENT_CLASSES];
    struct clean *jobs[CLEAN_KINDS]; /* one of each kind at a time */
    uint32_t clean_wait;
    bool no_punch;
    struct scrub scrub;
    struct disk_errors errors;
};

#endif
