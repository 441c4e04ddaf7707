/* SPDX-License-Identifier: MIT */
#include "meta/meta.h"

#include <stdlib.h>

#include "meta/state.h"

static const struct meta_timers default_timers = {
    .heartbeat_ms = 250, .lease_ms = 2000, .session_ttl_ms = 600000, .lock_ttl_ms = 30000, .delegation_ttl_ms = 5000};

struct meta *meta_new(void)
{
    struct meta *m = xcalloc(1, sizeof *m);
    names_init(&m->names);
    idmap_init(&m->inodes, sizeof(struct inode));
    idmap_init(&m->chunks, sizeof(struct chunk));
    idmap_init(&m->sessions, sizeof(struct session));
    u64map_init(&m->nonces);
    u64map_init(&m->ended);
    u64map_init(&m->also);
    u64map_init(&m->xattrs);
    u64map_init(&m->atimes);
    idmap_init(&m->trash, sizeof(struct trashed));
    placements_init(&m->placements);
    idmap_init(&m->handles, sizeof(struct handle));
    idmap_init(&m->waits, sizeof(struct lock_wait));
    u64map_init(&m->opens);
    u64map_init(&m->open_chunks);
    u64map_init(&m->delegations);
    u64map_init(&m->locks);
    bytes_init(&m->out, WIRE_HEAD_MAX);
    arena_init(&m->arena, WIRE_ARENA_MAX);
    m->timers = default_timers;
    m->next_ino = FIRST_INO;
    m->next_removal = 1;
    m->trash_keep_ns = META_TRASH_KEEP_NS;
    m->next_session = m->next_handle = m->next_ticket = 1;
    m->next_member = 1;
    m->next_generation = 2;
    meta_servers_changed(m);
    meta_root_new(m, ROOT_INO);
    meta_root_new(m, TRASH_INO);
    meta_root_new(m, PURGE_INO);
    return m;
}

/* Frees what each record of a map owns. */
#define FREE_RECORDS(map, type, release)                                                                               \
    do {                                                                                                               \
        struct idmap_iter it;                                                                                          \
        uint64_t id;                                                                                                   \
        type *record;                                                                                                  \
        if (idmap_iter_init(&it, (map)) == 0)                                                                          \
            while ((record = idmap_iter_next(&it, &id)) != NULL)                                                       \
                release(record);                                                                                       \
        idmap_iter_close(&it);                                                                                         \
        idmap_close(map);                                                                                              \
    } while (0)

void meta_free(struct meta *m)
{
    if (m == NULL)
        return;
    FREE_RECORDS(&m->inodes, struct inode, meta_inode_free_content);
    meta_also_free_all(m);
    meta_xattrs_free_all(m);
    u64map_close(&m->atimes);
    FREE_RECORDS(&m->trash, struct trashed, meta_trashed_free_content);
    idmap_close(&m->chunks);
    placements_close(&m->placements);
    idmap_close(&m->handles);
    idmap_close(&m->waits);
    u64map_close(&m->opens);
    u64map_close(&m->open_chunks);
    u64map_close(&m->delegations);
    meta_locks_free_all(m);
    FREE_RECORDS(&m->sessions, struct session, meta_session_free_content);
    for (uint32_t i = 0; i < m->n_servers; i++) {
        free((char *)(uintptr_t)m->servers[i].addr);
        free((char *)(uintptr_t)m->servers[i].domain);
    }
    free(m->servers);
    meta_members_close(m);
    free(m->removed.v);
    free(m->reaped);
    free(m->changes);
    names_close(&m->names);
    u64map_close(&m->nonces);
    u64map_close(&m->ended);
    bytes_close(&m->out);
    arena_close(&m->arena);
    free(m);
}

void meta_set_timers(struct meta *m, const struct meta_timers *t) { m->timers = *t; }

