/* SPDX-License-Identifier: MIT */
/* Raft's messages as requests between NameServers.
 *
 * The happy path: raft asks for a message -> it leaves (or waits for the vote to be durable) -> the other answers with an
 * empty reply and gives it to its raft, whose answer is a message of its own. Possible failures: too much is on its way
 * to that member, or the call fails: the message is lost, which raft is made for; its entries are not in memory any more:
 * they are read back from the log first. Several entries travel in one message, a configuration only as the first of one
 * (libraft 0.22.1 takes the index of the first entry for that of every configuration in a message). */
#include <stdio.h>
#include <stdlib.h>

#include "base/crc.h"
#include "base/log.h"
#include "group/group.h"
#include "wire/codec.h"

/* On its way to one member; beyond, messages with entries are dropped. */
#define QUEUE_BYTES_MAX (8u * 1024 * 1024)
#define CALL_TIMEOUT NS_PER_SEC
#define COUNT_MAX (1ULL << 62) /* of terms, of entries: those after a backup was restored begin at the seconds of the clock times 2^24 */
/* Without a word from a leader for so long, others hold an election. */
#define ELECTION_MAX (600 * NS_PER_MS)
#define ENTRIES_MAX 64u /* table.h */

struct peer *peer_find(struct nm *nm, uint32_t id)
{
    for (uint32_t i = 0; i < nm->n_peers; i++)
        if (nm->peers[i].id == id)
            return &nm->peers[i];
    return NULL;
}

/* Made if need be, in the place of one that is no member any more if there is no other. */
static struct peer *peer_get(struct nm *nm, uint32_t id, const char *addr)
{
    struct peer *p = peer_find(nm, id);

    for (uint32_t i = 0; p == NULL && nm->n_peers == PEERS_MAX && i < PEERS_MAX; i++)
        if (meta_member_by_id(nm->meta, nm->peers[i].id) == NULL && nm->peers[i].bytes == 0)
            *(p = &nm->peers[i]) = (struct peer){.id = id};
    if (p == NULL && nm->n_peers < PEERS_MAX)
        *(p = &nm->peers[nm->n_peers++]) = (struct peer){.id = id};
    if (p != NULL && addr != p->addr)
        snprintf(p->addr, sizeof p->addr, "%s", addr);
    return p;
}

struct wire_peer peer_self(const struct nm *nm, uint32_t to)
{
    return (struct wire_peer){.from = nm->id.raft_id,
                              .to = to,
                              .uuid_hi = nm->id.uuid_hi,
                              .uuid_lo = nm->id.uuid_lo,
                              .addr = str_of(nm->address),
                              .level = level_ours(nm)};
}

/* --- sending --- */

static void send(struct nm *nm, struct peer *p, const struct msg *m, struct payload *payload, struct effects *fx)
{
    uint32_t bytes = 256 + (payload != NULL ? payload_len(payload) : 0);

    if (p->bytes + bytes > QUEUE_BYTES_MAX) {
        if (payload != NULL)
            payload_drop(payload);
        return;
    }
    p->bytes += bytes;
    fx_call(nm->vote_writing ? &nm->held : fx, p->addr, m, payload, call_token(CALL_PEER, p->id, bytes), CALL_TIMEOUT);
}

/* How many of n entries from index on are there and go into one message; *bytes: what they hold. */
static uint32_t fits_one(const struct nm *nm, uint64_t index, uint32_t n, uint32_t *bytes)
{
    uint32_t i = 0;

    *bytes = 0;
    for (; i < n && i < ENTRIES_MAX; i++) {
        const struct entry *e = entries_find(nm, index + i);

        if (e == NULL || *bytes + e->len > WIRE_PAYLOAD_MAX || (i > 0 && e->type == RAFT_CHANGE))
            break;
        *bytes += e->len;
    }
    return i;
}

/* One entry goes as it is; several are copied into one buffer. */
static bool gather(const struct nm *nm, uint64_t index, uint32_t n, uint32_t bytes, struct wire_peer_entry *to,
                   struct payload *payload)
{
    const struct entry *first = n > 0 ? entries_find(nm, index) : NULL;
    struct buf *b = n > 1 ? buf_new(bytes) : NULL;
    uint32_t at = 0;

