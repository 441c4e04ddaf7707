/* SPDX-License-Identifier: MIT */
/* Operations that are one request to the NameServer: build the message, take over the answer. */
#include <stdio.h>
#include <stdlib.h>

#include "client/internal.h"

#define READDIR_PAGE 1000u

static struct str path_of(const struct op *op) { return str_of(op->req.path); }
static struct str path2_of(const struct op *op) { return str_of(op->req.path2); }

static uint32_t setattr_flags(const struct client_request *q)
{
    static const struct {
        unsigned ours;
        uint32_t theirs;
    } table[] = {{DFS_SET_MODE, SETATTR_MODE},
                 {DFS_SET_UID, SETATTR_UID},
                 {DFS_SET_GID, SETATTR_GID},
                 {DFS_SET_MTIME, SETATTR_MTIME},
                 {DFS_SET_MTIME_NOW, SETATTR_MTIME_NOW},
                 {DFS_SET_GOAL, SETATTR_GOAL},
                 {DFS_SET_ATIME, SETATTR_ATIME},
                 {DFS_SET_ATIME_NOW, SETATTR_ATIME_NOW},
                 {DFS_KILL_SETID, SETATTR_KILL_SETID}};
    uint32_t flags = q->flags & DFS_NOFOLLOW ? SETATTR_NOFOLLOW : 0;
    for (size_t i = 0; i < ARRAY_LEN(table); i++)
        flags |= q->set.what & table[i].ours ? table[i].theirs : 0;
    return flags;
}

static void build_remove(struct rpc *r, struct msg *m, struct arena *a)
{
    const struct op *op = r->t.op;
    const struct client_request *q = &op->req;
    if (q->kind == OP_REMOVE) {
        m->type = MSG_TYPE_remove;
        m->remove = (struct msg_remove){
            rpc_id(r), q->at.dir, path_of(op),
            (q->flags & DFS_TREE ? REMOVE_TREE : 0) | (q->flags & DFS_KEEP ? REMOVE_KEEP : 0), q->at.uid};
    } else if (q->kind == OP_TRASH_LIST) {
        m->type = MSG_TYPE_trash_list;
        m->trash_list = (struct msg_trash_list){q->id, q->limit ? q->limit : READDIR_PAGE};
    } else if (q->kind == OP_TRASH_RESTORE) {
        m->type = MSG_TYPE_trash_restore;
        m->trash_restore = (struct msg_trash_restore){rpc_id(r), q->id, q->at.dir, path_of(op)};
    } else if (q->kind == OP_TRASH_EMPTY) {
        struct wire_trash_id *one = arena_alloc(a, 1, sizeof *one);
        if (!one)
            abort(); /* the arena of a message has room for one number */
        one->id = q->id;
        m->type = MSG_TYPE_trash_empty;
        m->trash_empty = (struct msg_trash_empty){rpc_id(r), one, q->id != 0};
    } else {
        m->type = MSG_TYPE_trash_keep;
        m->trash_keep = (struct msg_trash_keep){rpc_id(r), q->id};
    }
}