size_t meta_memory(const struct meta *m)
{
    return m->names.bytes + idmap_bytes(&m->inodes) + idmap_bytes(&m->chunks) + idmap_bytes(&m->sessions) +
           idmap_bytes(&m->handles) + idmap_bytes(&m->waits) + u64map_bytes(&m->opens) + u64map_bytes(&m->open_chunks) +
           u64map_bytes(&m->delegations) + u64map_bytes(&m->locks) + u64map_bytes(&m->nonces) + placements_bytes(&m->placements) +
           u64map_bytes(&m->also) + u64map_bytes(&m->xattrs) + u64map_bytes(&m->atimes) + idmap_bytes(&m->trash) +
           m->heap_bytes + m->removed.cap * sizeof *m->removed.v + m->n_servers * sizeof *m->servers;
}

uint64_t meta_epoch(const struct meta *m) { return m->epoch; }
uint64_t meta_index(const struct meta *m) { return m->index; }
uint64_t meta_first_grantable(const struct meta *m) { return m->first_grantable; }
uint64_t meta_reserved(const struct meta *m) { return m->reserved; }
uint64_t meta_horizon(const struct meta *m) { return m->horizon; }

void meta_cluster(const struct meta *m, uint64_t *hi, uint64_t *lo)
{
    *hi = m->cluster_hi;
    *lo = m->cluster_lo;
}

static void open_epoch(struct meta *m, const struct stamp *st, const struct msg_open_epoch *o)
{
    struct inode *root = meta_inode(m, ROOT_INO);
    if ((m->cluster_hi | m->cluster_lo) == 0) {
        m->cluster_hi = o->cluster_hi;
        m->cluster_lo = o->cluster_lo;
    }
    if (root->ctime_ns == 0)
        root->mtime_ns = root->ctime_ns = st->time_ns;
    meta_member_found(m, o);
    meta_apply_level(m, o->leader, o->level);
    m->epoch = st->index;
    m->first_grantable = max_u64(m->reserved, 1);
    m->reserved = min_u64(m->first_grantable + META_RESERVE_STEP, META_SERIAL_MAX);
}

static int close_session(struct meta *m, const struct stamp *st, const struct msg_session_close *c, struct msg *reply)
{
    meta_session_end(m, st, c->id.session);
    reply->type = MSG_TYPE_session_close_reply;
    reply->session_close_reply.reserved = 0;
    return 0;
}

/* Commands of the leader's own: they have no reply. */
static int dispatch_own(struct meta *m, const struct stamp *st, const struct msg *cmd)
{
    switch (cmd->type) {
    case MSG_TYPE_nm_level:
        meta_apply_level(m, cmd->nm_level.id, cmd->nm_level.level);
        return 0;
    case MSG_TYPE_server_state:
        meta_apply_server_state(m, &cmd->server_state);
        return 0;
    case MSG_TYPE_chunk_servers:
        meta_apply_chunk_servers(m, &cmd->chunk_servers);
        return 0;
    case MSG_TYPE_expire:
        meta_apply_expire(m, st, &cmd->expire);
        return 0;
    case MSG_TYPE_session_fenced:
        meta_apply_session_fenced(m, st, &cmd->session_fenced);
        return 0;
    case MSG_TYPE_delegate_revoke:
        meta_apply_delegate_revoke(m, &cmd->delegate_revoke);
        return 0;
    case MSG_TYPE_chunk_begin:
        meta_apply_chunk_begin(m, st, &cmd->chunk_begin);
        return 0;
    case MSG_TYPE_chunk_seal:
        meta_apply_chunk_seal(m, &cmd->chunk_seal);
        return 0;
    case MSG_TYPE_reclaim:
        meta_apply_reclaim(m, st, &cmd->reclaim);
        return 0;
    case MSG_TYPE_recover_file:
        meta_apply_recover_file(m, st, &cmd->recover_file);
        return 0;
    case MSG_TYPE_reap:
        meta_apply_reap(m, &cmd->reap);
        return 0;
    case MSG_TYPE_reserve:
        m->reserved = max_u64(m->reserved, min_u64(cmd->reserve.chunks_below, META_SERIAL_MAX));
        return 0;
    case MSG_TYPE_horizon:
        m->horizon = max_u64(m->horizon, min_u64(cmd->horizon.chunks_below, m->reserved));
        return 0;
    default:
        return DFS_ENOTSUP;
    }
}