    *payload = (struct payload){0};
    if (n > 1 && b == NULL)
        return false;
    for (uint32_t i = 0; i < n; i++) {
        const struct entry *e = entries_find(nm, index + i);

        to[i] = (struct wire_peer_entry){e->term, e->type, e->len, crc32c(0, e->rec->data + LOG_RECORD_HEADER, e->len)};
        if (b != NULL)
            memcpy(b->data + at, e->rec->data + LOG_RECORD_HEADER, e->len);
        at += e->len;
    }
    if (b != NULL)
        *payload = payload_of(slice_take(b, 0, bytes));
    else if (first != NULL && first->len > 0)
        *payload = payload_of(slice_take(buf_ref(first->rec), LOG_RECORD_HEADER, first->len));
    return true;
}

/* Sends h->n entries, in as many messages as it takes. What is not in memory stays in h, and is read back. */
static void send_append(struct nm *nm, struct peer *p, struct held_append *h, struct effects *fx)
{
    do {
        struct wire_peer_entry entries[ENTRIES_MAX];
        struct msg m = {.type = MSG_TYPE_peer_append};
        struct payload payload;
        uint32_t bytes, n = fits_one(nm, h->previous_index + 1, h->n, &bytes);

        if (n == 0 && h->n > 0) {
            h->set = entries_read(nm, h->previous_index + 1, fx);
            return;
        }
        if (!gather(nm, h->previous_index + 1, n, bytes, entries, &payload))
            break;
        m.peer_append = (struct msg_peer_append){.peer = peer_self(nm, p->id),
                                                 .term = h->term,
                                                 .previous_index = h->previous_index,
                                                 .previous_term = h->previous_term,
                                                 .commit = h->commit,
                                                 .entries = entries,
                                                 .n_entries = n};
        send(nm, p, &m, &payload, fx);
        h->previous_index += n;
        h->previous_term = n > 0 ? entries[n - 1].term : h->previous_term;
        h->n -= n;
    } while (h->n > 0);
    h->set = false;
}

static void on_append(struct nm *nm, struct peer *p, const struct raft_append_entries *a, struct effects *fx)
{
    struct held_append h = {.term = a->term,
                            .previous_index = a->prev_log_index,
                            .previous_term = a->prev_log_term,
                            .commit = a->leader_commit,
                            .n = a->n_entries};

    if (h.n > 0 && p->held.set) {
        /* the earlier one is still being read: what comes behind it would only be refused */
        if (p->held.term == h.term && p->held.previous_index <= h.previous_index)
            return;
        p->held = h;
        p->held.set = true;
        return;
    }
    send_append(nm, p, &h, fx);
    if (h.set)
        p->held = h;
}

void peers_resume(struct nm *nm, bool good, struct effects *fx)
{
    for (uint32_t i = 0; i < nm->n_peers; i++) {
        struct peer *p = &nm->peers[i];

        if (!p->held.set)
            continue;
        p->held.set = false;
        if (good && p->held.term == raft_current_term(&nm->raft) && engine_is_leader(nm))
            send_append(nm, p, &p->held, fx);
    }
}

/* libraft 0.22.1 answers a pre-vote in the asker's own term, also when it refuses because that is too low. So one with the
 * newest log and a low term never learned of the higher one, which it must exceed, and nobody could be elected. */
static uint64_t vote_term(const struct nm *nm, const struct raft_request_vote_result *v)
{
    return v->pre_vote && !v->vote_granted ? max_u64(v->term, raft_current_term(&nm->raft)) : v->term;
}

