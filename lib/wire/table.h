/* SPDX-License-Identifier: MIT */
/* The one table of messages. Struct, encoder, decoder, limits, debug printing and docs/PROTOCOL.md come from it.
 *
 * A record is a list of fields: F(kind, name) a scalar or a string; R(record, name) an embedded record;
 * L(record, name, max) an array of records. A record stands above those that use it.
 * A message is a record with a number. A request M is answered by M_reply or by `error`.
 *
 * Evolution: numbers and field order never change; new fields go to the end of a record, behind a mark F(later, minor_N)
 * that names the minor version they came with. A decoder skips what it does not know at the end of a record, and leaves
 * at zero what is missing from a mark on, so two adjacent releases understand each other. What changes the meaning of a
 * command of the log also needs a level of its own (group/level.c).
 *
 * Kinds: later (no bytes: see above), u8 u16 u32 u64 i64; name (1..255 bytes, no '/' or NUL), path (0..4096, no NUL), text (0..1024), addr (0..255),
 * token (0..512 opaque bytes), blob (0..1 MiB opaque bytes). All strings are bytes; names and paths need not be UTF-8.
 *
 * Times on the wire: *_ns since the epoch, *_ms durations. Ids: an inode or chunk id carries the number of the group
 * that made it in its top 16 bits (0 for now). */
#ifndef DFS_WIRE_TABLE_H
#define DFS_WIRE_TABLE_H

#include "wire/table_data.h"
#include "wire/table_files.h"
#include "wire/table_names.h"
#include "wire/table_peers.h"
#include "wire/table_repair.h"
#include "wire/table_rescue.h"
#include "wire/table_servers.h"

/* --- records inside messages --- */

/* uid, gid of a caller are trusted until keys exist */
#define REC_request_id(F, R, L)                                                                                        \
    F(u64, session) /* from session_open */                                                                            \
    F(u64, number)  /* rises by one per mutation of the session, from 1 */                                             \
    F(u64, seen)    /* results of all numbers below this may be forgotten */

#define REC_attr(F, R, L)                                                                                              \
    F(u64, ino)                                                                                                        \
    F(u64, generation) /* rises when the content is replaced */                                                        \
    F(u64, size) /* of a device: its number */                                                                         \
    F(i64, mtime_ns)                                                                                                   \
    F(i64, ctime_ns)                                                                                                   \
    F(u32, mode) /* permission bits only */                                                                            \
    F(u32, uid)                                                                                                        \
    F(u32, gid)                                                                                                        \
    F(u32, nlink)                                                                                                      \
    F(u32, chunks)                                                                                                     \
    F(u8, type)        /* enum inode_type */                                                                           \
    F(u8, goal)        /* in force */                                                                                  \
    F(u8, goal_chosen) /* 1: for this one, or for a directory it was made in; 0: it is the default */                  \
    F(later, minor_1)                                                                                                  \
    F(i64, atime_ns) /* as it was set; if it was not, the time of the last change of content */

#define REC_dirent(F, R, L)                                                                                            \
    F(name, name)                                                                                                      \
    R(attr, attr)

#define REC_replica(F, R, L)                                                                                           \
    F(u32, server)                                                                                                     \
    F(addr, addr)                                                                                                      \
    F(u8, rank) /* to read from: 0 any of these; 1 has much more to do than others; 2 was not heard lately */

#define REC_server_id(F, R, L) F(u32, id)

#define REC_chunk_loc(F, R, L)                                                                                         \
    F(u64, chunk)                                                                                                      \
    F(u32, index) /* position in the file; absent indexes are holes */                                                 \
    F(u32, version)                                                                                                    \
    F(u32, length)                                                                                                     \
    F(u32, crc)              /* CRC32C of the chunk's bytes */                                                         \
    L(replica, replicas, 16) /* the chain, head first */                                                               \
    F(token, grant)          /* what to show the StorageServer */                                                      \
    F(u8, open)              /* 1: it takes writes: length and crc are not known */

/* What a grant token holds; opaque to clients, and to be signed once keys exist. */
#define REC_grant_token(F, R, L)                                                                                       \
    F(u64, epoch)                                                                                                      \
    F(u64, chunk)                                                                                                      \
    F(u32, version)                                                                                                    \
    F(u8, goal)                                                                                                        \
    F(i64, expires_ns)                                                                                                 \
    L(server_id, servers, 16)                                                                                          \
    F(token, signature)

