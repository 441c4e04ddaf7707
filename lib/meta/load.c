/* SPDX-License-Identifier: MIT */
/* Reads back what save.c wrote. The bytes are not trusted: every field is checked where it is read, and memory grows only
 * with bytes that were really there. What is kept twice for inodes, names and chunks is counted here from what was read, so
 * that whatever loads passes meta_verify (unit tests and the fuzz target hold it to that) without a walk of its own; the
 * small tables are verified in full. */
#include <stdlib.h>

#include "meta/loader.h"

struct counts {
    uint32_t servers, members;
    uint64_t inodes, names, trashed, sessions, removed, handles, waits;
};

static void load_head(struct meta *m, struct loader *l, struct counts *n)
{
    check(l, get64(l) == SNAPSHOT_MAGIC);
    if (l->err == 0 && get32(l) != SNAPSHOT_VERSION)
        l->err = DFS_EVERSION;
    check(l, get32(l) == META_CHUNK_SIZE);
    uint64_t *fields[] = {&m->index,           &m->epoch,           &m->cluster_hi,   &m->cluster_lo,
                          &m->first_grantable, &m->reserved,        &m->horizon,      &m->next_ino,
                          &m->next_session,    &m->next_generation, &m->next_removal, &m->trash_emptied};
    for (size_t i = 0; i < ARRAY_LEN(fields); i++)
        *fields[i] = get64(l);
    m->trash_keep_ns = (int64_t)get64(l);
    m->next_handle = get64(l);
    m->next_ticket = get64(l);
    m->quarantine = get64(l);
    *n = (struct counts){.servers = get32(l)};
    n->members = get32(l);
    m->next_member = get32(l);
    m->level = get32(l);
    n->inodes = get64(l);
    n->names = get64(l);
    n->trashed = get64(l);
    n->sessions = get64(l);
    n->removed = get64(l);
    n->handles = get64(l);
    n->waits = get64(l);
    check(l, m->reserved <= META_SERIAL_MAX && m->horizon <= m->reserved && m->first_grantable <= m->reserved);
    check(l, m->quarantine <= m->reserved);
    check(l, m->next_ino <= META_SERIAL_MAX && m->next_generation <= META_SERIAL_MAX && m->epoch <= m->index);
    check(l, n->servers <= META_MAX_SERVERS && n->members <= META_MAX_MEMBERS);
    check(l, n->sessions <= META_SESSIONS_MAX);
    check(l, m->next_removal > 0 && m->trash_emptied <= m->next_removal);
    check(l, (uint64_t)m->trash_keep_ns <= META_TRASH_KEEP_MAX_MS * NS_PER_MS);
}

static void load_server(struct meta *m, struct loader *l)
{
    char addr[WIRE_ADDR_MAX + 1], domain[WIRE_TEXT_MAX + 1];
    struct meta_server v = {.uuid_hi = get64(l)};
    v.uuid_lo = get64(l);
    v.incarnation = get64(l);
    v.capacity = get64(l);
    v.used = get64(l);
    v.state = get8(l);
    uint8_t up = get8(l);
    v.up = up == 1;
    struct str a = get_text(l, addr, WIRE_ADDR_MAX), d = get_text(l, domain, WIRE_TEXT_MAX);
    check(l, v.state >= SERVER_UP && v.state <= SERVER_REMOVED && v.state != SERVER_SUSPECT && up <= 1);
    check(l, (v.state != SERVER_UP || v.up) && (v.state != SERVER_DOWN || !v.up) && meta_server_fields_fine(a, d));
    if (l->err != 0)
        return;
    struct meta_server *s = meta_server_add(m);
    v.id = s->id;
    *s = v;
    s->addr = xstrndup(a.p, a.len);
    meta_server_set_domain(s, d);
}

static void load_member(struct meta *m, struct loader *l, uint32_t *last)
{
    char addr[WIRE_ADDR_MAX + 1];
    uint32_t id = get32(l);
    uint64_t hi = get64(l), lo = get64(l);
    uint32_t level = get32(l);
    struct str a = get_text(l, addr, WIRE_ADDR_MAX);
    check(l, id > *last && id < m->next_member && meta_server_fields_fine(a, STR("")));
    if (l->err != 0)
        return;
    *last = id;
    struct meta_member *v = meta_member_add(m, id, a);
    v->uuid_hi = hi;
    v->uuid_lo = lo;
    v->level = level;
}