/* Applies a command of the current epoch that is not a repetition. 0 with reply->type 0: it has no reply. */
static int dispatch(struct meta *m, const struct stamp *st, const struct msg *cmd, struct msg *reply)
{
    switch (cmd->type) {
    case MSG_TYPE_session_open:
        return meta_apply_session_open(m, st, &cmd->session_open, reply);
    case MSG_TYPE_session_close:
        return close_session(m, st, &cmd->session_close, reply);
    case MSG_TYPE_mkdir:
        return meta_op_mkdir(m, st, &cmd->mkdir, reply);
    case MSG_TYPE_create:
        return meta_op_create(m, st, &cmd->create, reply);
    case MSG_TYPE_symlink:
        return meta_op_symlink(m, st, &cmd->symlink, reply);
    case MSG_TYPE_unlink:
        return meta_op_unlink(m, st, &cmd->unlink, reply);
    case MSG_TYPE_rmdir:
        return meta_op_rmdir(m, st, &cmd->rmdir, reply);
    case MSG_TYPE_rename:
        return meta_op_rename(m, st, &cmd->rename, reply);
    case MSG_TYPE_setattr:
        return meta_op_setattr(m, st, &cmd->setattr, reply);
    case MSG_TYPE_mknod:
        return meta_op_mknod(m, st, &cmd->mknod, reply);
    case MSG_TYPE_link:
        return meta_op_link(m, st, &cmd->link, reply);
    case MSG_TYPE_setxattr:
        return meta_op_setxattr(m, st, &cmd->setxattr, reply);
    case MSG_TYPE_removexattr:
        return meta_op_removexattr(m, st, &cmd->removexattr, reply);
    case MSG_TYPE_remove:
        return meta_op_remove(m, st, &cmd->remove, reply);
    case MSG_TYPE_trash_restore:
        return meta_op_trash_restore(m, st, &cmd->trash_restore, reply);
    case MSG_TYPE_trash_empty:
        return meta_op_trash_empty(m, st, &cmd->trash_empty, reply);
    case MSG_TYPE_trash_keep:
        return meta_op_trash_keep(m, &cmd->trash_keep, reply);
    case MSG_TYPE_publish:
        return meta_op_publish(m, st, &cmd->publish, reply);
    case MSG_TYPE_server_set:
        return meta_op_server_set(m, &cmd->server_set, reply);
    case MSG_TYPE_open:
        return meta_op_open(m, st, &cmd->open, reply);
    case MSG_TYPE_close:
        return meta_op_close(m, st, &cmd->close, reply);
    case MSG_TYPE_extend:
        return meta_op_extend(m, st, &cmd->extend, reply);
    case MSG_TYPE_truncate:
        return meta_op_truncate(m, st, &cmd->truncate, reply);
    case MSG_TYPE_fill:
        return meta_op_fill(m, st, &cmd->fill, reply);
    case MSG_TYPE_delegate:
        return meta_op_delegate(m, &cmd->delegate, reply);
    case MSG_TYPE_delegate_return:
        return meta_op_delegate_return(m, &cmd->delegate_return, reply);
    case MSG_TYPE_make:
        return meta_op_make(m, st, &cmd->make, reply);
    case MSG_TYPE_lock:
        return meta_op_lock(m, &cmd->lock, reply);
    case MSG_TYPE_unlock:
        return meta_op_unlock(m, &cmd->unlock, reply);
    case MSG_TYPE_lock_cancel:
        return meta_op_lock_cancel(m, &cmd->lock_cancel, reply);
    case MSG_TYPE_ss_register:
        return meta_apply_register(m, &cmd->ss_register, reply);
    case MSG_TYPE_nm_join:
        return meta_apply_join(m, &cmd->nm_join, reply);
    case MSG_TYPE_nm_remove:
        return meta_apply_leave(m, &cmd->nm_remove, reply);
    case MSG_TYPE_quarantine_drop:
        return meta_apply_quarantine_drop(m, reply);
    default:
        return dispatch_own(m, st, cmd);
    }
}