#define REC_granted(F, R, L)                                                                                           \
    F(u64, chunk)                                                                                                      \
    F(u32, version)                                                                                                    \
    L(replica, replicas, 16)                                                                                           \
    F(token, grant)

#define REC_published(F, R, L)                                                                                         \
    F(u32, index)                                                                                                      \
    F(u32, length)                                                                                                     \
    F(u32, crc)                                                                                                        \
    F(token, grant)

#define REC_chunk_id(F, R, L)                                                                                          \
    F(u64, chunk)                                                                                                      \
    F(u32, version)

#define REC_piece(F, R, L)                                                                                             \
    F(u32, offset) /* in the chunk; a multiple of 4096 except where a record of the store starts */                    \
    F(u32, length)

#define REC_disk_info(F, R, L)                                                                                         \
    F(u8, failed)                                                                                                      \
    F(u64, capacity)                                                                                                   \
    F(u64, used)                                                                                                       \
    F(u32, read_errors) /* since the server started, as all that follows */                                            \
    F(u32, write_errors)                                                                                               \
    F(u32, damaged)      /* chunks found damaged */                                                                    \
    F(u64, scrubbed)     /* bytes */                                                                                   \
    F(u32, scrub_passes) /* completed */

#define REC_server_info(F, R, L)                                                                                       \
    F(u32, id)                                                                                                         \
    F(u64, uuid_hi)                                                                                                    \
    F(u64, uuid_lo)                                                                                                    \
    F(addr, addr)                                                                                                      \
    F(text, domain)                                                                                                    \
    F(u8, state) /* enum server_state */                                                                               \
    F(u64, capacity)                                                                                                   \
    F(u64, used)                                                                                                       \
    F(u64, chunks)                                                                                                     \
    L(disk_info, disks, 32)

#define REC_nm_info(F, R, L)                                                                                           \
    F(u32, id)                                                                                                         \
    F(addr, addr)                                                                                                      \
    F(u8, state) /* enum nm_state */

/* One command of the replicated log: a mutation as it came from the wire, or one of the 0x03xx commands. */
#define REC_command(F, R, L)                                                                                           \
    F(u16, type)                                                                                                       \
    F(blob, body)

/* One entry of the replicated log: every mutation of one turn of the loop. */
#define REC_batch(F, R, L)                                                                                             \
    F(u64, epoch) /* of the leader that submitted it; 0 in an open_epoch batch */                                      \
    F(i64, time_ns)                                                                                                    \
    L(command, commands, 65536)

/* Begins every message between NameServers: a stranger, a removed member, or one under another's id is refused. */
#define REC_peer(F, R, L)                                                                                              \
    F(u32, from) /* raft ids */                                                                                        \
    F(u32, to)                                                                                                         \
    F(u64, uuid_hi) /* the sender's, from its data folder */                                                           \
    F(u64, uuid_lo)                                                                                                    \
    F(addr, addr) /* the sender's */                                                                                   \
    F(later, minor_1)                                                                                                  \
    F(u32, level) /* the kinds of log entries its release knows (group/level.c) */

/* An entry of the log on its way to another member; its bytes are in the payload, one behind the other. */
#define REC_peer_entry(F, R, L)                                                                                        \
    F(u64, term)                                                                                                       \
    F(u8, type)                                                                                                        \
    F(u32, length)                                                                                                     \
    F(u32, crc) /* CRC32C of its bytes */

/* A copy that has come, one that is given up, or both. */
#define REC_chunk_move(F, R, L)                                                                                        \
    F(u64, chunk)                                                                                                      \
    F(u32, version)                                                                                                    \
    F(u32, add) /* server; 0: none */                                                                                  \
    F(u32, remove)

#define REC_session(F, R, L)                                                                                           \
    F(u64, id)                                                                                                         \
    F(i64, idle_since_ns) /* expires only if still idle since then */

