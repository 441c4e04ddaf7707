/* SPDX-License-Identifier: MIT */
/* What a data folder of a StorageServer holds, byte by byte: segments, records, the identity. docs/DISK-FORMAT.md is
 * the prose. Pure functions of bytes: nothing here reads or writes a disk.
 *
 * A record is [header 128][block CRCs, 4 bytes each][payload], padded to 8. In segments of class LARGE the payload
 * starts on a 4096-byte boundary, so that its space can be given back alone (CONSISTENCY D22). */
#ifndef DFS_STORE_FORMAT_H
#define DFS_STORE_FORMAT_H

#include "base/slice.h"

#define FORMAT_VERSION 1u
#define SEGMENT_HEADER 4096u
#define RECORD_HEADER 128u
#define RECORD_ALIGN 8u
#define IDENTITY_SLOT 4096u
#define IDENTITY_NAME "identity"
#define IDENTITY_MAGIC 0x49534644u /* "DFSI", at the start of each slot */
/* No chunk is larger, whatever a request says. */
#define CHUNK_LIMIT (1024u * 1024 * 1024)
/* Where the hole behind a truncated chunk ends: one byte further than any data, so that the newest one stays known. */
#define HOLE_END (CHUNK_LIMIT + 1)
/* Payloads of this size and more go to segments of class LARGE. */
#define LARGE_PAYLOAD (64u * 1024)

enum segment_class { CLASS_SMALL = 0, CLASS_LARGE = 1 };
#define SEGMENT_CLASSES 2

enum record_kind {
    RECORD_DATA = 1,
    RECORD_DELETE = 2,   /* the chunk's copies up to `copy` are gone */
    RECORD_TRUNCATE = 3, /* the chunk ends at `offset`: a hole from there on */
    RECORD_SEAL = 4,     /* the segment ends at `durable`; its summary follows */
    RECORD_PUNCH = 5,    /* the range is a hole */
    RECORD_WRITER = 6,   /* a request that was there when this version began; with no session: that these are all */
};

/* The version this record belongs to takes writes, and did not begin with a grant. */
#define RECORD_OPEN 1u
/* Copied from another server: it does not say who wrote it. */
#define RECORD_COPIED 2u
/* A part of what was written, moved; the rest had been written over. */
#define RECORD_PART 4u
/* Of a RECORD_WRITER: `flags` is the kind of the request's own record, and how many versions ago that was. */
#define WRITER_KIND 7u
#define WRITER_AGO_SHIFT 3
#define WRITER_AGO_MAX 31u /* or more */

/* Whose folder it is. Two slots in the file, written in turn; the valid one with the higher `writes` counts. */
struct identity {
    uint64_t writes;
    uint64_t cluster_hi, cluster_lo; /* 0: not registered yet */
    uint64_t uuid_hi, uuid_lo;       /* of the server, the same in all its folders */
    uint64_t folder_hi, folder_lo;
    uint64_t epoch;    /* the highest seen in an order (CONSISTENCY B16) */
    uint64_t scrubbed; /* segments up to this id were verified in this pass */
    bool cut;          /* a start cut something off a segment, and not all chunks that took writes then were settled since */
    uint32_t server;   /* id; 0: not registered yet */
};

void identity_put(uint8_t out[IDENTITY_SLOT], const struct identity *id);
/* 0; DFS_ECORRUPT: no valid slot; DFS_EVERSION: of a release we do not know. p holds both slots. */
int identity_parse(const uint8_t p[2 * IDENTITY_SLOT], struct identity *id) MUST_USE;

struct segment_header {
    uint64_t cluster_hi, cluster_lo;
    uint64_t uuid_hi, uuid_lo; /* of the server */
    uint64_t id;
    uint32_t generation; /* rises when the file is recycled */
    uint8_t class;       /* enum segment_class */
    uint32_t size;       /* as preallocated */
};

void segment_put_header(uint8_t out[SEGMENT_HEADER], const struct segment_header *h);
/* 0; DFS_ENOENT: all zeros, never written; DFS_ECORRUPT; DFS_EVERSION. */
int segment_parse_header(const uint8_t p[SEGMENT_HEADER], struct segment_header *h) MUST_USE;
/* "seg-<16 hex digits>.log". The parser returns false for any other name. */
void segment_name(char *out, size_t len, uint64_t id);
bool segment_parse_name(const char *name, uint64_t *id);
/* What the header CRCs of a segment's records start from: a record of another server, segment or generation, or one
 * forged inside a payload, does not fit. */