static void build_more(struct rpc *r, struct msg *m, struct arena *a)
{
    const struct op *op = r->t.op;
    const struct client_request *q = &op->req;
    if (op_is_xattr(q->kind)) {
        xattr_build(r, m);
    } else if (q->kind == OP_DELEGATE || q->kind == OP_DELEGATE_RETURN) {
        delegate_build(r, m);
    } else if (q->kind == OP_SERVER_SET || q->kind == OP_HEALTH || q->kind == OP_FSCK || q->kind == OP_REBALANCE ||
               q->kind == OP_GIVE_UP || q->kind == OP_QUARANTINE_DROP || q->kind == OP_RECOVER) {
        servers_build(r, m);
    } else if (q->kind == OP_SETATTR) {
        m->type = MSG_TYPE_setattr;
        m->setattr = (struct msg_setattr){.id = rpc_id(r),
                                          .dir = q->at.dir,
                                          .path = path_of(op),
                                          .flags = setattr_flags(q),
                                          .mode = q->set.mode,
                                          .uid = q->set.uid,
                                          .gid = q->set.gid,
                                          .mtime_ns = q->set.mtime_ns,
                                          .goal = q->set.goal,
                                          .atime_ns = q->set.atime_ns};
    } else if (q->kind == OP_MKNOD) {
        m->type = MSG_TYPE_mknod;
        m->mknod = (struct msg_mknod){.id = rpc_id(r),
                                      .dir = q->at.dir,
                                      .path = path_of(op),
                                      .type = (uint8_t)q->limit,
                                      .mode = q->mode,
                                      .uid = q->at.uid,
                                      .gid = q->at.gid,
                                      .device = q->id,
                                      .umask = q->at.umask};
    } else if (q->kind == OP_LINK) {
        m->type = MSG_TYPE_link;
        m->link = (struct msg_link){rpc_id(r), q->at.dir, path_of(op), q->at.to_dir, path2_of(op)};
    } else if (q->kind == OP_USAGE) {
        m->type = MSG_TYPE_usage;
        m->usage = (struct msg_usage){q->at.dir, path_of(op), path2_of(op), q->limit ? q->limit : READDIR_PAGE};
    } else {
        build_remove(r, m, a);
    }
}

static void build(struct rpc *r, struct msg *m, struct arena *a)
{
    const struct op *op = r->t.op;
    const struct client_request *q = &op->req;
    uint32_t uid = q->at.uid, gid = q->at.gid;
    switch (q->kind) {
    case OP_STAT:
        m->type = MSG_TYPE_lookup;
        m->lookup = (struct msg_lookup){q->at.dir, path_of(op), q->flags & DFS_NOFOLLOW ? LOOKUP_NOFOLLOW : 0,
                                        watch_session(op->c)};
        return;
    case OP_READDIR:
        m->type = MSG_TYPE_readdir;
        m->readdir = (struct msg_readdir){
            q->at.dir, path_of(op), path2_of(op), q->limit ? q->limit : READDIR_PAGE, 1, watch_session(op->c)};
        return;
    case OP_MKDIR:
        m->type = MSG_TYPE_mkdir;
        m->mkdir = (struct msg_mkdir){.id = rpc_id(r),
                                      .dir = q->at.dir,
                                      .path = path_of(op),
                                      .mode = q->mode,
                                      .uid = uid,
                                      .gid = gid,
                                      .flags = q->flags & DFS_PARENTS ? MKDIR_PARENTS : 0,
                                      .umask = q->at.umask};
        return;
    case OP_CREATE:
        m->type = MSG_TYPE_create;
        m->create = (struct msg_create){.id = rpc_id(r),
                                        .dir = q->at.dir,
                                        .path = path_of(op),
                                        .mode = q->mode,
                                        .uid = uid,
                                        .gid = gid,
                                        .flags = q->flags & DFS_EXCL ? CREATE_EXCL : 0,
                                        .umask = q->at.umask};
        return;
    case OP_SYMLINK:
        m->type = MSG_TYPE_symlink;
        m->symlink = (struct msg_symlink){rpc_id(r), q->at.dir, path_of(op), path2_of(op), uid, gid};
        return;
    case OP_UNLINK:
        m->type = MSG_TYPE_unlink;
        m->unlink = (struct msg_unlink){rpc_id(r), q->at.dir, path_of(op)};
        return;
    case OP_RMDIR:
        m->type = MSG_TYPE_rmdir;
        m->rmdir = (struct msg_rmdir){rpc_id(r), q->at.dir, path_of(op)};
        return;
    case OP_RENAME:
        m->type = MSG_TYPE_rename;
        m->rename = (struct msg_rename){
            rpc_id(r),    q->at.dir,
            path_of(op),  q->at.to_dir,
            path2_of(op), (q->flags & DFS_EXCL ? RENAME_EXCL : 0) | (q->flags & DFS_SWAP ? RENAME_SWAP : 0)};
        return;
    case OP_STATFS:
        m->type = MSG_TYPE_statfs;
        return;
    case OP_STATUS:
        m->type = MSG_TYPE_status;
        return;
    case OP_NM_REMOVE:
        m->type = MSG_TYPE_nm_remove;
        m->nm_remove.id = q->limit;
        return;
    case OP_NM_TRANSFER:
        m->type = MSG_TYPE_nm_transfer;
        m->nm_transfer.id = q->limit;
        return;
    default:
        build_more(r, m, a);
    }
}

