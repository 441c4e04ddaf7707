/* SPDX-License-Identifier: MIT */
#include "sim/oracle.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/rand.h"

/* --- values --- */

static uint64_t value_word(struct value v, uint64_t i)
{
    return i == 0 ? v.id : mix64(v.id * 0x9e3779b97f4a7c15ULL + i);
}

void value_fill(struct value v, uint64_t off, void *p, size_t len)
{
    uint8_t *to = p;
    while (len > 0) {
        uint8_t word[8];
        put_u64(word, value_word(v, off / 8));
        size_t n = min_u64(len, 8 - off % 8);
        memcpy(to, word + off % 8, n);
        to += n;
        off += n;
        len -= n;
    }
}

bool value_is(struct value v, const void *p, size_t len)
{
    const uint8_t *at = p;
    if (len != v.size)
        return false;
    for (uint64_t off = 0; off < len; off += 8) {
        uint8_t word[8];
        put_u64(word, value_word(v, off / 8));
        if (memcmp(at + off, word, min_u64(8, len - off)) != 0)
            return false;
    }
    return true;
}

/* --- the tree --- */

static struct tree_entry *find(struct tree *t, const char *path)
{
    for (uint32_t i = 0; i < t->n; i++)
        if (strcmp(t->v[i].path, path) == 0)
            return &t->v[i];
    return NULL;
}

const struct tree_entry *tree_find(const struct tree *t, const char *path)
{
    return find((struct tree *)(uintptr_t)t, path);
}

static bool is_below(const char *path, const char *dir)
{
    size_t len = strlen(dir);
    return strncmp(path, dir, len) == 0 && path[len] == '/';
}

bool tree_is_child(const char *path, const char *dir)
{
    return is_below(path, dir) && !strchr(path + strlen(dir) + 1, '/');
}

uint32_t tree_count(const struct tree *t, const char *dir)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < t->n; i++)
        n += tree_is_child(t->v[i].path, dir);
    return n;
}

/* 0, DFS_ENOENT or DFS_ENOTDIR: whether the directory the path is in can be walked to. */
static int check_parents(const struct tree *t, const char *path)
{
    char dir[SIM_PATH_MAX];
    for (size_t i = 1; path[i]; i++) {
        if (path[i] != '/')
            continue;
        snprintf(dir, sizeof dir, "%.*s", (int)i, path);
        const struct tree_entry *e = tree_find(t, dir);
        if (!e)
            return DFS_ENOENT;
        if (e->type != DFS_DIRECTORY)
            return DFS_ENOTDIR;
    }
    return 0;
}

static void tree_add(struct tree *t, const char *path, uint8_t type, struct value v, const char *target)
{
    char dir[SIM_PATH_MAX];
    const char *slash = strrchr(path, '/');
    snprintf(dir, sizeof dir, "%.*s", slash ? (int)(slash - path) : 0, path);
    const struct tree_entry *parent = tree_find(t, dir);
    uint8_t goal = parent && type != DFS_SYMLINK ? parent->goal : 0;
    assert(t->n < TREE_MAX);
    struct tree_entry *e = &t->v[t->n++];
    *e = (struct tree_entry){.type = type, .goal = goal, .value = v};
    snprintf(e->path, sizeof e->path, "%s", path);
    snprintf(e->target, sizeof e->target, "%s", target);
}

static int step_rename(struct tree *t, const struct op *op)
{
    struct tree_entry *from = find(t, op->path), *to = find(t, op->path2);
    int err = check_parents(t, op->path);
    err = err ? err : check_parents(t, op->path2); /* both are walked to before the names are looked up, as on Linux */
    if (err || !from)
        return err ? err : DFS_ENOENT;
    bool directory = from->type == DFS_DIRECTORY;
    if (to == from)
        return 0;
    if (directory && is_below(op->path2, op->path))
        return DFS_EINVAL;
    if (to && directory && to->type != DFS_DIRECTORY)
        return DFS_ENOTDIR;
    if (to && !directory && to->type == DFS_DIRECTORY)
        return DFS_EISDIR;
    if (to && directory && tree_count(t, op->path2) > 0)
        return DFS_ENOTEMPTY;
    if (to)
        *to = t->v[--t->n];
    size_t len = strlen(op->path);
    for (uint32_t i = 0; i < t->n; i++) {
        char *path = t->v[i].path, moved[2 * SIM_PATH_MAX];
        if (strcmp(path, op->path) != 0 && !is_below(path, op->path))
            continue;
        snprintf(moved, sizeof moved, "%s%s", op->path2, path + len);
        snprintf(path, SIM_PATH_MAX, "%.*s", SIM_PATH_MAX - 1, moved);
    }
    return 0;
}