#define DFS_RECORDS(X)                                                                                                 \
    X(request_id)                                                                                                      \
    X(attr)                                                                                                            \
    X(dirent)                                                                                                          \
    X(replica)                                                                                                         \
    X(server_id)                                                                                                       \
    X(chunk_loc)                                                                                                       \
    X(grant_token)                                                                                                     \
    X(granted)                                                                                                         \
    X(published)                                                                                                       \
    X(chunk_id)                                                                                                        \
    X(piece)                                                                                                           \
    X(writer)                                                                                                          \
    X(held)                                                                                                            \
    X(task)                                                                                                            \
    X(task_result)                                                                                                     \
    X(disk_info)                                                                                                       \
    X(totals)                                                                                                          \
    X(usage_entry)                                                                                                     \
    X(trashed)                                                                                                         \
    X(trash_id)                                                                                                        \
    X(xattr)                                                                                                           \
    X(advice)                                                                                                          \
    X(fsck_entry)                                                                                                      \
    X(found)                                                                                                           \
    X(recovered)                                                                                                       \
    X(server_info)                                                                                                     \
    X(nm_info)                                                                                                         \
    X(session)                                                                                                         \
    X(invalidation)                                                                                                    \
    X(chunk_move)                                                                                                      \
    X(command)                                                                                                         \
    X(batch)                                                                                                           \
    X(peer)                                                                                                            \
    X(peer_entry)

/* --- connection --- */

#define MSG_hello(F, R, L)                                                                                             \
    F(u16, minor)                                                                                                      \
    F(u64, features)   /* bits; none defined yet */                                                                    \
    F(u64, cluster_hi) /* 0: not known yet */                                                                          \
    F(u64, cluster_lo)                                                                                                 \
    F(u8, role)       /* enum node_role */                                                                             \
    F(u64, node)      /* server id, NameServer id, or a client's random number */                                      \
    F(text, software) /* "dfs 0.1.0" */
#define MSG_hello_reply(F, R, L) MSG_hello(F, R, L)

#define MSG_ping(F, R, L) F(u64, nonce)
#define MSG_ping_reply(F, R, L) F(u64, nonce)

/* The answer to any request that failed. */
#define MSG_error(F, R, L)                                                                                             \
    F(u16, code) /* include/dfs/error.h */                                                                             \
    F(text, text)                                                                                                      \
    F(addr, leader) /* with ENOTLEADER, where known */

/* --- client to NameServer: reads --- */

/* dir is where path starts; 1 is the root. An empty path is dir itself. */
#define MSG_lookup(F, R, L)                                                                                            \
    F(u64, dir)                                                                                                        \
    F(path, path)                                                                                                      \
    F(u32, flags)   /* LOOKUP_NOFOLLOW: a final symlink is not followed */                                             \
    F(u64, session) /* that watches what comes of it; 0: none */
#define MSG_lookup_reply(F, R, L)                                                                                      \
    R(attr, attr)                                                                                                      \
    F(path, target) /* of a symlink */

#define MSG_readdir(F, R, L)                                                                                           \
    F(u64, dir)                                                                                                        \
    F(path, path)                                                                                                      \
    F(path, after) /* the last name of the page before; empty for the first */                                         \
    F(u32, limit)                                                                                                      \
    F(u8, attrs)    /* 1: with attributes */                                                                           \
    F(u64, session) /* as in lookup */
#define MSG_readdir_reply(F, R, L)                                                                                     \
    R(attr, dir)                                                                                                       \
    L(dirent, entries, 4096) /* in bytewise order of name */                                                           \
    F(u8, eof)

#define MSG_locate(F, R, L)                                                                                            \
    F(u64, dir)                                                                                                        \
    F(path, path)                                                                                                      \
    F(u64, generation) /* 0, or EREPLACED unless the content is still this */                                          \
    F(u32, first)      /* chunk index */                                                                               \
    F(u32, limit)                                                                                                      \
    F(u64, handle) /* 0, or EBADF unless it is still open */
#define MSG_locate_reply(F, R, L)                                                                                      \
    R(attr, attr)                                                                                                      \
    F(u32, chunk_size)                                                                                                 \
    L(chunk_loc, chunks, 4096)                                                                                         \
    F(u8, eof)