static uint32_t new_placement(struct meta *m, struct loader *l)
{
    uint16_t servers[META_MAX_REPLICAS];
    uint8_t goal = get8(l), n = get8(l);
    check(l, n > 0 && n <= META_MAX_REPLICAS && goal <= META_MAX_REPLICAS);
    for (uint32_t i = 0; l->err == 0 && i < n; i++) {
        servers[i] = get16(l);
        check(l, meta_server_by_id(m, servers[i]) != NULL && (i == 0 || servers[i] > servers[i - 1]));
    }
    if (l->err != 0)
        return 0;
    uint32_t placement = placements_take(&m->placements, goal, servers, n);
    check(l, placement == l->n_placements); /* none of those before */
    l->n_placements++;
    return placement;
}

/* In a fresh state placements are made in order, so that their numbers are the saved ones less one. */
static uint32_t load_placement(struct meta *m, struct loader *l)
{
    uint32_t number = get32(l);
    check(l, number > 0 && number <= l->n_placements + 1 && number < 1u << PLACEMENT_BITS);
    if (l->err != 0)
        return 0;
    return number <= l->n_placements ? number - 1 : new_placement(m, l);
}

/* Of a file, or (ino 0) removed at that time. Returns the chunk's id, 0 on error. */
static uint64_t load_chunk(struct meta *m, struct loader *l, uint64_t ino, int64_t time_ns, struct chunk **out)
{
    uint64_t id = get64(l);
    struct chunk c = {.version = get32(l)};
    c.length = get32(l);
    c.crc = get32(l);
    c.index = get32(l);
    uint8_t flags = get8(l), open = flags & 1, cut = flags >> 1;
    check(l, id != 0 && id < m->reserved && open <= (ino != 0) && cut <= (open && c.length > 0) &&
                 (c.length > 0 || open) && c.length <= META_CHUNK_SIZE && c.index <= META_INDEX_MAX &&
                 !meta_knows_chunk(m, id));
    uint32_t placement = load_placement(m, l);
    if (l->err != 0)
        return 0;
    *out = ino != 0 ? meta_chunk_add(m, id, placement, c.length)
                    : meta_chunk_add_removed(m, id, placement, c.length, time_ns);
    (*out)->version = c.version;
    (*out)->crc = c.crc;
    (*out)->index = c.index;
    if (open) {
        (*out)->open = 1;
        (*out)->cut = cut & 1;
        u64map_put(&m->open_chunks, id, ino);
    }
    return id;
}

static void load_file(struct meta *m, struct loader *l, uint64_t ino, struct inode *in)
{
    uint64_t size = get64(l), end = 0, *ids = NULL;
    uint32_t n = get32(l), cap = 0, have = 0;
    check(l, n <= INODE_CHUNKS_MAX);
    for (; l->err == 0 && have < n; have++) {
        struct chunk *c;
        if (have == cap) { /* grows with what was read, whatever n claims */
            cap = cap == 0 ? 1 : cap > UINT32_MAX / 2 ? UINT32_MAX : cap * 2;
            uint64_t *more = reallocarray(ids, cap, sizeof *ids);
            if (more == NULL) {
                l->err = DFS_ENOMEM;
                break;
            }
            ids = more;
        }
        ids[have] = load_chunk(m, l, ino, 0, &c);
        if (l->err != 0)
            break;
        uint64_t start = (uint64_t)c->index * META_CHUNK_SIZE;
        check(l, start >= end && meta_placement(m, c)->goal == in->goal);
        end = c->length > 0 ? start + c->length : end; /* a new one that is being written says nothing yet */
    }
    check(l, size >= end);
    if (l->err == 0) {
        meta_file_set_chunks(m, in, ids, n);
        in->size = size;
    }
    free(ids);
}

static void load_symlink(struct meta *m, struct loader *l, struct inode *in)
{
    char target[WIRE_PATH_MAX + 1];
    struct str t = get_text(l, target, WIRE_PATH_MAX);
    check(l, t.len > 0);
    if (l->err != 0)
        return;
    in->target = xcalloc(t.len, 1);
    memcpy(in->target, t.p, t.len);
    in->size = t.len;
    m->heap_bytes += heap_cost(t.len);
}

