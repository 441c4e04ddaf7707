/* SPDX-License-Identifier: MIT */
/* Directories. The kernel's offset of an entry is its place in the listing, from 1, with "." and ".." first; an open directory
 * keeps the page it is at, and the name each page of the listing ended with, so that it can be gone back to. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "mount.h"

#define PAGE 1000u

struct entry {
    struct dfs_attr attr;
    char *name;
};

struct dir {
    struct entry *page;
    size_t n;
    uint64_t first;   /* the place of the page's first entry, from 0, without the dots */
    uint64_t page_at; /* its number; UINT64_MAX: no page is here */
    bool eof;
    char **ends; /* the name each page ended with */
    size_t n_ends;
    uint64_t *starts; /* the place each page began at */
};

static struct dir *dir_of(const struct fuse_file_info *fi) { return (struct dir *)(uintptr_t)fi->fh; }

static void page_drop(struct dir *d)
{
    for (size_t i = 0; i < d->n; i++)
        free(d->page[i].name);
    free(d->page);
    d->page = NULL;
    d->n = 0;
    d->page_at = UINT64_MAX;
}

static void ends_drop(struct dir *d)
{
    for (size_t i = 0; i < d->n_ends; i++)
        free(d->ends[i]);
    d->n_ends = 0;
}

void op_opendir(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
    struct dir *d = xcalloc(1, sizeof *d);
    (void)ino;
    d->page_at = UINT64_MAX;
    fi->fh = (uintptr_t)d;
    if (fuse_reply_open(req, fi) != 0)
        free(d);
}

void op_releasedir(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
    struct dir *d = dir_of(fi);
    (void)ino;
    page_drop(d);
    ends_drop(d);
    free(d->ends);
    free(d->starts);
    free(d);
    fuse_reply_err(req, 0);
}

void op_fsyncdir(fuse_req_t req, fuse_ino_t ino, int datasync, struct fuse_file_info *fi)
{
    (void)ino;
    (void)datasync;
    (void)fi;
    fuse_reply_err(req, 0); /* names are durable when they are made */
}

static bool page_take(struct mount *m, struct dir *d, uint64_t number, const struct dfs_result *r)
{
    page_drop(d);
    d->page = xcalloc(r->n_entries + 1, sizeof *d->page);
    for (size_t i = 0; i < r->n_entries; i++) {
        dirs_changed(m, r->entries[i].attr.ino, 0); /* the kernel may be told something newer than what we know */
        d->page[i] = (struct entry){r->entries[i].attr, xstrdup(r->entries[i].name)};
    }
    d->n = r->n_entries;
    d->page_at = number;
    d->eof = r->eof;
    d->first = number ? d->starts[number] : 0;
    if (number == d->n_ends && d->n > 0) {
        d->ends = realloc(d->ends, (d->n_ends + 1) * sizeof *d->ends);
        d->starts = realloc(d->starts, (d->n_ends + 2) * sizeof *d->starts);
        if (!d->ends || !d->starts)
            abort();
        d->starts[number] = d->first;
        d->starts[number + 1] = d->first + d->n;
        d->ends[d->n_ends++] = xstrdup(d->page[d->n - 1].name);
    }
    return true;
}

/* The page that has this place; UINT64_MAX: it lies behind the end. */
static uint64_t page_with(const struct dir *d, uint64_t place)
{
    if (d->page_at != UINT64_MAX && place >= d->first && place < d->first + d->n)
        return d->page_at;
    if (d->page_at != UINT64_MAX && d->eof && place >= d->first + d->n)
        return UINT64_MAX;
    uint64_t p = 0;
    while (p < d->n_ends && place >= d->starts[p + 1])
        p++;
    return p;
}

static size_t add_entry(struct call *k, size_t at, const char *name, const struct dfs_attr *a, off_t next)
{
    struct fuse_entry_param e;
    char *to = (char *)k->buf + at;
    attr_entry(k->m, a, &e);
    if (!k->plus)
        return fuse_add_direntry(k->req, to, k->size - at, name, &e.attr, next);
    if (name[0] == '.' && (!name[1] || (name[1] == '.' && !name[2])))
        e.ino = 0; /* the kernel asks for no entry of these */
    else if (a->type == DFS_FILE && node_find(k->m, a->ino))
        e.attr_timeout = 0;
    return fuse_add_direntry_plus(k->req, to, k->size - at, name, &e, next);
}

/* Entries from k->offset on that are here. False: the buffer is full. */
static bool fill(struct call *k, size_t *len)
{
    const struct dir *d = k->dir;
    const struct dfs_attr dot = {.ino = k->ino, .type = DFS_DIRECTORY};
    while (k->offset < 2) {
        size_t n = add_entry(k, *len, k->offset ? ".." : ".", &dot, (off_t)k->offset + 1);
        if (n > k->size - *len)
            return false;
        *len += n;
        k->offset++;
    }
    for (;;) {
        uint64_t place = k->offset - 2;
        if (d->page_at == UINT64_MAX || place < d->first || place >= d->first + d->n)
            return true;
        const struct entry *e = &d->page[place - d->first];
        size_t n = add_entry(k, *len, e->name, &e->attr, (off_t)k->offset + 1);
        if (n > k->size - *len)
            return false;
        *len += n;
        k->offset++;
    }
}

static void answer(struct call *k, size_t len)
{
    fuse_reply_buf(k->req, (const char *)k->buf, len);
    call_free(k);
}

static void on_page(struct call *k, int status, const struct dfs_result *r)
{
    size_t len = 0;
    if (status != 0) {
        fuse_reply_err(k->req, call_errno(k, status));
        call_free(k);
        return;
    }
    page_take(k->m, k->dir, k->changes, r);
    fill(k, &len);
    answer(k, len);
}

static void list(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off, struct fuse_file_info *fi, bool plus)
{
    struct mount *m = fuse_req_userdata(req);
    struct call *k = call_new(m, req, ino, on_page);
    struct dir *d = dir_of(fi);
    size_t len = 0;
    k->dir = d;
    k->plus = plus;
    k->size = size;
    k->offset = (uint64_t)off;
    k->buf = xcalloc(1, size);
    if (off == 0) { /* from the start, as it is now */
        page_drop(d);
        ends_drop(d);
    }
    uint64_t number = page_with(d, k->offset < 2 ? 0 : k->offset - 2);
    if (number == UINT64_MAX || number == d->page_at) {
        fill(k, &len);
        answer(k, len);
        return;
    }
    k->changes = number;
    call_go(k, dfs_readdir(m->client, "", number ? d->ends[number - 1] : "", PAGE, on_call, k));
}

void op_readdir(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off, struct fuse_file_info *fi)
{
    list(req, ino, size, off, fi, false);
}

void op_readdirplus(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off, struct fuse_file_info *fi)
{
    list(req, ino, size, off, fi, true);
}