#define MSG_statfs(F, R, L) F(u8, reserved)
#define MSG_statfs_reply(F, R, L)                                                                                      \
    F(u64, capacity)                                                                                                   \
    F(u64, used)                                                                                                       \
    F(u64, files)                                                                                                      \
    F(u64, directories)                                                                                                \
    F(u64, chunks)                                                                                                     \
    R(totals, trash)      /* restorable, or about to be given up */                                                    \
    R(totals, reclaiming) /* removed for good, its space not yet given back; bytes of what was replaced as well */

#define MSG_status(F, R, L) F(u8, reserved)
#define MSG_status_reply(F, R, L)                                                                                      \
    F(u64, cluster_hi)                                                                                                 \
    F(u64, cluster_lo)                                                                                                 \
    F(u32, leader)                                                                                                     \
    F(u64, term)                                                                                                       \
    F(u64, epoch)                                                                                                      \
    F(u64, log_first)                                                                                                  \
    F(u64, log_last)                                                                                                   \
    F(u64, snapshot)                                                                                                   \
    F(u64, sessions)                                                                                                   \
    F(u64, files)                                                                                                      \
    F(u64, directories)                                                                                                \
    F(u64, symlinks)                                                                                                   \
    F(u64, chunks)                                                                                                     \
    F(u64, bytes)                                                                                                      \
    F(u8, goal) /* default goal in force */                                                                            \
    L(nm_info, nameservers, 16)                                                                                        \
    L(server_info, servers, 4096)                                                                                      \
    R(totals, trash)                                                                                                   \
    R(totals, reclaiming)                                                                                              \
    F(u64, reads_per_s) /* over the last seconds */                                                                    \
    F(u64, mutations_per_s)                                                                                            \
    F(u8, quarantine)   /* 1: unknown chunks of an earlier time are kept (B16) */                                      \
    F(u64, quarantined) /* copies of such, as far as reported */

/* Chunks to write to. Not logged: ids come from the epoch's reserve, placement travels in the token. */
#define MSG_grant(F, R, L)                                                                                             \
    F(u64, session)                                                                                                    \
    F(u8, goal) /* 0: the default */                                                                                   \
    F(u32, count)                                                                                                      \
    L(server_id, avoid, 16) /* servers that just failed the caller */
#define MSG_grant_reply(F, R, L)                                                                                       \
    F(u64, epoch)                                                                                                      \
    F(u32, lifetime_ms)                                                                                                \
    F(u32, chunk_size)                                                                                                 \
    L(granted, chunks, 64)

/* A put that takes longer than a grant lives asks, in time and again, that its grants stay good (B15): until a lifetime
 * after this the horizon does not pass `oldest`, nor, for the same reason, anything granted later. */
#define MSG_hold(F, R, L)                                                                                              \
    F(u64, session)                                                                                                    \
    F(u64, oldest) /* chunk id: the lowest the session has written to and not published */
#define MSG_hold_reply(F, R, L) F(u32, lifetime_ms)

/* --- client to NameServer: mutations (all begin with a request_id; all are logged) --- */

#define MSG_session_open(F, R, L)                                                                                      \
    F(u64, nonce) /* random; the same nonce again gives the same session */                                            \
    F(text, who)  /* for humans: host and program */
#define MSG_session_open_reply(F, R, L)                                                                                \
    F(u64, session)                                                                                                    \
    F(u32, ttl_ms) /* without a request for so long it expires */                                                      \
    F(u32, lock_ttl_ms) /* while it has locks, without one for so long */                                              \
    F(later, minor_1)                                                                                                  \
    F(u32, delegation_ttl_ms) /* a delegation is its own for so long from when it was asked for; 0: there are none */

#define MSG_session_close(F, R, L) R(request_id, id)
#define MSG_session_close_reply(F, R, L) F(u8, reserved)

#define MSG_mkdir(F, R, L)                                                                                             \
    R(request_id, id)                                                                                                  \
    F(u64, dir)                                                                                                        \
    F(path, path)                                                                                                      \
    F(u32, mode)                                                                                                       \
    F(u32, uid)                                                                                                        \
    F(u32, gid)                                                                                                        \
    F(u32, flags) /* MKDIR_PARENTS: as mkdir -p */                                                                     \
    F(later, minor_1)                                                                                                  \
    F(u32, umask) /* as that of open */
#define MSG_mkdir_reply(F, R, L) R(attr, attr)

