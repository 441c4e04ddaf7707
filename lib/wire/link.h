/* SPDX-License-Identifier: MIT */
/* One connection between two nodes, without its socket: frames in both directions, HELLO, and matching of replies to
 * requests with deadlines. Pure: bytes in, events and bytes out. The real network (lib/uv) and the simulated one drive
 * the same code.
 *
 *            connect                       HELLO sent              HELLO's answer fits
 *   caller  ---------> LINK_OPENING -------------------> LINK_GREETING -----------> LINK_READY ---> LINK_FAILED
 *   accepter ----------------------> LINK_GREETING (waits for HELLO, answers) ----> LINK_READY ---> LINK_FAILED
 *
 * Until READY a caller's requests wait in the link; an accepter takes nothing but HELLO. A broken stream, a foreign
 * cluster, a wrong major version or a missed HELLO deadline fails the link; all outstanding calls end with the error.
 *
 * Requests go from the caller to the accepter only; the caller's side answers a request of the peer with ENOTSUP. The
 * link itself answers PING, and requests of unknown type. */
#ifndef DFS_WIRE_LINK_H
#define DFS_WIRE_LINK_H

#include "base/list.h"
#include "wire/core.h"
#include "wire/frame.h"

/* Who we are; shared by all links of a node. A zero cluster id accepts any and, on a caller, adopts what it learns. */
struct link_self {
    uint64_t cluster_hi, cluster_lo;
    uint64_t node;
    uint8_t role; /* enum node_role */
    const char *software;
};

#define LINK_HELLO_DEADLINE (5 * NS_PER_SEC)
/* Requests a peer may have outstanding on one connection; reading pauses beyond either. */
#define LINK_MAX_REQUESTS 4096u
#define LINK_MAX_REQUEST_BYTES (16u * 1024 * 1024)
/* Unsent bytes queued towards a peer; reading its requests pauses beyond. */
#define LINK_MAX_OUT_BYTES (16u * 1024 * 1024)

enum link_state { LINK_OPENING, LINK_GREETING, LINK_READY, LINK_FAILED };

enum link_event_kind { LINK_NONE, LINK_REQUEST, LINK_REPLY, LINK_UP };

struct link_event {
    enum link_event_kind kind;
    int status;       /* LINK_REPLY: as EV_REPLY */
    uint64_t token;   /* LINK_REPLY */
    uint64_t request; /* LINK_REQUEST: for link_reply */
    struct msg msg;   /* LINK_REQUEST; LINK_REPLY with an answer (has_msg) */
    bool has_msg;
    struct frame frame; /* owns head and payload, which msg points into; link_event_drop frees */
};
void link_event_drop(struct link_event *ev);

struct link; /* allocated by link_new; about 300 bytes when idle */

/* accepter: the side that was connected to. */
struct link *link_new(const struct link_self *self, bool accepter, uint64_t now);
void link_free(struct link *l);

/* Receiving: where to read to, what was read. link_paused: do not read for now. */
bool link_paused(const struct link *l);
uint8_t *link_space(struct link *l, uint32_t *len);
void link_fed(struct link *l, uint32_t n);
/* The next event, decoded in the arena (reset by the caller between events). false: none for now, or failed. */
bool link_next(struct link *l, uint64_t now, struct arena *a, struct link_event *ev);

/* Sending. The frame's first FRAME_HEADER bytes are filled in here; references move into the link. */
void link_connected(struct link *l); /* the caller's socket is connected */
/* Exactly one LINK_REPLY follows, never before this returns. An empty frame (what fx_call leaves of a message that has no
 * encoding) is not sent: its reply says DFS_EIO. */
void link_call(struct link *l, uint16_t type, struct slice frame, struct payload payload, uint64_t token,
               uint64_t deadline);
/* A second answer, or one on a failed link, is dropped. */
void link_reply(struct link *l, uint64_t request, uint16_t type, struct slice frame, struct payload payload);
/* Up to max slices to write, in order; borrowed until link_sent. Returns how many. A link that failed because it refuses
 * the peer's HELLO still has its reason to say here: worth one attempt to write before closing. */
uint32_t link_out(struct link *l, struct slice *out, uint32_t max);
void link_sent(struct link *l, uint64_t n);
uint64_t link_out_bytes(const struct link *l);

/* Fails the link: the socket closed (DFS_ECONNLOST), could not connect (DFS_EUNREACH), … Outstanding calls end: those
 * that were never handed to link_out with DFS_EUNREACH, the others with err; link_next returns them. A ready link that
 * fails by itself, because what it received is wrong, ends them with DFS_ECONNLOST: their outcome is not known. */
void link_fail(struct link *l, int err);
/* Ends calls whose deadline has passed (DFS_ETIMEDOUT), and the link itself if HELLO is overdue. */
void link_expire(struct link *l, uint64_t now);
uint64_t link_deadline(const struct link *l); /* of the earliest of these; UINT64_MAX if none */
enum link_state link_state(const struct link *l);
const char *link_why(const struct link *l);      /* a failed link's reason in words, naming what was wrong */
bool link_mid_frame(const struct link *l);       /* bytes of an unfinished frame have arrived */
uint32_t link_outstanding(const struct link *l); /* our calls not yet answered */
/* What the peer said of itself, once READY. */
const struct msg_hello *link_peer(const struct link *l);

#endif