static void answer_readdir(struct op *op, const struct msg_readdir_reply *m)
{
    struct dfs_entry *e = arena_alloc(&op->arena, m->n_entries, sizeof *e);
    if (!e) {
        op_end(op, DFS_ENOMEM, "the directory page is too large for this program's memory");
        return;
    }
    for (uint32_t i = 0; i < m->n_entries; i++) {
        e[i].name = op_string(op, m->entries[i].name);
        if (!e[i].name)
            return;
        e[i].attr = attr_of(&m->entries[i].attr);
    }
    op->result.attr = attr_of(&m->dir);
    op->result.entries = e;
    op->result.n_entries = m->n_entries;
    op->result.eof = m->eof != 0;
}

static struct dfs_totals totals_of(const struct wire_totals *t)
{
    return (struct dfs_totals){
        .files = t->files, .directories = t->directories, .symlinks = t->symlinks, .bytes = t->bytes};
}

static void answer_usage(struct op *op, const struct msg_usage_reply *m)
{
    struct dfs_usage *u = arena_alloc(&op->arena, m->n_entries, sizeof *u);
    if (!u) {
        op_end(op, DFS_ENOMEM, "the list of directories is too large for this program's memory");
        return;
    }
    for (uint32_t i = 0; i < m->n_entries; i++) {
        u[i].name = op_string(op, m->entries[i].name);
        if (!u[i].name)
            return;
        u[i].totals = totals_of(&m->entries[i].totals);
    }
    op->result.attr = attr_of(&m->attr);
    op->result.totals = totals_of(&m->totals);
    op->result.usage = u;
    op->result.n_usage = m->n_entries;
    op->result.next = op_string(op, m->next);
    op->result.eof = m->eof != 0;
}

static void answer_trash(struct op *op, const struct msg_trash_list_reply *m)
{
    struct dfs_trashed *t = arena_alloc(&op->arena, m->n_entries, sizeof *t);
    if (!t) {
        op_end(op, DFS_ENOMEM, "the list of the trash is too large for this program's memory");
        return;
    }
    for (uint32_t i = 0; i < m->n_entries; i++) {
        const struct wire_trashed *w = &m->entries[i];
        t[i] = (struct dfs_trashed){.id = w->id,
                                    .removed_ns = w->removed_ns,
                                    .uid = w->uid,
                                    .path = op_string(op, w->path),
                                    .attr = attr_of(&w->attr),
                                    .totals = totals_of(&w->totals)};
        if (!t[i].path)
            return;
    }
    op->result.trash = t;
    op->result.n_trash = m->n_entries;
    op->result.keep_ms = m->keep_ms;
    op->result.eof = m->eof != 0;
}

static void format_uuid(char out[37], uint64_t hi, uint64_t lo)
{
    snprintf(out, 37, "%08x-%04x-%04x-%04x-%012llx", (unsigned)(hi >> 32), (unsigned)(hi >> 16 & 0xffff),
             (unsigned)(hi & 0xffff), (unsigned)(lo >> 48), (unsigned long long)(lo & 0xffffffffffffULL));
}

static const char *nameserver_state(uint8_t s)
{
    static const char *const words[] = {"unknown", "leader", "follower", "joining", "down"};
    return words[s < ARRAY_LEN(words) ? s : 0];
}