static void send_one(struct nm *nm, const struct raft_message *r, struct effects *fx)
{
    struct peer *p = peer_get(nm, (uint32_t)r->server_id, r->server_address);
    struct msg m = {0};

    if (p == NULL)
        return;
    switch (r->type) {
    case RAFT_APPEND_ENTRIES:
        on_append(nm, p, &r->append_entries, fx);
        return;
    case RAFT_APPEND_ENTRIES_RESULT:
        m.type = MSG_TYPE_peer_append_result;
        m.peer_append_result = (struct msg_peer_append_result){.peer = peer_self(nm, p->id),
                                                               .term = r->append_entries_result.term,
                                                               .rejected = r->append_entries_result.rejected,
                                                               .last_index = r->append_entries_result.last_log_index};
        if (m.peer_append_result.rejected > 0) /* libraft may leave it unset: where a leader's term is over */
            m.peer_append_result.last_index = nm->raft.last_stored;
        break;
    case RAFT_REQUEST_VOTE:
        m.type = MSG_TYPE_peer_vote;
        m.peer_vote = (struct msg_peer_vote){.peer = peer_self(nm, p->id),
                                             .term = r->request_vote.term,
                                             .last_index = r->request_vote.last_log_index,
                                             .last_term = r->request_vote.last_log_term,
                                             .disrupt = r->request_vote.disrupt_leader,
                                             .pre = r->request_vote.pre_vote};
        break;
    case RAFT_REQUEST_VOTE_RESULT:
        m.type = MSG_TYPE_peer_vote_result;
        m.peer_vote_result = (struct msg_peer_vote_result){.peer = peer_self(nm, p->id),
                                                           .term = vote_term(nm, &r->request_vote_result),
                                                           .granted = r->request_vote_result.vote_granted,
                                                           .pre = r->request_vote_result.pre_vote};
        break;
    case RAFT_INSTALL_SNAPSHOT:
        m.type = MSG_TYPE_peer_snapshot;
        m.peer_snapshot = (struct msg_peer_snapshot){.peer = peer_self(nm, p->id),
                                                     .term = r->install_snapshot.term,
                                                     .last_index = r->install_snapshot.last_index,
                                                     .last_term = r->install_snapshot.last_term};
        break;
    case RAFT_TIMEOUT_NOW:
        m.type = MSG_TYPE_peer_timeout;
        m.peer_timeout = (struct msg_peer_timeout){.peer = peer_self(nm, p->id),
                                                   .term = r->timeout_now.term,
                                                   .last_index = r->timeout_now.last_log_index,
                                                   .last_term = r->timeout_now.last_log_term};
        break;
    default:
        return;
    }
    send(nm, p, &m, NULL, fx);
}

void peers_send(struct nm *nm, const struct raft_message *m, uint32_t n, struct effects *fx)
{
    for (uint32_t i = 0; i < n; i++)
        send_one(nm, &m[i], fx);
}

void peers_reply(struct nm *nm, const struct event *ev, struct effects *fx)
{
    struct peer *p = peer_find(nm, (uint32_t)(ev->token >> 32) & 0xffffff);

    if (p == NULL)
        return;
    p->bytes -= min_u64(p->bytes, (uint32_t)ev->token);
    if (ev->status == DFS_EIDENTITY && !p->refused)
        fx_log(fx, LOG_ERROR, "nm.refused", "by=%u addr=%s text=\"%.*s\"", p->id, p->addr,
               STR_ARG(ev->msg != NULL ? ev->msg->error.text : STR("")));
    p->refused = ev->status == DFS_EIDENTITY;
}

/* --- receiving --- */

/* 0, or why this is none of ours. A newcomer is known to those first who are not behind, so an id that was never given
 * out as far as we know is no stranger's; one that was, and is no member's, is a removed one's. */
static int check_sender(struct nm *nm, const struct wire_peer *w, const char **why)
{
    const struct meta_member *member = meta_member_by_id(nm->meta, w->from);
    bool configured = false;

    *why = "this message is for another NameServer";
    if (w->to != nm->id.raft_id || w->from == w->to || w->from == 0 || w->from > 0xffffff)
        return DFS_EIDENTITY;
    for (unsigned i = 0; i < nm->raft.configuration.n; i++)
        configured |= nm->raft.configuration.servers[i].id == w->from;
    *why = "this NameServer was removed from the cluster";
    if (member == NULL && !configured && w->from < meta_next_member(nm->meta))
        return DFS_EIDENTITY;
    *why = "another NameServer has this id";
    if (member != NULL && (member->uuid_hi != w->uuid_hi || member->uuid_lo != w->uuid_lo))
        return DFS_EIDENTITY;
    return 0;
}

