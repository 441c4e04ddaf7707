/* SPDX-License-Identifier: MIT */
/* A part of table.h, which includes it: how many copies files have, on which servers, and what is wrong with them. */
#ifndef DFS_WIRE_TABLE_SERVERS_H
#define DFS_WIRE_TABLE_SERVERS_H

/* --- records --- */

#define REC_advice(F, R, L) F(text, text)

/* An entry of a directory that is a directory itself, or a file with something wrong. The numbers are of its chunks. */
#define REC_fsck_entry(F, R, L)                                                                                        \
    F(path, name) /* empty: the path asked about, a file */                                                            \
    F(u64, ino)                                                                                                        \
    F(u8, type) /* enum inode_type */                                                                                  \
    F(u8, goal)                                                                                                        \
    F(u64, size)                                                                                                       \
    F(u32, chunks)                                                                                                     \
    F(u32, missing)          /* no copy on a server that is up */                                                      \
    F(u32, corrupt)          /* all copies that are up are damaged */                                                  \
    F(u32, under_replicated) /* the missing and corrupt ones among them */                                             \
    F(u32, misplaced)        /* copies share a failure domain, though they need not */                                 \
    F(u32, over_replicated)                                                                                            \
    F(u32, waiting) /* written when the power failed, and a server that holds them is not back */

/* --- reads --- */

#define MSG_health(F, R, L) F(u8, reserved)
#define MSG_health_reply(F, R, L)                                                                                      \
    F(u8, status)            /* enum health_status */                                                                  \
    F(u64, under_replicated) /* chunks with fewer copies on servers that are up than their goal */                     \
    F(u64, endangered)       /* chunks with one copy left, of a goal of two or more */                                 \
    F(u64, missing)          /* chunks with no copy on a server that is up */                                          \
    F(u64, corrupt)          /* chunks of which all copies that are up are damaged */                                  \
    F(u64, repairing)        /* chunks being copied now */                                                             \
    F(i64, eta_seconds)      /* until all that can be repaired is; 0: nothing is to be done; -1: not known */          \
    F(u64, over_replicated)                                                                                            \
    F(u64, misplaced)     /* chunks whose copies share a failure domain, though they need not */                       \
    F(u64, draining)      /* chunks with a copy on a server that is being drained */                                   \
    F(u64, goal_too_high) /* chunks whose goal is more than there are servers that stay */                             \
    F(u8, rebalancing)                                                                                                 \
    L(advice, advice, 64)                                                                                              \
    F(u64, waiting) /* chunks written when the power failed, and a server that holds them is not back */               \
    F(u64, copied)  /* copies of chunks made since this NameServer leads, and their bytes */                           \
    F(u64, copied_bytes)

/* What is wrong with the files of one directory, itself not counted, and which directories it holds: one page behind the
 * name `after`. Of a file: itself. */
#define MSG_fsck(F, R, L)                                                                                              \
    F(u64, dir)                                                                                                        \
    F(path, path)                                                                                                      \
    F(path, after) /* next of the page before; empty for the first */                                                  \
    F(u32, limit)
#define MSG_fsck_reply(F, R, L)                                                                                        \
    R(attr, attr)                                                                                                      \
    L(fsck_entry, entries, 4096)                                                                                       \
    F(path, next)                                                                                                      \
    F(u8, eof)                                                                                                         \
    F(u32, files) /* looked at for this page */

/* What a server's process has used so far; any server says it of itself, whatever state its cluster is in. */
#define MSG_process(F, R, L) F(u8, reserved)
#define MSG_process_reply(F, R, L)                                                                                     \
    F(text, host)   /* with pid: what tells that two addresses are one process */                                      \
    F(u32, pid)     /* on that host */                                                                                 \
    F(u32, cores)   /* the host's */                                                                                   \
    F(u64, mono_us) /* the server's clock when it answered; only differences mean something */                         \
    F(u64, cpu_us)  /* user and system, its children's included */                                                     \
    F(u64, memory)  /* bytes resident */                                                                               \
    F(u64, memory_peak)

/* --- mutations --- */

/* A StorageServer is to be emptied, to stay after all, or to go for good. */
#define MSG_server_set(F, R, L)                                                                                        \
    R(request_id, id)                                                                                                  \
    F(u32, server)                                                                                                     \
    F(u8, action) /* enum server_action */
#define MSG_server_set_reply(F, R, L)                                                                                  \
    F(u8, state) /* enum server_state */                                                                               \
    F(u64, chunks)                                                                                                     \
    F(u64, bytes)                                                                                                      \
    F(u64, stuck) /* chunks on it that ask for more copies than the servers that stay can hold */                      \
    F(u8, goal)   /* default goal in force */

/* --- for the leader --- */

/* Evens out how full the servers are, further than happens by itself; again: nothing new. */
#define MSG_rebalance(F, R, L) F(u8, reserved)
#define MSG_rebalance_reply(F, R, L) F(u64, bytes) /* to be moved, about */

/* The chunks of this file that wait for a server go on without it; what only that server holds is lost. */
#define MSG_give_up(F, R, L) F(u64, ino)
#define MSG_give_up_reply(F, R, L) F(u32, chunks) /* that go on */

#endif
