/* SPDX-License-Identifier: MIT */
/* The part of the table of messages that keeps replicas whole: what StorageServers hold, and what the leader has them
 * do about it. */
#ifndef DFS_WIRE_TABLE_REPAIR_H
#define DFS_WIRE_TABLE_REPAIR_H

/* A chunk as a StorageServer holds it. */
#define REC_held(F, R, L)                                                                                              \
    F(u64, chunk)                                                                                                      \
    F(u32, version)                                                                                                    \
    F(u32, length)                                                                                                     \
    F(u8, flags) /* HELD_DAMAGED */

/* A write that was accepted not long ago: should it be repeated, it has been done (B14). A copy takes them along. */
#define REC_writer(F, R, L)                                                                                            \
    F(u64, session)                                                                                                    \
    F(u64, number)                                                                                                     \
    F(u8, kind) /* of the record */                                                                                    \
    F(u32, offset)                                                                                                     \
    F(u32, length)                                                                                                     \
    F(later, minor_1)                                                                                                  \
    F(u32, version) /* it was accepted in; 0: not told */                                                              \
    F(u32, sequence)

/* Something the leader wants done with a chunk. Doing it twice does no harm. */
#define REC_task(F, R, L)                                                                                              \
    F(u8, kind) /* enum task_kind */                                                                                   \
    F(u64, chunk)                                                                                                      \
    F(u32, version)                                                                                                    \
    F(u32, length)                                                                                                     \
    F(u32, crc)             /* CRC32C of the chunk's bytes */                                                          \
    L(replica, sources, 16) /* COPY: whom to fetch from, the best first */                                             \
    F(token, grant)         /* what to show the source */                                                              \
    F(u32, to)              /* STAMP: the version that begins, … */                                                  \
    F(u64, sequence)        /* … the last write of the one that ends; UINT64_MAX: whatever it was */                 \
    F(u8, flags)            /* TASK_OPEN */                                                                            \
    F(u32, keep)            /* FENCE, STAMP: how many bytes stay, the others are cut off; 0: all */                 \
    F(later, minor_1)                                                                                                  \
    F(u64, id) /* among those of this epoch; its result tells both */

#define REC_task_result(F, R, L)                                                                                       \
    F(u8, kind)                                                                                                        \
    F(u64, chunk)                                                                                                      \
    F(u32, version)                                                                                                    \
    F(u16, error) /* include/dfs/error.h; 0: done */                                                                   \
    F(u64, sequence)                                                                                                   \
    F(u32, length)                                                                                                     \
    F(u32, crc)                                                                                                        \
    F(u32, suspect) /* a server that gave bytes which did not fit their checksums; 0: none */                          \
    F(u8, flags)    /* RESULT_… */                                                                                    \
    F(later, minor_1)                                                                                                  \
    F(u64, epoch) /* of the task, as is … */                                                                         \
    F(u64, id)    /* … this: what was done for another one proves nothing */

/* --- StorageServer to NameServer --- */

/* One page of the chunks a server holds, in id order; the reply lists those nobody knows (B15, B16). */
#define MSG_report(F, R, L)                                                                                            \
    F(u32, server)                                                                                                     \
    F(u64, incarnation)                                                                                                \
    L(held, chunks, 4096)                                                                                              \
    F(u8, first) /* this page begins a report; eof: it ends with this page */                                          \
    F(u8, eof)
#define MSG_report_reply(F, R, L)                                                                                      \
    F(u64, epoch)                                                                                                      \
    L(chunk_id, remove, 4096)                                                                                          \
    F(u8, again) /* report once more after so many seconds; 0: when it is time */

/* Asks for something to do, and tells what was done. A call without results is answered when there are tasks, or after
 * about a second; one with results at once, with or without tasks. Replies are numbered within an epoch: one that is
 * older than another already taken is not to be obeyed. */
#define MSG_tasks(F, R, L)                                                                                             \
    F(u32, server)                                                                                                     \
    F(u64, incarnation)                                                                                                \
    L(task_result, done, 1024)                                                                                         \
    F(u32, room_chunks) /* how much the server takes on at a time, in all, … */                                      \
    F(u64, room_bytes)                                                                                                 \
    F(u8, lost) /* … and 1: a reply was lost; what was given and is not done is to be given again */
#define MSG_tasks_reply(F, R, L)                                                                                       \
    F(u64, epoch)                                                                                                      \
    F(u64, number)                                                                                                     \
    L(task, tasks, 1024)

/* --- client to NameServer --- */

/* What this server sent of the chunk did not fit its checksums: it is to look at its copy. */
#define MSG_chunk_suspect(F, R, L)                                                                                     \
    F(u64, chunk)                                                                                                      \
    F(u32, version)                                                                                                    \
    F(u32, server)
#define MSG_chunk_suspect_reply(F, R, L) F(u8, reserved)

#endif