static void load_xattrs(struct meta *m, struct loader *l, uint64_t ino, struct inode *in)
{
    uint32_t len = get32(l);
    in->flags &= INODE_FLAGS & ~INODE_XATTRS; /* until they are there */
    check(l, len > 0 && len <= META_XATTR_TOTAL_MAX && inode_type(in) != INODE_SYMLINK);
    uint8_t *data = l->err == 0 ? malloc(len) : NULL;
    if (l->err == 0 && data == NULL)
        l->err = DFS_ENOMEM;
    if (l->err == 0)
        get(l, data, len);
    check(l, l->err == 0 && meta_xattrs_fine(data, len));
    if (l->err == 0)
        meta_xattrs_put(m, ino, in, data, len);
    check(l, l->err != 0 || meta_acls_fine(m, ino, in));
    free(data);
}

static void load_atime(struct meta *m, struct loader *l, uint64_t ino, struct inode *in)
{
    int64_t atime_ns = (int64_t)get64(l);
    in->flags &= INODE_FLAGS & ~INODE_ATIME; /* until it is there */
    check(l, atime_ns != ATIME_NONE);
    if (l->err == 0)
        meta_keep_atime(m, ino, in, atime_ns);
}

static void load_inode(struct meta *m, struct loader *l, uint64_t *last)
{
    uint64_t ino = get64(l);
    struct inode v = {.type_mode = get16(l)};
    uint8_t type = inode_type(&v);
    uint8_t goal = get8(l), flags = get8(l);
    v.goal = goal & 31;
    v.flags = flags & INODE_FLAGS;
    v.uid = get32(l);
    v.gid = get32(l);
    v.mtime_ns = (int64_t)get64(l);
    v.ctime_ns = (int64_t)get64(l);
    uint64_t generation = get64(l);
    check(l, ino > *last && ino < m->next_ino && generation < m->next_generation && goal <= META_MAX_REPLICAS &&
                 type >= INODE_FILE && type <= INODE_BLOCK_DEVICE && (flags & ~INODE_FLAGS) == 0);
    if (l->err != 0)
        return;
    *last = ino;
    meta_set_generation(&v, generation);
    struct inode *in = idmap_add(&m->inodes, ino);
    *in = v;
    if (in->flags & INODE_XATTRS)
        load_xattrs(m, l, ino, in);
    if (in->flags & INODE_ATIME)
        load_atime(m, l, ino, in);
    if (type == INODE_FILE)
        load_file(m, l, ino, in);
    else if (type == INODE_SYMLINK)
        load_symlink(m, l, in);
    else if (type == INODE_DIRECTORY)
        in->dir = meta_dir_new(m, ino);
    else
        in->size = get64(l);
    if (type == INODE_DIRECTORY)
        m->n_dirs += !meta_is_root(ino);
    else if (type == INODE_SYMLINK)
        m->n_symlinks++;
    else
        m->n_files++;
}

static bool name_fine(struct str name)
{
    return name.len > 0 && memchr(name.p, '/', name.len) == NULL && memchr(name.p, '\0', name.len) == NULL &&
           !str_eq(name, STR(".")) && !str_eq(name, STR(".."));
}

#define NAMES_AT_ONCE 32u /* their inodes are waited for together */

struct saved_name {
    uint64_t dir;
    uint32_t len;
    char name[WIRE_NAME_MAX + 1];
};

static void read_names(struct loader *l, struct saved_name *v, uint64_t *inos, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        v[i].dir = get64(l);
        inos[i] = get64(l);
        v[i].len = get8(l);
        get(l, v[i].name, v[i].len);
    }
}

/* named: inodes that have a name so far */
static void load_name(struct meta *m, struct loader *l, const struct saved_name *v, uint64_t ino, uint64_t *named)
{
    struct str name = {v->name, v->len};
    struct inode *parent = meta_inode(m, v->dir), *in = meta_inode(m, ino);
    check(l, parent != NULL && in != NULL && is_dir(parent) && !meta_is_root(ino) && name_fine(name));
    if (l->err != 0)
        return;
    check(l, in->names == 0 || (!is_dir(in) && in->names < INODE_NAMES_MAX));
    check(l, !is_dir(in) || !meta_is_above(m, ino, v->dir)); /* directories that hold each other */
    if (v->dir != ROOT_INO && meta_is_root(v->dir))
        check(l, meta_removal_number(name) != 0 && meta_removal_number(name) < m->next_removal);
    if (l->err != 0)
        return;
    *named += in->names == 0;
    check(l, meta_name_append(m, v->dir, name, ino));
}