uint32_t segment_seed(const struct segment_header *h);

struct record {
    uint32_t position;   /* where the header stands in the segment (CONSISTENCY D21) */
    uint32_t durable;    /* up to here the segment was flushed when this record was written */
    uint32_t prev;       /* position of the record before; 0 for the first */
    uint64_t prev_chunk; /* its chunk: names what was lost if that header is damaged */
    uint8_t kind;
    uint8_t flags; /* RECORD_OPEN */
    uint32_t version;
    uint64_t chunk;
    uint64_t copy; /* which stay of the chunk on this server: rises after each delete (D23) */
    uint64_t sequence;
    uint64_t session, number; /* of the writer (B14) */
    uint64_t file;
    uint32_t index;
    uint32_t offset, length; /* in the chunk; a truncate has no length */
    uint32_t crcs_crc;       /* of the array of block CRCs */
    uint64_t epoch;          /* RECORD_DELETE: of the order */
    uint64_t size;           /* RECORD_DATA: of the file, or 0 if its writer did not know it */
};

/* Blocks of the chunk's 4096-byte grid that [offset, offset + length) touches. */
static inline uint32_t blocks_touched(uint32_t offset, uint32_t length)
{
    return length ? (uint32_t)(((uint64_t)offset + length + DFS_BLOCK - 1) / DFS_BLOCK - offset / DFS_BLOCK) : 0;
}

/* Where the parts of a record of this range stand, its header being at `position`. 64 bits: the caller checks
 * limits. */
struct record_layout {
    uint32_t n_crcs;
    uint64_t crcs, payload, end; /* end: where the next record starts */
};
struct record_layout record_layout(enum segment_class class, uint64_t position, uint32_t offset, uint32_t length);

static inline bool record_is_hole(const struct record *r)
{
    return r->kind == RECORD_TRUNCATE || r->kind == RECORD_PUNCH;
}
/* Bytes that follow header and CRCs: the range itself, unless it is only named. */
static inline uint32_t record_payload(const struct record *r) { return r->kind == RECORD_DATA ? r->length : 0; }
static inline enum segment_class record_class(const struct record *r)
{
    return record_payload(r) < LARGE_PAYLOAD ? CLASS_SMALL : CLASS_LARGE;
}
struct record_layout layout_of(enum segment_class class, const struct record *r, uint64_t position);

void record_put(uint8_t out[RECORD_HEADER], const struct record *r, uint64_t segment, uint32_t generation,
                uint32_t seed);
/* Whether p holds the header of a record of this segment at this position; fills r. Lengths are within CHUNK_LIMIT. */
bool record_parse(const uint8_t p[RECORD_HEADER], const struct segment_header *h, uint32_t seed, uint32_t position,
                  struct record *r);

/* A sealed segment ends with a summary of its records, so that a start need not read them: [seal record][entries][zeros]
 * [trailer], up to the end of the file. Seal record and trailer both say where the records end. */
#define SUMMARY_ENTRY 56u
#define SUMMARY_TRAILER 32u

struct summary {   /* what the trailer says */
    uint32_t seal; /* position of the seal record; the entries stand behind it */
    uint32_t end;  /* of the last record in front of it */
    uint32_t n;    /* entries */
    uint32_t crc;  /* of the entries */
};

static inline uint64_t summary_size(uint32_t n)
{
    return RECORD_HEADER + (uint64_t)n * SUMMARY_ENTRY + SUMMARY_TRAILER;
}

/* Of r: position, kind, flags, version, sequence, chunk, copy, offset, length, session, number. */
void summary_put(uint8_t out[SUMMARY_ENTRY], const struct record *r);
void summary_parse(const uint8_t p[SUMMARY_ENTRY], struct record *r);
void trailer_put(uint8_t out[SUMMARY_TRAILER], const struct summary *m, uint64_t segment, uint32_t seed);
/* Whether the last bytes of a file of this size are the trailer of this segment; fills m. All positions are in the file. */
bool trailer_parse(const uint8_t p[SUMMARY_TRAILER], uint64_t segment, uint32_t seed, uint64_t size, struct summary *m);

/* Checks payload against the CRCs of the blocks that [offset, offset + length) touches; `crcs` need not be aligned. The
 * caller has checked that there are as many as blocks_touched says. */
bool crcs_match(const struct payload *p, uint32_t offset, const void *crcs);

#endif