/* Terms and indexes no cluster gets to. Raft counts on from what it hears, also over the end: a start in term 0 would follow. */
static bool counts_fine(const struct msg *m)
{
    const struct wire_desc *d = wire_desc_of(m->type);
    const struct wire_field *f = d->fields();

    for (uint32_t i = 0; i < d->n_fields; i++, f++)
        if (f->kind == WIRE_KIND_u64 && *(const uint64_t *)((const uint8_t *)msg_body(m) + f->offset) > COUNT_MAX)
            return false;
    return true;
}

static void receive(struct nm *nm, struct peer *p, struct raft_message *r, struct effects *fx)
{
    struct raft_event ev = {.type = RAFT_RECEIVE};

    r->server_id = p->id;
    r->server_address = p->addr;
    ev.receive.message = r;
    engine_step(nm, &ev, fx);
}

/* Whether raft can take these entries: it asserts where it should refuse. */
static bool append_fine(const struct nm *nm, const struct msg_peer_append *a, uint64_t payload)
{
    uint64_t term = a->previous_term, bytes = 0;

    if (a->term == 0 || (a->previous_index == 0) != (a->previous_term == 0) || a->previous_term > a->term ||
        (engine_is_leader(nm) && a->term == raft_current_term(&nm->raft)))
        return false;
    for (uint32_t i = 0; i < a->n_entries; i++) {
        const struct wire_peer_entry *e = &a->entries[i];

        if (e->term < term || e->term == 0 || e->term > a->term || e->type < RAFT_COMMAND || e->type > RAFT_CHANGE ||
            (e->type == RAFT_CHANGE && i > 0))
            return false;
        term = e->term;
        bytes += e->length;
    }
    return bytes == payload;
}

/* Copies the entries into records of their own; they go to the log as they are. */
static bool unpack(const struct event *ev, struct buf **recs, struct raft_entry *entries)
{
    const struct msg_peer_append *a = &ev->msg->peer_append;
    uint32_t at = 0;

    for (uint32_t i = 0; i < a->n_entries; i++) {
        uint32_t len = a->entries[i].length;

        recs[i] = raftlog_buf(len);
        if (recs[i] == NULL)
            return false;
        if (len > 0)
            payload_copy_out(ev->payload, at, recs[i]->data + LOG_RECORD_HEADER, len);
        at += len;
        entries[i] = (struct raft_entry){
            .term = a->entries[i].term, .type = a->entries[i].type, .buf = {recs[i]->data + LOG_RECORD_HEADER, len}};
        if (crc32c(0, recs[i]->data + LOG_RECORD_HEADER, len) != a->entries[i].crc)
            return false;
        if (a->entries[i].type == RAFT_CHANGE && !engine_configuration_fine(recs[i]->data + LOG_RECORD_HEADER, len))
            return false;
    }
    return true;
}

/* Raft's log begins behind a snapshot of ours, and libraft 0.22.1 takes what lies before for new, though it is only late. It
 * is committed, and so every leader's: the message is made to begin there. Returns how many of its entries are left out. */
static uint32_t behind_snapshot(const struct nm *nm, const struct msg_peer_append *a, struct raft_append_entries *r)
{
    const raft_index snapshot = nm->raft.trail.snapshot.index;
    uint32_t skip = 0;

    r->prev_log_index = a->previous_index;
    r->prev_log_term = a->previous_term;
    if (a->previous_index < snapshot) {
        skip = (uint32_t)min_u64(a->n_entries, snapshot - a->previous_index);
        r->prev_log_index = snapshot;
        r->prev_log_term = nm->raft.trail.snapshot.term;
    }
    r->n_entries = a->n_entries - skip;
    return skip;
}

