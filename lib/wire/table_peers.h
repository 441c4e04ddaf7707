/* SPDX-License-Identifier: MIT */
/* A part of table.h, which includes it: messages between NameServers, and those that change which there are. */
#ifndef DFS_WIRE_TABLE_PEERS_H
#define DFS_WIRE_TABLE_PEERS_H

/* Joins a cluster: the state machine gives the uuid an id; the leader adds it to the configuration, first without a vote,
 * and with one when it has caught up. The same uuid again gives the same id. */
#define MSG_nm_join(F, R, L)                                                                                           \
    F(u64, uuid_hi)                                                                                                    \
    F(u64, uuid_lo)                                                                                                    \
    F(addr, addr)                                                                                                      \
    F(later, minor_1)                                                                                                  \
    F(u32, level) /* the kinds of log entries its release knows; refused if the cluster uses more */
#define MSG_nm_join_reply(F, R, L)                                                                                     \
    F(u32, id)                                                                                                         \
    F(u64, cluster_hi)                                                                                                 \
    F(u64, cluster_lo)

/* Takes a NameServer out of the cluster for good: its id is never given again. One that is out already is no error. */
#define MSG_nm_remove(F, R, L) F(u32, id)
#define MSG_nm_remove_reply(F, R, L) F(u8, reserved)

/* Hands leadership to this member; 0: to the one that is furthest. Answered when it is on its way. */
#define MSG_nm_transfer(F, R, L) F(u32, id)
#define MSG_nm_transfer_reply(F, R, L) F(u8, reserved)

/* Raft's messages (Ongaro's thesis, figure 3.1). Each is answered at once by an empty reply, which says only that it
 * arrived; raft's own answers are messages of their own. */
#define MSG_peer_vote(F, R, L)                                                                                         \
    R(peer, peer)                                                                                                      \
    F(u64, term)                                                                                                       \
    F(u64, last_index) /* of the candidate's log */                                                                    \
    F(u64, last_term)                                                                                                  \
    F(u8, disrupt) /* 1: a transfer; vote even if there is a leader */                                                 \
    F(u8, pre)     /* 1: only asks whether an election would have a chance */
#define MSG_peer_vote_reply(F, R, L) F(u8, reserved)

#define MSG_peer_vote_result(F, R, L)                                                                                  \
    R(peer, peer)                                                                                                      \
    F(u64, term)                                                                                                       \
    F(u8, granted)                                                                                                     \
    F(u8, pre)
#define MSG_peer_vote_result_reply(F, R, L) F(u8, reserved)

#define MSG_peer_append(F, R, L)                                                                                       \
    R(peer, peer)                                                                                                      \
    F(u64, term)                                                                                                       \
    F(u64, previous_index) /* of the entry before these */                                                             \
    F(u64, previous_term)                                                                                              \
    F(u64, commit)                                                                                                     \
    L(peer_entry, entries, 64) /* none: a heartbeat */
#define MSG_peer_append_reply(F, R, L) F(u8, reserved)

#define MSG_peer_append_result(F, R, L)                                                                                \
    R(peer, peer)                                                                                                      \
    F(u64, term)                                                                                                       \
    F(u64, rejected) /* 0, or the previous_index that does not fit */                                                  \
    F(u64, last_index)
#define MSG_peer_append_result_reply(F, R, L) F(u8, reserved)

/* The receiver needs what is only in the leader's snapshot: it fetches that by snapshot_fetch. */
#define MSG_peer_snapshot(F, R, L)                                                                                     \
    R(peer, peer)                                                                                                      \
    F(u64, term)                                                                                                       \
    F(u64, last_index)                                                                                                 \
    F(u64, last_term)
#define MSG_peer_snapshot_reply(F, R, L) F(u8, reserved)

/* Take over: hold an election at once. */
#define MSG_peer_timeout(F, R, L)                                                                                      \
    R(peer, peer)                                                                                                      \
    F(u64, term)                                                                                                       \
    F(u64, last_index)                                                                                                 \
    F(u64, last_term)
#define MSG_peer_timeout_reply(F, R, L) F(u8, reserved)

#define MSG_snapshot_fetch(F, R, L)                                                                                    \
    R(peer, peer)                                                                                                      \
    F(u64, index)                                                                                                      \
    F(u64, term)                                                                                                       \
    F(u64, offset) /* in the snapshot's file */                                                                        \
    F(u32, length)
#define MSG_snapshot_fetch_reply(F, R, L)                                                                              \
    F(u8, eof)                                                                                                         \
    F(u32, crc) /* CRC32C of the bytes, which are the payload */

#endif