static void remove_all(struct tree *t, const char *path)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < t->n; i++)
        if (strcmp(t->v[i].path, path) != 0 && !is_below(t->v[i].path, path))
            t->v[kept++] = t->v[i];
    t->n = kept;
}

int tree_step(struct tree *t, const struct op *op)
{
    if (op->kind == OP_RENAME)
        return step_rename(t, op);
    int err = check_parents(t, op->path);
    struct tree_entry *e = find(t, op->path);
    if (err)
        return err;
    switch (op->kind) {
    case OP_PUT:
        if (e && e->type == DFS_DIRECTORY)
            return DFS_EISDIR;
        if (e)
            e->value = op->value;
        else
            tree_add(t, op->path, DFS_FILE, op->value, "");
        return 0;
    case OP_MKDIR:
    case OP_SYMLINK:
        if (e)
            return DFS_EEXIST;
        tree_add(t, op->path, op->kind == OP_MKDIR ? DFS_DIRECTORY : DFS_SYMLINK, (struct value){0}, op->path2);
        return 0;
    case OP_SETATTR:
        if (e)
            e->goal = op->goal;
        return e ? 0 : DFS_ENOENT;
    case OP_REMOVE:
        if (!e)
            return DFS_ENOENT;
        remove_all(t, op->path);
        return 0;
    case OP_UNLINK:
    case OP_RMDIR:
        if (!e)
            return DFS_ENOENT;
        if ((e->type == DFS_DIRECTORY) != (op->kind == OP_RMDIR))
            return op->kind == OP_RMDIR ? DFS_ENOTDIR : DFS_EISDIR;
        if (e->type == DFS_DIRECTORY && tree_count(t, op->path) > 0)
            return DFS_ENOTEMPTY;
        *e = t->v[--t->n];
        return 0;
    default:
        return DFS_EINVAL;
    }
}

/* --- the register --- */

void reg_init(struct reg *r, const char *path)
{
    *r = (struct reg){0};
    snprintf(r->path, sizeof r->path, "%s", path);
    reg_end(r, reg_begin(r, (struct value){0}, 0), 0); /* it was absent in the beginning */
}

void reg_close(struct reg *r) { free(r->writes); }

uint32_t reg_begin(struct reg *r, struct value v, uint64_t now)
{
    if (r->n == r->cap) {
        r->cap = r->cap ? 2 * r->cap : 16;
        r->writes = xrealloc(r->writes, r->cap, sizeof *r->writes);
    }
    r->writes[r->n] = (struct reg_write){.value = v, .start = now, .end = UINT64_MAX};
    return r->n++;
}

void reg_end(struct reg *r, uint32_t write, uint64_t now) { r->writes[write].end = min_u64(r->writes[write].end, now); }

void reg_failed(struct reg *r, uint32_t write) { r->writes[write].never = true; }

/* Could a read in [start, end] see w? Not if it began later, nor if another write came after it and ended before start. */
static bool possible(const struct reg *r, const struct reg_write *w, uint64_t start, uint64_t end)
{
    if (w->never || w->start > end)
        return false;
    for (uint32_t i = 0; i < r->n; i++) {
        const struct reg_write *over = &r->writes[i];
        if (!over->never && over->start > w->end && over->end < start)
            return false;
    }
    return true;
}

bool reg_read(struct reg *r, uint64_t start, uint64_t end, const void *p, size_t len)
{
    struct reg_write *only = NULL;
    uint32_t found = 0;
    for (uint32_t i = r->n; i-- > 0;) {
        struct reg_write *w = &r->writes[i];
        bool same = p ? w->value.id != 0 && value_is(w->value, p, len) : w->value.id == 0;
        if (!same || !possible(r, w, start, end))
            continue;
        only = w;
        found++;
    }
    if (found == 1) /* which write it was is certain: it had happened by now */
        only->end = min_u64(only->end, end);
    return found > 0;
}

bool reg_there(const struct reg *r, uint64_t start, uint64_t end)
{
    for (uint32_t i = r->n; i-- > 0;)
        if (r->writes[i].value.id != 0 && possible(r, &r->writes[i], start, end))
            return true;
    return false;
}