/* An empty file. */
#define MSG_create(F, R, L)                                                                                            \
    R(request_id, id)                                                                                                  \
    F(u64, dir)                                                                                                        \
    F(path, path)                                                                                                      \
    F(u32, mode)                                                                                                       \
    F(u32, uid)                                                                                                        \
    F(u32, gid)                                                                                                        \
    F(u8, goal)   /* 0: the default */                                                                                 \
    F(u32, flags) /* CREATE_EXCL */                                                                                    \
    F(later, minor_1)                                                                                                  \
    F(u32, umask) /* as that of open */
#define MSG_create_reply(F, R, L) R(attr, attr)

#define MSG_symlink(F, R, L)                                                                                           \
    R(request_id, id)                                                                                                  \
    F(u64, dir)                                                                                                        \
    F(path, path)                                                                                                      \
    F(path, target)                                                                                                    \
    F(u32, uid)                                                                                                        \
    F(u32, gid)
#define MSG_symlink_reply(F, R, L) R(attr, attr)

#define MSG_unlink(F, R, L)                                                                                            \
    R(request_id, id)                                                                                                  \
    F(u64, dir)                                                                                                        \
    F(path, path)
#define MSG_unlink_reply(F, R, L)                                                                                      \
    F(u8, reserved)                                                                                                    \
    F(later, minor_1)                                                                                                  \
    F(i64, dir_ns) /* the directory's times of change */

#define MSG_rmdir(F, R, L)                                                                                             \
    R(request_id, id)                                                                                                  \
    F(u64, dir)                                                                                                        \
    F(path, path)
#define MSG_rmdir_reply(F, R, L) F(u8, reserved)

#define MSG_rename(F, R, L)                                                                                            \
    R(request_id, id)                                                                                                  \
    F(u64, dir)                                                                                                        \
    F(path, path)                                                                                                      \
    F(u64, to_dir)                                                                                                     \
    F(path, to_path)                                                                                                   \
    F(u32, flags) /* RENAME_EXCL: fail if the target exists; RENAME_SWAP: the two change places */
#define MSG_rename_reply(F, R, L) F(u8, reserved)

/* Makes a whole file appear, or replaces the content of one (G5). */
#define MSG_publish(F, R, L)                                                                                           \
    R(request_id, id)                                                                                                  \
    F(u64, dir)                                                                                                        \
    F(path, path)                                                                                                      \
    F(u32, mode)                                                                                                       \
    F(u32, uid)                                                                                                        \
    F(u32, gid)                                                                                                        \
    F(u8, goal)                                                                                                        \
    F(i64, mtime_ns) /* 0: now */                                                                                      \
    F(u64, size)                                                                                                       \
    F(u32, flags) /* CREATE_EXCL */                                                                                    \
    L(published, chunks, 16384)
#define MSG_publish_reply(F, R, L) R(attr, attr)

/* --- StorageServer to NameServer --- */

#define MSG_ss_register(F, R, L)                                                                                       \
    F(u64, uuid_hi) /* made once per server, kept in its data folder */                                                \
    F(u64, uuid_lo)                                                                                                    \
    F(u64, incarnation) /* random per start */                                                                         \
    F(addr, addr)                                                                                                      \
    F(text, domain)                                                                                                    \
    F(u64, capacity)
#define MSG_ss_register_reply(F, R, L)                                                                                 \
    F(u32, server)                                                                                                     \
    F(u64, epoch)                                                                                                      \
    F(u64, cluster_hi)                                                                                                 \
    F(u64, cluster_lo)                                                                                                 \
    F(u32, heartbeat_ms)                                                                                               \
    F(u32, lease_ms)

#define MSG_heartbeat(F, R, L)                                                                                         \
    F(u32, server)                                                                                                     \
    F(u64, incarnation)                                                                                                \
    F(u64, capacity)                                                                                                   \
    F(u64, used)                                                                                                       \
    F(u64, chunks)                                                                                                     \
    F(u32, load) /* requests in flight */                                                                              \
    F(u8, disks_failed)                                                                                                \
    L(disk_info, disks, 32)                                                                                            \
    L(chunk_id, damaged, 256)   /* found since the last heartbeat that was answered */                                 \
    L(chunk_id, unsettled, 256) /* those that wait for their next version, as long as they do */