static void fill_disks(struct op *op, struct dfs_server *v, const struct wire_server_info *w)
{
    struct dfs_disk *d = arena_alloc(&op->arena, w->n_disks, sizeof *d);
    for (uint32_t i = 0; d && i < w->n_disks; i++)
        d[i] = (struct dfs_disk){.failed = w->disks[i].failed,
                                 .capacity = w->disks[i].capacity,
                                 .used = w->disks[i].used,
                                 .read_errors = w->disks[i].read_errors,
                                 .write_errors = w->disks[i].write_errors,
                                 .damaged = w->disks[i].damaged,
                                 .scrubbed = w->disks[i].scrubbed,
                                 .scrub_passes = w->disks[i].scrub_passes};
    v->disks = d;
    v->n_disks = d ? w->n_disks : 0;
}

static bool fill_servers(struct op *op, struct dfs_status *s, const struct msg_status_reply *m)
{
    struct dfs_server *v = arena_alloc(&op->arena, m->n_servers, sizeof *v);
    struct dfs_nameserver *n = arena_alloc(&op->arena, m->n_nameservers, sizeof *n);
    if (!v || !n) {
        op_end(op, DFS_ENOMEM, "the status is too large for this program's memory");
        return false;
    }
    for (uint32_t i = 0; i < m->n_servers; i++) {
        const struct wire_server_info *w = &m->servers[i];
        v[i] = (struct dfs_server){.id = w->id,
                                   .address = op_string(op, w->addr),
                                   .domain = op_string(op, w->domain),
                                   .state = server_state_word(w->state),
                                   .capacity = w->capacity,
                                   .used = w->used,
                                   .chunks = w->chunks};
        format_uuid(v[i].uuid, w->uuid_hi, w->uuid_lo);
        fill_disks(op, &v[i], w);
    }
    for (uint32_t i = 0; i < m->n_nameservers; i++)
        n[i] = (struct dfs_nameserver){m->nameservers[i].id, op_string(op, m->nameservers[i].addr),
                                       nameserver_state(m->nameservers[i].state)};
    s->servers = v;
    s->n_servers = m->n_servers;
    s->nameservers = n;
    s->n_nameservers = m->n_nameservers;
    return !op->ended;
}

static void answer_status(struct op *op, const struct msg_status_reply *m)
{
    struct dfs_status *s = arena_alloc(&op->arena, 1, sizeof *s);
    if (!s || !fill_servers(op, s, m))
        return;
    format_uuid(s->cluster, m->cluster_hi, m->cluster_lo);
    s->leader = m->leader;
    s->term = m->term;
    s->epoch = m->epoch;
    s->log_first = m->log_first;
    s->log_last = m->log_last;
    s->snapshot = m->snapshot;
    s->sessions = m->sessions;
    s->files = m->files;
    s->directories = m->directories;
    s->symlinks = m->symlinks;
    s->chunks = m->chunks;
    s->bytes = m->bytes;
    s->goal = m->goal;
    s->trash = totals_of(&m->trash);
    s->reclaiming = totals_of(&m->reclaiming);
    s->reads_per_s = m->reads_per_s;
    s->mutations_per_s = m->mutations_per_s;
    s->quarantine = m->quarantine != 0;
    s->quarantined = m->quarantined;
    op->result.status = s;
}

static void answer_statfs(struct op *op, const struct msg_statfs_reply *m)
{
    op->result.fs = (struct dfs_statfs){.capacity = m->capacity,
                                        .used = m->used,
                                        .files = m->files,
                                        .directories = m->directories,
                                        .chunks = m->chunks,
                                        .trash = totals_of(&m->trash),
                                        .reclaiming = totals_of(&m->reclaiming)};
}

void op_fail_rpc(struct op *op, int status, const struct event *ev)
{
    switch (status) {
    case DFS_EUNREACH:
        op_end(op, status, "NameServer %s cannot be reached; set DFS_NM or --nm to its address, or start it (dfs-nm)",
               op->c->nm);
        return;
    case DFS_ETIMEDOUT:
    case DFS_ECONNLOST:
        op_end(op, status,
               op->c->contacted
                   ? "NameServer %s does not answer any more (%s)"
                   : "%s does not answer as a NameServer does (%s); set DFS_NM or --nm to the address of one",
               op->c->nm, dfs_strerror(status));
        return;
    case DFS_EUNKNOWN:
        op_end(op, status, "the answer was lost and the outcome is unknown: look before you repeat it");
        return;
    default: {
        struct str text = error_text(status, ev);
        op_end(op, status, "%.*s", STR_ARG(text));
    }
    }
}

