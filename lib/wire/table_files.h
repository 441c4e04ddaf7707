/* SPDX-License-Identifier: MIT */
/* A part of table.h, which includes it: open files, their sizes, and locks on them. */
#ifndef DFS_WIRE_TABLE_FILES_H
#define DFS_WIRE_TABLE_FILES_H

/* Opens a file for its session. As long as a handle is open the file's content stays, whatever happens to its names. */
#define MSG_open(F, R, L)                                                                                              \
    R(request_id, id)                                                                                                  \
    F(u64, dir)                                                                                                        \
    F(path, path)                                                                                                      \
    F(u32, flags) /* OPEN_… */                                                                                         \
    F(u32, mode)  /* mode, uid, gid and goal are for OPEN_CREATE */                                                    \
    F(u32, uid)                                                                                                        \
    F(u32, gid)                                                                                                        \
    F(u8, goal)                                                                                                        \
    F(later, minor_1)                                                                                                  \
    F(u32, umask) /* what mode loses, unless the directory has a default ACL; 0: nothing (any more) */
#define MSG_open_reply(F, R, L)                                                                                        \
    F(u64, handle)                                                                                                     \
    R(attr, attr)                                                                                                      \
    F(later, minor_1)                                                                                                  \
    F(i64, dir_ns) /* the directory's times of change, if it has got this name just now; otherwise 0 */

/* Gives up a handle, with the locks taken through it. One that is closed already is no error. */
#define MSG_close(F, R, L)                                                                                             \
    R(request_id, id)                                                                                                  \
    F(u64, handle)
#define MSG_close_reply(F, R, L) F(u8, reserved)

/* Asks for, or goes on with, the delegation of a directory: until it is returned, or revoked (not before the time session_open
 * told is over), nobody else gets to make, remove or
 * list names there, or to be told that there is none (meta/delegation.c). With it come numbers for inodes, for `make`. */
#define MSG_delegate(F, R, L)                                                                                          \
    R(request_id, id)                                                                                                  \
    F(u64, dir)                                                                                                        \
    F(u32, inodes) /* how many numbers are wanted */
#define MSG_delegate_reply(F, R, L)                                                                                    \
    R(attr, attr)                                                                                                      \
    F(u64, first) /* these are the session's: first, first + 1, … */                                                   \
    F(u32, inodes)                                                                                                     \
    F(u8, kept)    /* 1: the session had it all the time since it asked for it before */
/* Gives a delegation back. One that is not the session's is no error. */
#define MSG_delegate_return(F, R, L)                                                                                   \
    R(request_id, id)                                                                                                  \
    F(u64, dir)
#define MSG_delegate_return_reply(F, R, L) F(u8, reserved)
/* Command of the leader: its holder was not heard in time. */
#define MSG_delegate_revoke(F, R, L)                                                                                   \
    F(u64, dir)                                                                                                        \
    F(u64, session)

/* A new file under a number its client got with a delegation, open for reading and writing, with all its content. EEXIST: the name
 * or the number is taken. */
#define MSG_make(F, R, L)                                                                                              \
    R(request_id, id)                                                                                                  \
    F(u64, dir)                                                                                                        \
    F(path, path)                                                                                                      \
    F(u64, ino)                                                                                                        \
    F(u32, mode)                                                                                                       \
    F(u32, uid)                                                                                                        \
    F(u32, gid)                                                                                                        \
    F(i64, mtime_ns) /* 0: now */                                                                                      \
    F(i64, atime_ns) /* 0: none of its own */                                                                          \
    F(u64, size)                                                                                                       \
    L(published, chunks, 16384)                                                                                        \
    F(later, minor_1)                                                                                                  \
    F(u32, umask) /* as that of open */
#define MSG_make_reply(F, R, L)                                                                                        \
    F(u64, handle)                                                                                                     \
    R(attr, attr)                                                                                                      \
    F(i64, dir_ns) /* the directory's times of change */

/* Bytes up to `size` were written through this handle: the file is at least so long from now on. */
#define MSG_extend(F, R, L)                                                                                            \
    R(request_id, id)                                                                                                  \
    F(u64, handle)                                                                                                     \
    F(u64, size)                                                                                                       \
    F(i64, mtime_ns)   /* 0: now */                                                                                    \
    F(u64, generation) /* of the file, as chunk_open said; if it is another by now the bytes are cut off again */
#define MSG_extend_reply(F, R, L) R(attr, attr)
/* Gives an empty file all its content at once, as publish does; EEXIST if it has any. */
#define MSG_fill(F, R, L)                                                                                              \
    R(request_id, id)                                                                                                  \
    F(u64, handle)                                                                                                     \
    F(i64, mtime_ns) /* 0: now */                                                                                      \
    F(u64, size)                                                                                                       \
    L(published, chunks, 16384)
#define MSG_fill_reply(F, R, L) R(attr, attr)

/* Makes a file exactly so long, by its handle, or (handle 0) by its path. What lies behind is gone for good: late writes and
 * extensions, of an older version or generation, do not bring it back. What is new reads as zeros. */
#define MSG_truncate(F, R, L)                                                                                          \
    R(request_id, id)                                                                                                  \
    F(u64, handle)                                                                                                     \
    F(u64, dir)                                                                                                        \
    F(path, path)                                                                                                      \
    F(u64, size)
#define MSG_truncate_reply(F, R, L) R(attr, attr)

/* Where to write the index-th chunk of an open file: made if there is none, opened if it is sealed. Whoever comes with the
 * version that failed it gets the next one, once the servers that are left agree on what is in the chunk (B11, B12). */
