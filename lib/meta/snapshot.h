/* SPDX-License-Identifier: MIT */
/* The saved state, version 1: a stream of little-endian fields, cut into blocks wherever a block is full.
 *
 *   block    u32 length (1..65536), u32 CRC32C, bytes; the CRC goes on from the block before, so that blocks cannot
 *            be swapped. A block of length 0 ends the stream; its CRC is that of the block before.
 *   stream   head, servers, members, inodes, names, trashed, sessions, handles, waits, removed
 *   head     u64 magic, u32 version, u32 chunk size, u64 index, epoch, cluster hi, lo, first grantable, reserved,
 *            horizon, next inode, next session, next generation, next removal, trash emptied below, i64 trash keep ns,
 *            u64 next handle, next ticket, quarantine below, u32 servers, members, next member, level, u64 inodes, names,
 *            trashed, sessions, removed, handles, waits
 *   server   u64 uuid hi, lo, incarnation, capacity, used, u8 state, up, text16 address, domain; in id order from 1
 *   member   u32 id, u64 uuid hi, lo, u32 level, text16 address; in id order
 *   inode    u64 id, u16 type << 12 | mode, u8 goal, flags, u32 uid, gid, i64 mtime, ctime, u64 generation; with the
 *            flag 1 (extended attributes) u32 length of all, { u8 length, name, u32 length, value }… in order of name; with
 *            the flag 2 i64 atime; then a file: u64 size, u32 chunks, chunk…; a symlink: text16 target; a directory: nothing. In id order; the
 *            roots come first: 1, 2 the trash, 3 what is being reclaimed.
 *   chunk    u64 id, u32 version, length, crc, index, u8 open, placement. Placements are numbered from 1 in the order in which
 *            they come first in the stream; there the number is followed by u8 goal, u8 servers, u16 server… in order.
 *   name     u64 directory, u64 inode, u8 length, bytes; in order of directory and name. Links, parents, counts and
 *            totals of directories follow from these.
 *   trashed  u64 number, i64 time, u32 uid, text16 path; in order of number, and of time
 *   session  u64 id, nonce, i64 active (INT64_MIN: it has ended, and its locks must not pass on yet), u64 floor, text16 who, u32 results,
 *            { u64 number, u16 type, u32 length, bytes }… in order; in id order
 *   handle   u64 id, session, inode, u32 flags, locks held, lock…; in id order
 *   wait     u64 ticket, handle, lock; in order of ticket
 *   lock     u64 owner, start, end, u8 space, type; those of a handle in order of space and start
 *   removed  i64 time, chunk; oldest first
 *   delegations  nothing if there are none; otherwise u32 how many, { u64 directory, session }… in order of directory
 *   text16   u16 length, bytes
 *
 * Nothing in it depends on how the state came to be: equal states give equal bytes. */
#ifndef DFS_META_SNAPSHOT_H
#define DFS_META_SNAPSHOT_H

#include "meta/state.h"

#define SNAPSHOT_MAGIC 0x314154454d534644ULL /* "DFSMETA1" */
#define SNAPSHOT_VERSION 1u
#define SNAPSHOT_BLOCK 65536u
#define SNAPSHOT_BLOCK_HEAD 8u

#endif
