/* SPDX-License-Identifier: MIT */
/* A part of table.h, which includes it: messages about names and what hangs on them, beyond making and finding them. */
#ifndef DFS_WIRE_TABLE_NAMES_H
#define DFS_WIRE_TABLE_NAMES_H

/* --- records --- */

/* What lies below a directory, itself not counted. A file with several names counts once, in the lowest-numbered of the
 * directories that name it. */
#define REC_totals(F, R, L)                                                                                            \
    F(u64, files)                                                                                                      \
    F(u64, directories)                                                                                                \
    F(u64, symlinks)                                                                                                   \
    F(u64, bytes) /* of files, one copy of each */

#define REC_usage_entry(F, R, L)                                                                                       \
    F(name, name)                                                                                                      \
    R(totals, totals)

#define REC_trashed(F, R, L)                                                                                           \
    F(u64, id)                                                                                                         \
    F(i64, removed_ns)                                                                                                 \
    F(u32, uid)   /* who removed it */                                                                                 \
    F(path, path) /* where it was; empty: its path was longer than a path may be */                                    \
    R(attr, attr)                                                                                                      \
    R(totals, totals) /* itself and what lies below it */

#define REC_trash_id(F, R, L) F(u64, id)

#define REC_xattr(F, R, L)                                                                                             \
    F(path, name)                                                                                                      \
    F(u32, size) /* of the value */

/* --- reads --- */

/* How much lies below a path, and below each directory in it: one page of those, behind the name `after`. */
#define MSG_usage(F, R, L)                                                                                             \
    F(u64, dir)                                                                                                        \
    F(path, path)                                                                                                      \
    F(path, after) /* next of the page before; empty for the first */                                                  \
    F(u32, limit)
#define MSG_usage_reply(F, R, L)                                                                                       \
    R(attr, attr)                                                                                                      \
    R(totals, totals) /* of a file: its own */                                                                         \
    L(usage_entry, entries, 4096)                                                                                      \
    F(path, next)                                                                                                      \
    F(u8, eof)

#define MSG_getxattr(F, R, L)                                                                                          \
    F(u64, dir)                                                                                                        \
    F(path, path)                                                                                                      \
    F(u32, flags)                                                                                                      \
    F(path, name)
#define MSG_getxattr_reply(F, R, L) F(blob, value)

#define MSG_listxattr(F, R, L)                                                                                         \
    F(u64, dir)                                                                                                        \
    F(path, path)                                                                                                      \
    F(u32, flags)
#define MSG_listxattr_reply(F, R, L) L(xattr, xattrs, 16384)

/* One page of the trash, oldest first. */
#define MSG_trash_list(F, R, L)                                                                                        \
    F(u64, after) /* id; 0 for the first */                                                                            \
    F(u32, limit)
#define MSG_trash_list_reply(F, R, L)                                                                                  \
    F(u64, keep_ms)                                                                                                    \
    L(trashed, entries, 4096)                                                                                          \
    F(u8, eof)

/* --- mutations --- */

/* Changes what is asked for and nothing else; ctime moves. On chown a file loses its setuid bit, and its setgid bit if
 * its group may execute it. */
#define MSG_setattr(F, R, L)                                                                                           \
    R(request_id, id)                                                                                                  \
    F(u64, dir)                                                                                                        \
    F(path, path)                                                                                                      \
    F(u32, flags) /* SETATTR_… */                                                                                      \
    F(u32, mode)                                                                                                       \
    F(u32, uid)                                                                                                        \
    F(u32, gid)                                                                                                        \
    F(i64, mtime_ns)                                                                                                   \
    F(u8, goal) /* of a file, or of what is made in a directory: 1 to 16 copies; 0: the default */                     \
    F(later, minor_1)                                                                                                  \
    F(i64, atime_ns)
#define MSG_setattr_reply(F, R, L) R(attr, attr)

/* One more name for a file or symlink, which is not followed. */
#define MSG_link(F, R, L)                                                                                              \
    R(request_id, id)                                                                                                  \
    F(u64, dir)                                                                                                        \
    F(path, path)                                                                                                      \
    F(u64, to_dir)                                                                                                     \
    F(path, to_path) /* the new name */
#define MSG_link_reply(F, R, L) R(attr, attr)

/* A special file: a place programs of one machine meet at, or a name of a device of theirs. */
#define MSG_mknod(F, R, L)                                                                                             \
    R(request_id, id)                                                                                                  \
    F(u64, dir)                                                                                                        \
    F(path, path)                                                                                                      \
    F(u8, type) /* enum inode_type: INODE_FIFO … */                                                                    \
    F(u32, mode)                                                                                                       \
    F(u32, uid)                                                                                                        \
    F(u32, gid)                                                                                                        \
    F(u64, device) /* its number, the attributes' size; 0 for what is none */                                          \
    F(later, minor_1)                                                                                                  \
    F(u32, umask) /* as that of open */
#define MSG_mknod_reply(F, R, L) R(attr, attr)

/* Extended attributes of files and directories. Names begin with "user." and have at most 255 bytes, a value at most
 * 65536, all of an inode at most 131072 together. Besides there are system.posix_acl_access and system.posix_acl_default,
 * with values as Linux has them: the mode's permission bits follow the first, and it them; what is made in a directory
 * inherits the second (meta/acl.c). */
#define MSG_setxattr(F, R, L)                                                                                          \
    R(request_id, id)                                                                                                  \
    F(u64, dir)                                                                                                        \
    F(path, path)                                                                                                      \
    F(u32, flags) /* XATTR_… */                                                                                        \
    F(path, name)                                                                                                      \
    F(blob, value)
#define MSG_setxattr_reply(F, R, L) F(u8, reserved)

#define MSG_removexattr(F, R, L)                                                                                       \
    R(request_id, id)                                                                                                  \
    F(u64, dir)                                                                                                        \
    F(path, path)                                                                                                      \
    F(u32, flags)                                                                                                      \
    F(path, name)
#define MSG_removexattr_reply(F, R, L) F(u8, reserved)

/* Takes a name away with all that lies below it, at once however much that is. What lost its last name waits in the
 * trash, or is reclaimed in the background. */
#define MSG_remove(F, R, L)                                                                                            \
    R(request_id, id)                                                                                                  \
    F(u64, dir)                                                                                                        \
    F(path, path)                                                                                                      \
    F(u32, flags) /* REMOVE_… */                                                                                       \
    F(u32, uid)
#define MSG_remove_reply(F, R, L)                                                                                      \
    F(u64, trash) /* its id there; 0: it is not in the trash */                                                        \
    R(totals, totals) /* what was removed; nothing if the file has other names */

/* Puts back what was removed, to where it was or to another path. */
#define MSG_trash_restore(F, R, L)                                                                                     \
    R(request_id, id)                                                                                                  \
    F(u64, trash)                                                                                                      \
    F(u64, dir)                                                                                                        \
    F(path, path) /* empty: where it was */
#define MSG_trash_restore_reply(F, R, L)                                                                               \
    R(attr, attr)                                                                                                      \
    F(path, path) /* where it is now */

/* What is named, or, with no list, all that is in the trash now, is given up. */
#define MSG_trash_empty(F, R, L)                                                                                       \
    R(request_id, id)                                                                                                  \
    L(trash_id, entries, 1024)
#define MSG_trash_empty_reply(F, R, L) R(totals, totals) /* what was given up */

#define MSG_trash_keep(F, R, L)                                                                                        \
    R(request_id, id)                                                                                                  \
    F(u64, keep_ms) /* how long the trash keeps things; 0: there is no trash */
#define MSG_trash_keep_reply(F, R, L) F(u8, reserved)

#endif