#define MSG_chunk_open(F, R, L)                                                                                        \
    F(u64, session)                                                                                                    \
    F(u64, handle)                                                                                                     \
    F(u32, index)                                                                                                      \
    F(u32, failed) /* version; 0: none */                                                                              \
    F(u64, was)    /* the chunk it was when this was asked before; 0: never */                                         \
    F(u64, full)   /* UINT32_MAX as index: the chunk the file ends in; and if that is this one, the next: it is full */
#define MSG_chunk_open_reply(F, R, L)                                                                                  \
    F(u64, chunk)                                                                                                      \
    F(u32, version)                                                                                                    \
    F(u32, chunk_size)                                                                                                 \
    L(replica, replicas, 16) /* the chain, head first */                                                               \
    F(u64, generation)       /* of the file */                                                                         \
    F(u8, cut)               /* enum chunk_cut, of the chunk it was; 0: it is there still, or never was */             \
    F(u32, index)                                                                                                      \
    F(u64, size)             /* of the file */

/* Commands of the leader: a chunk takes writes from now on in this version, on these servers (from: the version it was
 * sealed in; 0: it is new); or takes no more. What does not fit the chunk as it is came too late, and is skipped. */
#define MSG_chunk_begin(F, R, L)                                                                                       \
    F(u64, ino)                                                                                                        \
    F(u32, index)                                                                                                      \
    F(u64, chunk)                                                                                                      \
    F(u32, from)                                                                                                       \
    F(u32, version)                                                                                                    \
    L(server_id, servers, 16)
#define MSG_chunk_seal(F, R, L)                                                                                        \
    F(u64, ino)                                                                                                        \
    F(u64, chunk)                                                                                                      \
    F(u32, from)                                                                                                       \
    F(u32, version)                                                                                                    \
    F(u32, length) /* 0: nothing was ever written to it: it is a hole again */                                         \
    F(u32, crc)                                                                                                        \
    L(server_id, servers, 16)

/* Command of the leader: what this ended session had open for writing is in other versions now, so that its locks may pass
 * on (C19). */
#define MSG_session_fenced(F, R, L) F(u64, session)

/* Advisory locks belong to an owner within a session (a process, or an open file description), and to the handle they were
 * taken through. Space LOCK_FILE is flock's: one lock for the whole file; LOCK_RANGE is fcntl's. The two do not see each
 * other. A lock replaces what its owner had of the range. */
#define MSG_lock(F, R, L)                                                                                              \
    R(request_id, id)                                                                                                  \
    F(u64, handle)                                                                                                     \
    F(u64, owner)                                                                                                      \
    F(u8, space)  /* enum lock_space */                                                                                \
    F(u8, type)   /* enum lock_type */                                                                                 \
    F(u32, flags) /* LOCK_WAIT: queue for it instead of ELOCKED */                                                     \
    F(u64, start)                                                                                                      \
    F(u64, end) /* the last byte; UINT64_MAX: all there may ever be */
#define MSG_lock_reply(F, R, L) F(u64, ticket) /* 0: locked; otherwise lock_wait tells when it is */

/* Gives up what the owner has of the range, and what it waits for there. */
#define MSG_unlock(F, R, L)                                                                                            \
    R(request_id, id)                                                                                                  \
    F(u64, handle)                                                                                                     \
    F(u64, owner)                                                                                                      \
    F(u8, space)                                                                                                       \
    F(u64, start)                                                                                                      \
    F(u64, end)
#define MSG_unlock_reply(F, R, L) F(u8, reserved)

/* Gives up waiting. What is locked by then stays locked, and the answer says so. */
#define MSG_lock_cancel(F, R, L)                                                                                       \
    R(request_id, id)                                                                                                  \
    F(u64, ticket)
#define MSG_lock_cancel_reply(F, R, L) F(u8, waited) /* 1: it was still waited for */

/* Is there a lock that would keep this one out? */
#define MSG_lock_query(F, R, L)                                                                                        \
    F(u64, handle)                                                                                                     \
    F(u64, owner)                                                                                                      \
    F(u8, space)                                                                                                       \
    F(u8, type)                                                                                                        \
    F(u64, start)                                                                                                      \
    F(u64, end)
#define MSG_lock_query_reply(F, R, L)                                                                                  \
    F(u8, type) /* 0: none; otherwise of the first one there is */                                                     \
    F(u64, session)                                                                                                    \
    F(u64, owner)                                                                                                      \
    F(u64, start)                                                                                                      \
    F(u64, end)

/* Tells a client what it has looked up and is not so any more. Answered when there is something to tell, or after a while all
 * the same. Best effort: a client must not hold on to anything for longer than a second without it either. */
#define REC_invalidation(F, R, L)                                                                                      \
    F(u64, ino)                                                                                                        \
    F(path, name) /* an entry of this directory; empty: the inode's attributes or content */
#define MSG_watch(F, R, L)                                                                                             \
    F(u64, session)                                                                                                    \
    F(u64, watch)   /* as last told; 0 at first */                                                                     \
    F(u64, seen)    /* number of the last answer that came */                                                          \
    F(u32, wait_ms) /* answer by then */
#define MSG_watch_reply(F, R, L)                                                                                       \
    F(u64, watch)                                                                                                      \
    F(u64, number)                                                                                                     \
    F(u8, all) /* 1: whatever was looked up */                                                                         \
    L(invalidation, changes, 256)

/* Answered when the lock that this ticket stands for is held, or given up, or after a while all the same. */
#define MSG_lock_wait(F, R, L)                                                                                         \
    F(u64, session)                                                                                                    \
    F(u64, ticket)                                                                                                     \
    F(u32, wait_ms) /* answer by then; 0: as you see fit */
#define MSG_lock_wait_reply(F, R, L) F(u8, waiting) /* 1: not yet; ask again */

#endif