static void encode_reply(struct meta *m, const struct msg *reply, struct meta_result *out)
{
    bytes_clear(&m->out);
    int rv = msg_encode(reply, &m->out);
    if (rv == DFS_ENOMEM)
        abort();
    assert(rv == 0); /* replies are made of checked values */
    *out = (struct meta_result){.type = reply->type, .head = m->out.p, .head_len = (uint32_t)m->out.len};
}

static void encode_error(struct meta *m, int err, struct meta_result *out)
{
    struct msg reply = {.type = MSG_TYPE_error};
    reply.error = (struct msg_error){.code = (uint16_t)-err, .text = str_of(m->text), .leader = STR("")};
    encode_reply(m, &reply, out);
}

void meta_apply(struct meta *m, const struct stamp *st, const struct msg *cmd, struct meta_result *out)
{
    const struct wire_request_id *id = meta_request_id(cmd);
    const struct session_result *again = NULL;
    struct msg reply;
    uint64_t recall;
    int rv;
    *out = (struct meta_result){0};
    memset(&reply, 0, sizeof reply); /* what an operation does not fill is the same on every member */
    m->index = st->index;
    m->n_reaped = 0;
    m->n_changes = 0;
    m->more_changes = false;
    m->text[0] = '\0';
    arena_reset(&m->arena);
    if (cmd->type == MSG_TYPE_open_epoch) {
        open_epoch(m, st, &cmd->open_epoch);
        return;
    }
    if (st->epoch != m->epoch || m->epoch == 0) {
        if (wire_class_of(cmd->type) == CLASS_MUTATION)
            encode_error(m, DFS_ESTALE, out);
        return;
    }
    rv = id != NULL ? meta_session_begin(m, id, st->time_ns, &again) : 0;
    if (rv == DFS_ESESSION && cmd->type == MSG_TYPE_session_close && !meta_session_exists(m, id->session))
        rv = 0; /* closed or expired before: what was asked for is so */
    if (rv < 0) {
        encode_error(m, rv, out);
        return;
    }
    if (rv == 0 && (recall = meta_delegation_in_way(m, cmd)) != 0) {
        encode_error(m, DFS_EAGAIN, out);
        out->recall = recall;
        return;
    }
    if (rv == 0) {
        rv = dispatch(m, st, cmd, &reply);
        if (rv == 0 && reply.type == 0) {
            out->removed = m->reaped;
            out->n_removed = m->n_reaped;
            return;
        }
        if (rv == 0)
            encode_reply(m, &reply, out);
        else
            encode_error(m, rv, out);
        if (id == NULL || rv == DFS_EAGAIN) /* nothing was decided: the same request may come again */
            return;
        again = meta_session_remember(m, id, out->type, out->head, out->head_len);
    }
    if (again != NULL)
        *out = (struct meta_result){.type = again->type, .head = again->head, .head_len = again->len};
}

int meta_check(const struct meta *m, const struct msg *cmd)
{
    const struct wire_request_id *id = meta_request_id(cmd);
    if (wire_class_of(cmd->type) != CLASS_MUTATION)
        return DFS_ENOTSUP;
    if (cmd->type == MSG_TYPE_session_open)
        return cmd->session_open.nonce != 0 ? 0 : DFS_EINVAL;
    if (cmd->type == MSG_TYPE_ss_register)
        return meta_server_fields_fine(cmd->ss_register.addr, cmd->ss_register.domain) ? 0 : DFS_EINVAL;
    if (cmd->type == MSG_TYPE_nm_join || cmd->type == MSG_TYPE_nm_remove || cmd->type == MSG_TYPE_quarantine_drop)
        return 0;
    if (id == NULL || id->number == 0)
        return DFS_EINVAL;
    if (cmd->type == MSG_TYPE_session_close)
        return 0;
    if (id->number < id->seen || !meta_session_exists(m, id->session))
        return DFS_ESESSION;
    return 0;
}