static void answer(struct rpc *r, int status, const struct event *ev, struct effects *fx)
{
    struct op *op = r->t.op;
    (void)fx;
    if (op->ended)
        return;
    if (status != 0) {
        op_fail_rpc(op, status, ev);
        return;
    }
    const struct msg *m = ev->msg;
    switch (m->type) {
    case MSG_TYPE_lookup_reply:
        op->result.attr = attr_of(&m->lookup_reply.attr);
        op->result.target = op_string(op, m->lookup_reply.target);
        break;
    case MSG_TYPE_readdir_reply:
        answer_readdir(op, &m->readdir_reply);
        break;
    case MSG_TYPE_delegate_reply:
        delegate_answer(op, &m->delegate_reply);
        break;
    case MSG_TYPE_mkdir_reply:
        op->result.attr = attr_of(&m->mkdir_reply.attr);
        break;
    case MSG_TYPE_create_reply:
        op->result.attr = attr_of(&m->create_reply.attr);
        break;
    case MSG_TYPE_unlink_reply:
        op->result.dir_ns = m->unlink_reply.dir_ns;
        break;
    case MSG_TYPE_symlink_reply:
        op->result.attr = attr_of(&m->symlink_reply.attr);
        break;
    case MSG_TYPE_mknod_reply:
        op->result.attr = attr_of(&m->mknod_reply.attr);
        break;
    case MSG_TYPE_setattr_reply:
        op->result.attr = attr_of(&m->setattr_reply.attr);
        break;
    case MSG_TYPE_link_reply:
        op->result.attr = attr_of(&m->link_reply.attr);
        break;
    case MSG_TYPE_remove_reply:
        op->result.id = m->remove_reply.trash;
        op->result.totals = totals_of(&m->remove_reply.totals);
        break;
    case MSG_TYPE_trash_list_reply:
        answer_trash(op, &m->trash_list_reply);
        break;
    case MSG_TYPE_trash_restore_reply:
        op->result.attr = attr_of(&m->trash_restore_reply.attr);
        op->result.target = op_string(op, m->trash_restore_reply.path);
        break;
    case MSG_TYPE_trash_empty_reply:
        op->result.totals = totals_of(&m->trash_empty_reply.totals);
        break;
    case MSG_TYPE_usage_reply:
        answer_usage(op, &m->usage_reply);
        break;
    case MSG_TYPE_statfs_reply:
        answer_statfs(op, &m->statfs_reply);
        break;
    case MSG_TYPE_status_reply:
        answer_status(op, &m->status_reply);
        break;
    case MSG_TYPE_recover_reply:
    case MSG_TYPE_server_set_reply:
    case MSG_TYPE_health_reply:
    case MSG_TYPE_fsck_reply:
    case MSG_TYPE_rebalance_reply:
    case MSG_TYPE_give_up_reply:
        servers_answer(op, m);
        break;
    default:
        xattr_answer(op, m);
        break;
    }
    op_end_ok(op);
}

/* What may take a file's last name comes behind what is open. It is sent along with that, in this order, and keeps it
 * unless both have to be sent again: then it waits. */
static void begin_behind(struct op *op, struct effects *fx)
{
    uint64_t behind = files_hold(op->c, fx);
    rpc_start(&op->rpc, fx);
    op->rpc.behind = behind;
}

void path_begin(struct op *op, struct effects *fx)
{
    enum client_op_kind k = op->req.kind;
    rpc_init(&op->rpc, op->c, op, build, answer);
    op->rpc.mutation = (k >= OP_MKDIR && k < OP_STATFS);
    op->rpc.needs_session = op->rpc.mutation;
    if (k == OP_UNLINK || k == OP_RENAME || k == OP_REMOVE)
        begin_behind(op, fx);
    else
        rpc_start(&op->rpc, fx);
}
