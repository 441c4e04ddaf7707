/* SPDX-License-Identifier: MIT */
/* Frames: a fixed header of 32 bytes, an encoded message (the head), and a payload.
 *
 *    0  u32 magic "DFS1"      4  u8 major version    5  u8 flags (0)      6  u16 type
 *    8  u64 request id       16  u32 head length    20  u32 payload length
 *   24  u32 CRC32C of the head                      28  u32 CRC32C of bytes 0..27
 *
 * All little-endian. The payload has no checksum here: the message that announces it carries one per 4096-byte block,
 * which stays with the data to the disk and back (G3).
 *
 * The parser is a pure function of the bytes: any split gives the same frames. Limits are checked before a length is
 * believed, and payload bytes are never copied: the parser says where the next bytes should be read to. */
#ifndef DFS_WIRE_FRAME_H
#define DFS_WIRE_FRAME_H

#include "base/slice.h"
#include "wire/msg.h"

#define FRAME_MAGIC 0x31534644u /* "DFS1" */
#define FRAME_MAJOR 1
#define FRAME_HEADER 32u

struct frame {
    uint16_t type;
    uint64_t request;
    struct slice head;       /* encoded message; owned */
    struct payload payload;  /* owned */
};

void frame_drop(struct frame *f);

/* Writes the 32-byte header for a frame whose head is the head_len bytes at head. */
void frame_put_header(uint8_t out[FRAME_HEADER], uint16_t type, uint64_t request, const void *head, uint32_t head_len,
                      uint32_t payload_len);

struct frame_parser {
    uint32_t max_head, max_payload; /* what this connection accepts; at most WIRE_HEAD_MAX, WIRE_PAYLOAD_MAX */
    struct slice in;                /* bytes received and not yet consumed, or those of a head still arriving */
    uint32_t in_space;              /* free bytes behind them in their buffer */
    struct frame cur;               /* header parsed, payload still arriving */
    uint32_t payload_missing;
    bool in_payload;
    int error;                      /* sticky */
};

/* Where bytes were wrong, for the log line. */
const char *frame_error_text(const struct frame_parser *p);

void frame_parser_init(struct frame_parser *p, uint32_t max_head, uint32_t max_payload);
void frame_parser_close(struct frame_parser *p);
/* An idle parser holds no buffer. Where to read to: at least 1 byte, or NULL when memory is out. Stays valid until
 * frame_parser_fed; the parser must not be asked for frames in between. hint: how much the caller would like. */
uint8_t *frame_parser_space(struct frame_parser *p, uint32_t hint, uint32_t *len);
/* n bytes were read there (0: none after all). */
void frame_parser_fed(struct frame_parser *p, uint32_t n);
/* 1: *out holds a frame, owned by the caller. 0: incomplete. DFS_EPROTO, DFS_EVERSION, DFS_ETOOBIG, DFS_ENOMEM: the
 * stream is broken for good. */
int frame_parser_next(struct frame_parser *p, struct frame *out) MUST_USE;

#endif