static void take_append(struct nm *nm, struct peer *p, const struct event *ev, struct effects *fx)
{
    const struct msg_peer_append *a = &ev->msg->peer_append;
    struct raft_message r = {.type = RAFT_APPEND_ENTRIES};
    struct raft_entry entries[ENTRIES_MAX];
    struct buf *recs[ENTRIES_MAX] = {0};
    void *batch = NULL;
    r.append_entries = (struct raft_append_entries){.version = 2, .term = a->term, .leader_commit = a->commit};
    uint32_t skip = behind_snapshot(nm, a, &r.append_entries), n = a->n_entries - skip;

    if (n > 0 && !unpack(ev, recs, entries))
        fx_log(fx, LOG_WARN, "nm.entries_damaged", "peer=%s previous=%" PRIu64, ev->peer, a->previous_index);
    else if (n > 0)
        batch = raft_malloc(1); /* raft frees it, unless it has us persist entries of it */
    if (n == 0 || batch != NULL) {
        for (uint32_t i = 0; i < n; i++)
            entries[skip + i].batch = batch;
        nm->received = recs + skip;
        nm->received_first = r.append_entries.prev_log_index + 1;
        nm->n_received = n;
        nm->took_entries = false;
        r.append_entries.entries = entries + skip;
        receive(nm, p, &r, fx);
        nm->n_received = 0;
        nm->received = NULL;
        if (nm->took_entries)
            raft_free(batch);
    }
    for (uint32_t i = 0; i < a->n_entries; i++)
        buf_unref(recs[i]);
}

static void take_append_result(struct nm *nm, struct peer *p, const struct msg_peer_append_result *a,
                               struct effects *fx)
{
    struct raft_message r = {.type = RAFT_APPEND_ENTRIES_RESULT};
    raft_index match = 0;

    if (engine_is_leader(nm) && a->term == raft_current_term(&nm->raft) && a->rejected > 0 &&
        raft_match_index(&nm->raft, p->id, &match) == 0 && a->rejected <= match)
        return; /* what is known to match is not refused: a message from the past */
    r.append_entries_result = (struct raft_append_entries_result){
        .version = 2, .term = a->term, .rejected = a->rejected, .last_log_index = a->last_index};
    if (a->rejected > 0)
        r.append_entries_result.last_log_index = min_u64(max_u64(a->last_index, match), a->rejected - 1);
    receive(nm, p, &r, fx);
}

static struct raft_server *ourselves(struct nm *nm)
{
    for (unsigned i = 0; i < nm->raft.configuration.n; i++)
        if (nm->raft.configuration.servers[i].id == nm->id.raft_id)
            return &nm->raft.configuration.servers[i];
    return NULL;
}

/* Whether the leader we follow is gone, to all we know. One without a vote waits longer: it never doubts it itself. */
static bool leader_silent(struct nm *nm, const struct peer *candidate, int role)
{
    uint64_t limit = role == RAFT_VOTER ? nm->raft.election_timeout * NS_PER_MS : ELECTION_MAX;
    raft_id id = 0;
    const char *address = NULL;
    const struct peer *p;

    raft_leader(&nm->raft, &id, &address);
    p = peer_find(nm, (uint32_t)id);
    return nm->raft.state == RAFT_FOLLOWER && (id == candidate->id || p == NULL || nm->now.mono - p->heard > limit);
}

/* libraft 0.22.1 believes in a leader until its own timeout has passed, so that an election would take as long as the
 * longest of two; Raft asks for the shortest timeout there is since the leader's last word.
 * It grants no vote where its own configuration gives it none. But the change that made it a voter may not have reached it
 * yet: then the first of two voters could never be elected again. Granting is safe: a candidate counts those who are voters
 * to it. */
static void take_vote(struct nm *nm, struct peer *p, const struct msg_peer_vote *v, struct effects *fx)
{
    struct raft_message r = {.type = RAFT_REQUEST_VOTE};
    struct raft_server *self = ourselves(nm);
    int role = self != NULL ? self->role : RAFT_VOTER;

    r.request_vote = (struct raft_request_vote){.version = 2,
                                                .term = v->term,
                                                .candidate_id = p->id,
                                                .last_log_index = v->last_index,
                                                .last_log_term = v->last_term,
                                                .disrupt_leader = v->disrupt != 0 || leader_silent(nm, p, role),
                                                .pre_vote = v->pre != 0};
    if (self != NULL)
        self->role = RAFT_VOTER;
    receive(nm, p, &r, fx);
    self = ourselves(nm);
    if (self != NULL)
        self->role = role;
}