/* Returns how many inodes have a name. */
static uint64_t load_names(struct meta *m, struct loader *l, uint64_t count)
{
    struct saved_name v[NAMES_AT_ONCE];
    uint64_t inos[NAMES_AT_ONCE], named = 0;
    while (count > 0 && l->err == 0) {
        uint32_t n = (uint32_t)min_u64(count, NAMES_AT_ONCE);
        read_names(l, v, inos, n);
        if (l->err == 0)
            idmap_prefetch(&m->inodes, inos, n);
        for (uint32_t i = 0; i < n && l->err == 0; i++)
            load_name(m, l, &v[i], inos[i], &named);
        count -= n;
    }
    return named;
}

/* What nobody names must be open. */
static void check_nameless(const struct meta *m, struct loader *l, uint64_t named)
{
    for (size_t i = 0; i < m->opens.cap; i++)
        named += m->opens.slots[i].value != 0 && meta_inode(m, m->opens.slots[i].key)->names == 0;
    check(l, named + N_ROOTS == m->inodes.count);
}

static void load_trashed(struct meta *m, struct loader *l, uint64_t *last)
{
    char path[WIRE_PATH_MAX + 1];
    struct removal_name room;
    uint64_t number = get64(l);
    int64_t time_ns = (int64_t)get64(l);
    uint32_t uid = get32(l);
    struct str p = get_text(l, path, WIRE_PATH_MAX);
    check(l, number > *last && number < m->next_removal && (m->trash.count == 0 || time_ns >= m->trash_newest));
    check(l, l->err == 0 && names_find(&m->names, TRASH_INO, meta_removal_name(number, &room)) != 0);
    if (l->err != 0)
        return;
    *last = number;
    meta_trashed_add(m, number, time_ns, uid, p.len > 0 ? path : NULL);
}

static void load_result(struct meta *m, struct loader *l, struct session *s, uint64_t *last)
{
    uint64_t number = get64(l);
    uint16_t type = get16(l);
    uint32_t len = get32(l);
    check(l, number > *last && number >= s->floor && number - s->floor < META_SESSION_WINDOW && len <= WIRE_HEAD_MAX);
    if (l->err != 0)
        return;
    *last = number;
    struct session_result *r = malloc(sizeof *r + len);
    if (r == NULL) {
        l->err = DFS_ENOMEM;
        return;
    }
    r->type = type;
    r->len = len;
    get(l, r->head, len);
    if (l->err == 0)
        meta_session_put_result(m, s, number, r);
    else
        free(r);
}

static void load_session(struct meta *m, struct loader *l, uint64_t *last)
{
    char who[WIRE_TEXT_MAX + 1];
    uint64_t id = get64(l);
    struct session v = {.nonce = get64(l)};
    v.active_ns = (int64_t)get64(l);
    v.floor = get64(l);
    struct str w = get_text(l, who, WIRE_TEXT_MAX);
    uint32_t n = get32(l);
    check(l, id > *last && id < m->next_session && v.floor > 0 && u64map_get(&m->nonces, v.nonce) == 0 && v.nonce != 0);
    if (l->err != 0)
        return;
    *last = id;
    struct session *s = idmap_add(&m->sessions, id);
    *s = v;
    s->who = w.len > 0 ? xstrndup(w.p, w.len) : NULL;
    m->heap_bytes += s->who ? heap_cost(w.len + 1) : 0;
    u64map_put(&m->nonces, v.nonce, id);
    if (v.active_ns == SESSION_ENDED)
        u64map_put(&m->ended, id, 1);
    uint64_t last_result = 0;
    for (uint32_t i = 0; i < n && l->err == 0; i++)
        load_result(m, l, s, &last_result);
}

static void load_removed(struct meta *m, struct loader *l)
{
    struct chunk *c;
    int64_t time_ns = (int64_t)get64(l);
    (void)load_chunk(m, l, 0, time_ns, &c);
}

static struct lock load_lock(struct loader *l, uint64_t id, const struct handle *h)
{
    struct lock v = {.session = h->session, .handle = id, .owner = get64(l)};
    v.start = get64(l);
    v.end = get64(l);
    v.space = get8(l);
    v.type = get8(l);
    return v;
}

