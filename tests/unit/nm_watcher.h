/* SPDX-License-Identifier: MIT */
/* Clients of a NameServer under test that are told what others do: sessions with a watch call that waits. */
#ifndef DFS_TEST_NM_WATCHER_H
#define DFS_TEST_NM_WATCHER_H

#include "nm_rig.h"

struct user {
    uint64_t session, number, watch, seen;
    uint32_t delegation_ttl_ms; /* as it was told */
    uint32_t call;              /* outstanding */
};

static inline struct wire_request_id next_id(struct user *u)
{
    ++u->number;
    return (struct wire_request_id){.session = u->session, .number = u->number, .seen = u->number};
}

static inline struct user user_open(struct rig *r, uint64_t nonce)
{
    struct user u = {.number = 0};
    struct msg m = {.type = MSG_TYPE_session_open, .session_open = {.nonce = nonce, .who = STR("test")}};
    const struct msg *reply;

    assert_int_equal(rig_call(r, &m, &reply), 0);
    u.session = reply->session_open_reply.session;
    u.delegation_ttl_ms = reply->session_open_reply.delegation_ttl_ms;
    return u;
}

static inline void watch(struct rig *r, struct user *u)
{
    struct msg m = {.type = MSG_TYPE_watch, .watch = {.session = u->session, .watch = u->watch, .seen = u->seen}};

    u->call = rig_send(r, &m);
    rig_settle(r);
}

/* What the call was answered with; NULL: nothing yet. */
static inline const struct msg_watch_reply *told(struct rig *r, struct user *u)
{
    const struct answer *a = &r->answers[u->call];

    rig_settle(r);
    if (a->times == 0)
        return NULL;
    assert_int_equal(a->err, 0);
    u->watch = a->msg.watch_reply.watch;
    u->seen = a->msg.watch_reply.number;
    return &a->msg.watch_reply;
}

/* The first answer says "everything"; from then on it is told what it looks up. */
static inline struct user watcher(struct rig *r, uint64_t nonce)
{
    struct user u = user_open(r, nonce);

    watch(r, &u);
    assert_non_null(told(r, &u));
    assert_int_equal(told(r, &u)->all, 1);
    watch(r, &u);
    assert_null(told(r, &u));
    return u;
}

#endif
