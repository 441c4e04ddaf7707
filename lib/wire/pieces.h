/* SPDX-License-Identifier: MIT */
/* What a chunk_read brought: pieces of whole stored blocks, each with its checksum. Nothing of it is believed before
 * pieces_check said so (G3). */
#ifndef DFS_WIRE_PIECES_H
#define DFS_WIRE_PIECES_H

#include "base/slice.h"
#include "wire/msg.h"

/* The CRC32C of [off, off + len) of the payload. */
uint32_t payload_crc(const struct payload *p, uint32_t off, uint32_t len);

/* 0: the pieces are all of the payload, and their blocks fit their CRCs; DFS_ECORRUPT; DFS_EPROTO. */
int pieces_check(const struct msg_chunk_read_reply *m, const struct payload *p) MUST_USE;

/* Lays checked pieces over each other in the order given, a later one on top: bytes [begin, begin + len) of the chunk,
 * zeros where no piece has any. False: there are such places (in doubt; pieces come oldest first, not by offset). */
bool pieces_overlay(const struct msg_chunk_read_reply *m, const struct payload *p, uint32_t begin, uint32_t len,
                    uint8_t *out);

#endif
