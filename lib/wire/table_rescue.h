/* SPDX-License-Identifier: MIT */
/* A part of table.h, which includes it: backups of the namespace, and what a restored one does not know. */
#ifndef DFS_WIRE_TABLE_RESCUE_H
#define DFS_WIRE_TABLE_RESCUE_H

/* --- records --- */

/* A copy of a chunk, as its records on a StorageServer tell. */
#define REC_found(F, R, L)                                                                                             \
    F(u64, chunk)                                                                                                      \
    F(u32, version)                                                                                                    \
    F(u32, length)                                                                                                     \
    F(u32, crc)  /* CRC32C of its bytes, put together from those of its blocks */                                      \
    F(u8, whole) /* 1: it has no holes and no damage, and crc holds */                                                 \
    F(u64, file) /* as its writer said: which chunks belong together, in which order, … */                           \
    F(u32, index)                                                                                                      \
    F(u64, size) /* … and how long the file is; 0: not known to the writer */

#define REC_recovered(F, R, L)                                                                                         \
    F(u64, chunk)                                                                                                      \
    F(u32, version)                                                                                                    \
    F(u32, length)                                                                                                     \
    F(u32, crc)                                                                                                        \
    F(u32, index)                                                                                                      \
    L(server_id, servers, 16)

/* --- backup, quarantine --- */

/* A consistent copy of the leader's state, slice by slice. First, with index 0: is there a snapshot of `after` or later?
 * (after 0: of now.) If not, one is taken, and the answer says what to ask for again. Then its bytes. */
#define MSG_nm_backup(F, R, L)                                                                                         \
    F(u64, index) /* 0, or the snapshot to read */                                                                     \
    F(u64, term)                                                                                                       \
    F(u64, after)                                                                                                      \
    F(u64, offset)                                                                                                     \
    F(u32, length)
#define MSG_nm_backup_reply(F, R, L)                                                                                   \
    F(u64, index) /* 0: it is being taken */                                                                           \
    F(u64, term)                                                                                                       \
    F(u64, after)                                                                                                      \
    F(u8, eof)                                                                                                         \
    F(u32, crc) /* CRC32C of the bytes, which are the payload */

/* Ends the quarantine (B16): what it kept is collected as any unknown chunk is. No error if there is none. */
#define MSG_quarantine_drop(F, R, L) F(u8, reserved)
#define MSG_quarantine_drop_reply(F, R, L) F(u8, reserved)

/* What a StorageServer holds of the chunks a heartbeat's answer asked about, in the order of its disks. */
#define MSG_inventory(F, R, L)                                                                                         \
    F(u32, server)                                                                                                     \
    F(u64, incarnation)                                                                                                \
    F(u64, run)                                                                                                        \
    L(found, chunks, 1024)                                                                                             \
    F(u8, eof)
#define MSG_inventory_reply(F, R, L) F(u8, reserved)

/* Puts files together out of what is in quarantine. Answered at once; asked again, it tells how far that is. */
#define MSG_recover(F, R, L) F(u8, what) /* enum recover_what */
#define MSG_recover_reply(F, R, L)                                                                                     \
    F(u8, state) /* enum recover_state */                                                                              \
    F(u64, run)  /* which: another number means that it was begun anew */                                              \
    F(u32, servers)                                                                                                    \
    F(u32, reported) /* of the servers, completely */                                                                  \
    F(u64, copies)   /* unknown ones they reported */                                                                  \
    F(u64, whole)    /* files made under /recovered */                                                                 \
    F(u64,                                                                                                             \
      incomplete) /* files of which something is missing: made under /recovered/incomplete if that was asked for */    \
    F(u64, left)  /* chunks that fit into no file, or were superseded: still in quarantine */                          \
    F(text, error)

/* In the log: one file of these chunks, none of which is known. */
#define MSG_recover_file(F, R, L)                                                                                      \
    F(u64, file) /* its name */                                                                                        \
    F(u8, whole)                                                                                                       \
    F(u64, size)                                                                                                       \
    L(recovered, chunks, 16384)

#endif