static void load_handle(struct meta *m, struct loader *l, uint64_t *last)
{
    uint64_t id = get64(l), session = get64(l), ino = get64(l);
    uint32_t flags = get32(l), held = get32(l);
    struct lock v, before = {0};
    check(l, id > *last && id < m->next_handle);
    *last = id;
    if (l->err == 0)
        check(l, meta_handle_add(m, id, session, ino, flags));
    for (uint32_t i = 0; i < held && l->err == 0; i++, before = v) {
        v = load_lock(l, id, meta_handle(m, id));
        check(l, meta_lock_fine(m, ino, &v) && (i == 0 || meta_lock_before(&before, &v)));
        if (l->err == 0)
            meta_lock_add(m, ino, &v);
    }
}

static void load_wait(struct meta *m, struct loader *l, uint64_t *last)
{
    uint64_t ticket = get64(l), id = get64(l);
    const struct handle *h = l->err == 0 ? meta_handle(m, id) : NULL;
    check(l, h != NULL && ticket > *last && ticket < m->next_ticket);
    *last = ticket;
    if (l->err != 0)
        return;
    struct lock v = load_lock(l, id, h);
    check(l, meta_lock_fine(m, h->ino, &v));
    if (l->err == 0)
        meta_lock_wait_add(m, ticket, h->ino, &v);
}

static void load_delegations(struct meta *m, struct loader *l)
{
    uint32_t n = get32(l);
    uint64_t last = 0;
    check(l, n > 0);
    for (uint32_t i = 0; i < n && l->err == 0; i++) {
        uint64_t dir = get64(l), session = get64(l);
        check(l, dir > last);
        if (l->err == 0)
            check(l, meta_delegation_add(m, dir, session));
        last = dir;
    }
    if (l->err == 0 && l->at == l->len)
        loader_next_block(l);
}

static uint32_t drained(const struct meta *m)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < m->n_servers; i++)
        n += m->servers[i].state == SERVER_DRAINED;
    return n;
}

static void load_tables(struct meta *m, struct loader *l)
{
    struct counts n;
    uint64_t last_ino = 0, last_session = 0, last_number = 0, last_handle = 0, last_ticket = 0;
    uint32_t last_member = 0;
    load_head(m, l, &n);
    for (uint32_t i = 0; i < n.servers && l->err == 0; i++)
        load_server(m, l);
    meta_servers_changed(m);
    uint32_t empty = drained(m);
    for (uint32_t i = 0; i < n.members && l->err == 0; i++)
        load_member(m, l, &last_member);
    for (uint64_t i = 0; i < n.inodes && l->err == 0; i++)
        load_inode(m, l, &last_ino);
    for (uint64_t ino = ROOT_INO; ino <= PURGE_INO; ino++)
        check(l, l->err == 0 && meta_inode(m, ino) != NULL && is_dir(meta_inode(m, ino)));
    uint64_t named = load_names(m, l, n.names);
    for (uint64_t i = 0; i < n.trashed && l->err == 0; i++)
        load_trashed(m, l, &last_number);
    check(l, l->err == 0 && meta_inode(m, TRASH_INO)->size == m->trash.count);
    for (uint64_t i = 0; i < n.sessions && l->err == 0; i++)
        load_session(m, l, &last_session);
    for (uint64_t i = 0; i < n.handles && l->err == 0; i++)
        load_handle(m, l, &last_handle);
    for (uint64_t i = 0; i < n.waits && l->err == 0; i++)
        load_wait(m, l, &last_ticket);
    check_nameless(m, l, named);
    for (uint64_t i = 0; i < n.removed && l->err == 0; i++)
        load_removed(m, l);
    check(l, drained(m) == empty); /* one that has chunks is not drained */
    if (l->err == 0 && l->at == l->len)
        loader_next_block(l);
    if (l->err == 0 && l->len > 0)
        load_delegations(m, l);
    check(l, l->at == 0 && l->len == 0); /* the end, and nothing before it */
}

int meta_load(struct meta *m, int (*read)(void *arg, void *p, size_t len), void *arg)
{
    struct loader l = {.read = read, .arg = arg, .buf = malloc(SNAPSHOT_BLOCK)};
    char why[128];
    if (l.buf == NULL)
        return DFS_ENOMEM;
    for (uint64_t ino = ROOT_INO; ino <= PURGE_INO; ino++) { /* the saved ones come */
        meta_dir_free(m, meta_inode(m, ino)->dir);
        idmap_remove(&m->inodes, ino);
    }
    load_tables(m, &l);
    free(l.buf);
    return l.err != 0 ? l.err : meta_verify_small(m, why, sizeof why);
}
