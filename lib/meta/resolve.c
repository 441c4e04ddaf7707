/* SPDX-License-Identifier: MIT */
/* Paths to inodes. What is still to be walked is a stack: a symlink's target is pushed on the rest of the path that
 * named it, so nothing is copied and nothing recurses. (Semantics: path_resolution(7).) */
#include "meta/state.h"

struct rest {
    struct str part[META_SYMLINK_DEPTH + 1]; /* the last one is next */
    uint32_t n;
    uint64_t dir; /* where the next name is looked up */
};

/* Is there a name in what is still to be walked? */
static bool names_left(const struct rest *r)
{
    for (uint32_t i = r->n; i > 0; i--)
        for (uint32_t k = 0; k < r->part[i - 1].len; k++)
            if (r->part[i - 1].p[k] != '/')
                return true;
    return false;
}

/* Drops used-up parts and leading slashes; false: no names are left. */
static bool more_names(struct rest *r)
{
    while (r->n > 0) {
        struct str *s = &r->part[r->n - 1];
        while (s->len > 0 && *s->p == '/')
            s->p++, s->len--;
        if (s->len > 0)
            return true;
        r->n--;
    }
    return false;
}

/* The next name, and whether a slash stands behind it: in its own part, or in the one that named the symlink. */
static struct str take_name(struct rest *r, bool *slash)
{
    struct str *s = &r->part[r->n - 1];
    const char *end = memchr(s->p, '/', s->len);
    struct str name = {s->p, end ? (uint32_t)(end - s->p) : s->len};
    s->p += name.len;
    s->len -= name.len;
    *slash = end != NULL;
    for (uint32_t i = r->n; !*slash && i > 0; i--)
        *slash = r->part[i - 1].len > 0;
    return name;
}

static int start_part(struct rest *r, struct str path)
{
    if (path.len > WIRE_PATH_MAX)
        return DFS_ENAMETOOLONG;
    if (path.len > 0 && memchr(path.p, '\0', path.len) != NULL)
        return DFS_EINVAL;
    if (path.len > 0 && path.p[0] == '/')
        r->dir = ROOT_INO;
    /* A part that is used up need not be kept: the stack stays as deep as there are links, at most. */
    while (r->n > 0 && r->part[r->n - 1].len == 0)
        r->n--;
    r->part[r->n++] = path;
    return 0;
}

static void arrive(struct walk *w, uint64_t ino, enum last_kind kind)
{
    w->ino = ino;
    w->kind = kind;
    w->parent = 0;
    w->name = STR("");
}

/* Where the walk stands when all names are used up, having ended in a directory by `kind`. */
static int step_dots(const struct meta *m, struct rest *r, struct walk *w, enum last_kind kind)
{
    const struct dir *d = meta_inode(m, r->dir)->dir;
    if (kind == LAST_DOTDOT && d->up != NULL)
        r->dir = d->up->ino;
    arrive(w, r->dir, kind);
    return 0;
}

/* One name. *done: it was the last one. */
static int step_name(const struct meta *m, struct rest *r, uint32_t flags, struct walk *w, struct str name, bool *done)
{
    if (name.len > WIRE_NAME_MAX)
        return DFS_ENAMETOOLONG;
    uint64_t ino = names_find(&m->names, r->dir, name);
    bool last = !w->slash || !names_left(r);
    const struct inode *in = ino != 0 ? meta_inode(m, ino) : NULL;
    bool follow = !last || (flags & (w->slash ? WALK_SLASH_FOLLOWS : WALK_FOLLOW));
    if (in != NULL && inode_type(in) == INODE_SYMLINK && follow) {
        if (++w->links > META_SYMLINK_DEPTH)
            return DFS_ELOOP;
        int rv = start_part(r, (struct str){in->target, (uint32_t)in->size});
        arrive(w, r->dir, r->dir == ROOT_INO ? LAST_ROOT : LAST_DOT); /* stands only if the target was "/" */
        return rv;
    }
    if (last) {
        *w = (struct walk){.ino = ino, .parent = r->dir, .name = name, .slash = w->slash, .links = w->links};
        *done = true;
        return 0;
    }
    if (in == NULL)
        return DFS_ENOENT;
    if (!is_dir(in))
        return DFS_ENOTDIR;
    r->dir = ino;
    return 0;
}

int meta_walk(const struct meta *m, uint64_t dir, struct str path, uint32_t flags, struct walk *w)
{
    struct rest r; /* not zeroed: the stack is large and mostly unused */
    r.n = 0;
    r.dir = dir;
    const struct inode *start = meta_inode(m, dir);
    if (start == NULL || (dir != ROOT_INO && is_dir(start) && meta_top(m, dir) != ROOT_INO))
        return DFS_ENOENT; /* removed, though a trash may have it */
    int rv = start_part(&r, path);
    if (rv != 0)
        return rv;
    if (path.len > 0 && path.p[0] != '/' && !is_dir(start))
        return DFS_ENOTDIR;
    arrive(w, r.dir, r.dir == ROOT_INO ? LAST_ROOT : LAST_DOT);
    w->slash = path.len > 0; /* only slashes, so far */
    for (bool done = false; !done && more_names(&r);) {
        struct str name = take_name(&r, &w->slash);
        if (name.len == 1 && name.p[0] == '.')
            rv = step_dots(m, &r, w, LAST_DOT);
        else if (name.len == 2 && name.p[0] == '.' && name.p[1] == '.')
            rv = step_dots(m, &r, w, LAST_DOTDOT);
        else
            rv = step_name(m, &r, flags, w, name, &done);
        if (rv != 0)
            return rv;
    }
    return 0;
}

int meta_walk_existing(const struct meta *m, uint64_t dir, struct str path, uint32_t flags, uint64_t *ino)
{
    struct walk w = {.links = 0};
    int rv = meta_walk(m, dir, path, flags | WALK_SLASH_FOLLOWS, &w);
    if (rv != 0)
        return rv;
    if (w.ino == 0)
        return DFS_ENOENT;
    if (w.slash && w.kind == LAST_NAME && !is_dir(meta_inode(m, w.ino)))
        return DFS_ENOTDIR;
    *ino = w.ino;
    return 0;
}