static void take_vote_result(struct nm *nm, struct peer *p, const struct msg_peer_vote_result *v, struct effects *fx)
{
    struct raft_message r = {.type = RAFT_REQUEST_VOTE_RESULT};

    /* raft looks at candidate state before it has looked whether it is a candidate */
    if (nm->raft.state != RAFT_CANDIDATE || (v->granted != 0 && v->term > raft_current_term(&nm->raft) + 1))
        return;
    r.request_vote_result = (struct raft_request_vote_result){
        .version = 2, .term = v->term, .vote_granted = v->granted != 0, .pre_vote = v->pre != 0};
    receive(nm, p, &r, fx);
}

static void take_timeout(struct nm *nm, struct peer *p, const struct msg_peer_timeout *t, struct effects *fx)
{
    struct raft_message r = {.type = RAFT_TIMEOUT_NOW};

    r.timeout_now = (struct raft_timeout_now){
        .version = 2, .term = t->term, .last_log_index = t->last_index, .last_log_term = t->last_term};
    receive(nm, p, &r, fx);
}

/* Every one of them begins with the sender. */
static const struct wire_peer *sender_of(const struct msg *m)
{
    return m->type == MSG_TYPE_snapshot_fetch ? &m->snapshot_fetch.peer : &m->peer_vote.peer;
}

void peers_request(struct nm *nm, const struct event *ev, struct effects *fx)
{
    const struct wire_peer *w = sender_of(ev->msg);
    struct msg reply = {.type = (uint16_t)(ev->msg->type | MSG_REPLY_BIT)};
    uint64_t payload = ev->payload != NULL ? payload_len(ev->payload) : 0;
    char addr[WIRE_ADDR_MAX + 1];
    const char *why;
    struct peer *p;
    int err = check_sender(nm, w, &why);

    if (err == 0 && ev->msg->type == MSG_TYPE_peer_append && !append_fine(nm, &ev->msg->peer_append, payload)) {
        err = DFS_EPROTO;
        why = "these entries make no sense here";
    }
    if (err == 0 && !counts_fine(ev->msg)) {
        err = DFS_EPROTO;
        why = "no cluster has a term or an index as high as this";
    }
    if (err != 0) {
        fx_log(fx, LOG_WARN, "nm.peer_refused", "peer=%s id=%u type=%s error=%s why=\"%s\"", ev->peer, w->from,
               wire_type_name(ev->msg->type), dfs_errname(err), why);
        fx_fail(fx, ev->to, err, "%s", why);
        return;
    }
    if (ev->msg->type == MSG_TYPE_snapshot_fetch) {
        install_serve(nm, ev, fx);
        return;
    }
    fx_reply(fx, ev->to, &reply, NULL);
    snprintf(addr, sizeof addr, "%.*s", STR_ARG(w->addr));
    p = peer_get(nm, w->from, addr);
    if (p == NULL || addr[0] == '\0')
        return;
    p->heard = nm->now.mono;
    p->level = w->level;
    switch (ev->msg->type) {
    case MSG_TYPE_peer_append:
        nm->led_at = nm->now.mono;
        take_append(nm, p, ev, fx);
        break;
    case MSG_TYPE_peer_append_result:
        take_append_result(nm, p, &ev->msg->peer_append_result, fx);
        break;
    case MSG_TYPE_peer_vote:
        take_vote(nm, p, &ev->msg->peer_vote, fx);
        break;
    case MSG_TYPE_peer_vote_result:
        take_vote_result(nm, p, &ev->msg->peer_vote_result, fx);
        break;
    case MSG_TYPE_peer_timeout:
        take_timeout(nm, p, &ev->msg->peer_timeout, fx);
        break;
    case MSG_TYPE_peer_snapshot:
        nm->led_at = nm->now.mono;
        if (ev->msg->peer_snapshot.term >= raft_current_term(&nm->raft))
            install_wanted(nm, p->id, p->addr,
                           (struct snapshot_ref){ev->msg->peer_snapshot.last_index, ev->msg->peer_snapshot.last_term});
        break;
    default:
        break;
    }
}