#define MSG_heartbeat_reply(F, R, L)                                                                                   \
    F(u64, epoch)                                                                                                      \
    F(u32, lease_ms)                                                                                                   \
    L(chunk_id, remove, 1024) /* deletion orders: this chunk, versions up to this */                                   \
    F(u8, report)             /* 1: report what you hold now */                                                        \
    F(u64, inventory)         /* 0, or the number of an inventory that is wanted, … */                               \
    F(u64, inventory_below)   /* … of the chunks with ids below this */

/* --- commands only the leader writes, found in the log and never on a connection --- */

#define MSG_open_epoch(F, R, L)                                                                                        \
    F(u64, cluster_hi)                                                                                                 \
    F(u64, cluster_lo)                                                                                                 \
    F(u32, leader)                                                                                                     \
    F(addr, addr)                                                                                                      \
    F(u64, uuid_hi)                                                                                                    \
    F(u64, uuid_lo)                                                                                                    \
    F(later, minor_1)                                                                                                  \
    F(u32, level)             /* of the leader's release */
#define MSG_nm_level(F, R, L) /* a member's release knows other kinds of entries than it said before */                \
    F(u32, id)                                                                                                         \
    F(u32, level)
#define MSG_reserve(F, R, L) F(u64, chunks_below) /* chunk serials below this may be granted in this epoch */
#define MSG_horizon(F, R, L) F(u64, chunks_below) /* unpublished grants below this are dead (B15) */
#define MSG_server_state(F, R, L)                                                                                      \
    F(u32, server)                                                                                                     \
    F(u8, state)                                                                                                       \
    F(u64, capacity)                                                                                                   \
    F(u64, used)
/* Where chunks are from now on. A move that does not fit what its chunk is by then (another version, a server that has it
 * already or not at all, the last one) is left out. */
#define MSG_chunk_servers(F, R, L) L(chunk_move, moves, 1024)
#define MSG_reap(F, R, L)                                                                                              \
    F(i64, before_ns) /* forget chunks removed before this: their reader grace is over (C17) */                        \
    F(u32, limit)
/* What the trash kept long enough, or was told to give up, leaves it; then up to limit inodes that nobody can reach any
 * more are freed. */
#define MSG_reclaim(F, R, L)                                                                                           \
    F(i64, trash_before_ns)                                                                                            \
    F(u32, limit)
#define MSG_expire(F, R, L) L(session, sessions, 1024)

