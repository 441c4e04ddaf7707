/* SPDX-License-Identifier: MIT */
/* A part of table.h, which includes it: what StorageServers are sent. */
#ifndef DFS_WIRE_TABLE_DATA_H
#define DFS_WIRE_TABLE_DATA_H

/* --- data: client to StorageServer, and down the chain --- */

#define MSG_chunk_write(F, R, L)                                                                                       \
    F(token, grant)                                                                                                    \
    F(u64, chunk)                                                                                                      \
    F(u32, version)                                                                                                    \
    F(u64, sequence) /* 0 from a client: the head assigns it; gaps are refused */                                      \
    F(u64, session)  /* of the writer, for exactly-once (B14) */                                                       \
    F(u64, number)                                                                                                     \
    F(u64, file)          /* random, the same for all of one content; kept in the record for a rebuild */              \
    F(u32, index)         /* chunk index in the file, likewise */                                                      \
    F(u32, offset)        /* in the chunk */                                                                           \
    F(u32, length)        /* of the payload */                                                                         \
    F(blob, crcs)         /* u32 CRC32C of each 4096-byte block the range touches, on the chunk's grid */              \
    L(replica, chain, 15) /* who comes after the receiver */                                                           \
    F(u8, kind)           /* enum write_kind; the others have no payload and no crcs */                                \
    F(u8, flags)          /* WRITE_… */                                                                               \
    F(u64, size)          /* of the file, or 0 if the writer does not know it; kept for a rebuild */                   \
    F(u64, seen)          /* numbers of this session below have their answers, and may be forgotten */                 \
    F(u32, limit)         /* WRITE_APPEND: where the chunk has to end, … */                                            \
    F(u32, floor)         /* … and where the record begins at the earliest */                                          \
    F(u32, first)         /* version in which a try of this may have been taken before; 0: none was */                 \
    F(later, minor_1)                                                                                                  \
    F(u32, after)   /* a sequence of that version whose answer was here when that try was sent: it comes later; 0: none */ \
    F(u32, settled) /* down the chain: the writes of this version below this sequence are durable on every member */
#define MSG_chunk_write_reply(F, R, L)                                                                                 \
    F(u64, sequence)                                                                                                   \
    F(u32, offset) /* where it was written */

/* A reply holds whole blocks as stored, so that each can be verified; what no piece covers is a hole. Pieces are in the
 * order in which they are to be laid over each other, later ones on top: where two records share a block, both are given,
 * the older first; what a truncate or punch took of a block comes as a piece of zeros. Bytes of a piece outside the range asked for are there to be verified, not to be used: newer ones may
 * exist. A request whose pieces are more than a frame holds (1 MiB of payload, 1024 pieces) is refused with ETOOBIG. */
#define MSG_chunk_read(F, R, L)                                                                                        \
    F(token, grant)                                                                                                    \
    F(u64, chunk)                                                                                                      \
    F(u32, version)                                                                                                    \
    F(u32, offset)                                                                                                     \
    F(u32, length)                                                                                                     \
    F(u8, flags) /* READ_REPAIR: not for a user, who comes first. READ_MAP: only where the first two runs of data are */
#define MSG_chunk_read_reply(F, R, L)                                                                                  \
    F(u32, length)         /* of the chunk */                                                                          \
    L(piece, pieces, 1024) /* oldest first; the payload is their bytes in this order */                                \
    F(blob, crcs)          /* one u32 per block of each piece, in order */                                             \
    F(u64, file)           /* of the last piece's record, as its writer said; for a copy of it */                      \
    F(u32, index)                                                                                                      \
    F(u64, size)                                                                                                       \
    L(writer, writers, 1024) /* READ_REPAIR */                                                                         \
    F(u32, forgot)           /* up to this version, those are known in part only … */                                 \
    F(later, minor_1)                                                                                                  \
    F(u32, forgot_at) /* … up to this sequence of it; 0: all of it */                                                  \
    F(u8, busy)       /* READ_REPAIR: others read or write here */

#endif