/* X(name, number, class): the class says who may send it and what the NameServer does with it. */
#define DFS_MESSAGES(X)                                                                                                \
    X(hello, 0x0001, LINK)                                                                                             \
    X(ping, 0x0002, LINK)                                                                                              \
    X(process, 0x0003, LINK)                                                                                           \
    X(session_open, 0x0101, MUTATION)                                                                                  \
    X(session_close, 0x0102, MUTATION)                                                                                 \
    X(lookup, 0x0110, READ)                                                                                            \
    X(readdir, 0x0111, READ)                                                                                           \
    X(locate, 0x0112, READ)                                                                                            \
    X(statfs, 0x0113, READ)                                                                                            \
    X(status, 0x0114, READ)                                                                                            \
    X(usage, 0x0115, READ)                                                                                             \
    X(trash_list, 0x0116, READ)                                                                                        \
    X(getxattr, 0x0117, READ)                                                                                          \
    X(listxattr, 0x011a, READ)                                                                                         \
    X(health, 0x011b, READ)                                                                                            \
    X(fsck, 0x011c, READ)                                                                                              \
    X(rebalance, 0x011d, LEADER)                                                                                       \
    X(give_up, 0x011e, LEADER)                                                                                         \
    X(grant, 0x0118, LEADER)                                                                                           \
    X(hold, 0x0119, LEADER)                                                                                            \
    X(mkdir, 0x0120, MUTATION)                                                                                         \
    X(create, 0x0121, MUTATION)                                                                                        \
    X(symlink, 0x0122, MUTATION)                                                                                       \
    X(unlink, 0x0123, MUTATION)                                                                                        \
    X(rmdir, 0x0124, MUTATION)                                                                                         \
    X(rename, 0x0125, MUTATION)                                                                                        \
    X(publish, 0x0126, MUTATION)                                                                                       \
    X(setattr, 0x0127, MUTATION)                                                                                       \
    X(link, 0x0128, MUTATION)                                                                                          \
    X(remove, 0x0129, MUTATION)                                                                                        \
    X(trash_restore, 0x012a, MUTATION)                                                                                 \
    X(trash_empty, 0x012b, MUTATION)                                                                                   \
    X(trash_keep, 0x012c, MUTATION)                                                                                    \
    X(setxattr, 0x012d, MUTATION)                                                                                      \
    X(removexattr, 0x012e, MUTATION)                                                                                   \
    X(mknod, 0x012f, MUTATION)                                                                                         \
    X(open, 0x0140, MUTATION)                                                                                          \
    X(close, 0x0141, MUTATION)                                                                                         \
    X(extend, 0x0142, MUTATION)                                                                                        \
    X(lock, 0x0143, MUTATION)                                                                                          \
    X(unlock, 0x0144, MUTATION)                                                                                        \
    X(lock_query, 0x0145, READ)                                                                                        \
    X(truncate, 0x0148, MUTATION)                                                                                      \
    X(fill, 0x014c, MUTATION)                                                                                          \
    X(delegate, 0x014d, MUTATION)                                                                                      \
    X(delegate_return, 0x014e, MUTATION)                                                                               \
    X(make, 0x014f, MUTATION)                                                                                          \
    X(lock_wait, 0x0146, LEADER)                                                                                       \
    X(server_set, 0x0130, MUTATION)                                                                                    \
    X(chunk_open, 0x0147, LEADER)                                                                                      \
    X(lock_cancel, 0x0150, MUTATION)                                                                                   \
    X(watch, 0x0151, LEADER)                                                                                           \
    X(ss_register, 0x0201, MUTATION)                                                                                   \
    X(heartbeat, 0x0202, LEADER)                                                                                       \
    X(report, 0x0203, LEADER)                                                                                          \
    X(tasks, 0x0204, LEADER)                                                                                           \
    X(chunk_suspect, 0x0205, LEADER)                                                                                   \
    X(inventory, 0x0206, LEADER)                                                                                       \
    X(nm_join, 0x0501, MUTATION)                                                                                       \
    X(nm_remove, 0x0502, MUTATION)                                                                                     \
    X(nm_transfer, 0x0503, LEADER)                                                                                     \
    X(peer_vote, 0x0510, PEER)                                                                                         \
    X(peer_vote_result, 0x0511, PEER)                                                                                  \
    X(peer_append, 0x0512, PEER)                                                                                       \
    X(peer_append_result, 0x0513, PEER)                                                                                \
    X(peer_snapshot, 0x0514, PEER)                                                                                     \
    X(peer_timeout, 0x0515, PEER)                                                                                      \
    X(snapshot_fetch, 0x0516, PEER)                                                                                    \
    X(nm_backup, 0x0520, LEADER)                                                                                       \
    X(recover, 0x0522, LEADER)                                                                                         \
    X(quarantine_drop, 0x0521, MUTATION)                                                                               \
    X(chunk_write, 0x0401, DATA)                                                                                       \
    X(chunk_read, 0x0402, DATA)

/* X(name, number): messages without a reply of their own. */
#define DFS_COMMANDS(X)                                                                                                \
    X(open_epoch, 0x0301)                                                                                              \
    X(reserve, 0x0302)                                                                                                 \
    X(horizon, 0x0303)                                                                                                 \
    X(server_state, 0x0304)                                                                                            \
    X(reap, 0x0305)                                                                                                    \
    X(expire, 0x0306)                                                                                                  \
    X(chunk_servers, 0x0307)                                                                                           \
    X(reclaim, 0x0310)                                                                                                 \
    X(chunk_begin, 0x0311)                                                                                             \
    X(chunk_seal, 0x0312)                                                                                              \
    X(session_fenced, 0x0318)                                                                                          \
    X(delegate_revoke, 0x0319)                                                                                         \
    X(nm_level, 0x0320)                                                                                                \
    X(recover_file, 0x0330)

#define MSG_TYPE_ERROR 0x8000
#define MSG_REPLY_BIT 0x8000

#endif
