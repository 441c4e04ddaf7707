/* SPDX-License-Identifier: MIT */
#include "support/memdisk.h"

#include <stdio.h>
#include <stdlib.h>

#include "support/memfile.h"

struct entry {
    char name[DISK_NAME_MAX + 1];
    struct memfile *file; /* one reference */
};

struct folder {
    struct entry *v;
    uint32_t n, cap;
};

/* A change of names that the folder's flush has not made durable yet; a crash carries each out, or does not. */
struct change {
    enum disk_kind kind; /* DISK_CREATE, DISK_RENAME, DISK_UNLINK */
    char name[DISK_NAME_MAX + 1], name2[DISK_NAME_MAX + 1];
    struct memfile *file; /* DISK_CREATE: one reference */
};

struct fault {
    uint32_t in; /* calls until it strikes; 0: none planned */
    int err;
    bool for_good, struck;
};

struct memdisk {
    struct disk base;
    struct rng rng;
    uint64_t capacity;
    struct folder now, durable;
    struct change *changes;
    uint32_t n_changes, cap_changes;
    struct disk_op **pending;
    uint32_t n_pending, cap_pending;
    struct fault faults[DISK_STAT + 1];
    bool skip_flush;
};

/* --- folders --- */

static struct entry *folder_find(const struct folder *f, const char *name)
{
    for (uint32_t i = 0; i < f->n; i++)
        if (strcmp(f->v[i].name, name) == 0)
            return &f->v[i];
    return NULL;
}

static void folder_remove(struct folder *f, const char *name)
{
    struct entry *e = folder_find(f, name);
    if (!e)
        return;
    memfile_unref(e->file);
    *e = f->v[--f->n];
}

/* Binds the name, replacing what it meant before. Takes a further reference. */
static void folder_bind(struct folder *f, const char *name, struct memfile *file)
{
    file->refs++;
    folder_remove(f, name);
    if (f->n == f->cap) {
        f->cap = f->cap ? 2 * f->cap : 8;
        f->v = xrealloc(f->v, f->cap, sizeof *f->v);
    }
    struct entry *e = &f->v[f->n++];
    snprintf(e->name, sizeof e->name, "%s", name);
    e->file = file;
}

static bool folder_rename(struct folder *f, const char *from, const char *to)
{
    struct entry *e = folder_find(f, from);
    if (!e)
        return false;
    if (strcmp(from, to) != 0) {
        folder_bind(f, to, e->file);
        folder_remove(f, from);
    }
    return true;
}

static void folder_clear(struct folder *f)
{
    for (uint32_t i = 0; i < f->n; i++)
        memfile_unref(f->v[i].file);
    f->n = 0;
}

static void folder_copy(struct folder *to, const struct folder *from)
{
    folder_clear(to);
    for (uint32_t i = 0; i < from->n; i++)
        folder_bind(to, from->v[i].name, from->v[i].file);
}

static void change_note(struct memdisk *d, enum disk_kind kind, const char *name, const char *name2,
                        struct memfile *file)
{
    if (d->n_changes == d->cap_changes) {
        d->cap_changes = d->cap_changes ? 2 * d->cap_changes : 8;
        d->changes = xrealloc(d->changes, d->cap_changes, sizeof *d->changes);
    }
    struct change *c = &d->changes[d->n_changes++];
    *c = (struct change){.kind = kind, .file = file};
    snprintf(c->name, sizeof c->name, "%s", name);
    snprintf(c->name2, sizeof c->name2, "%s", name2 ? name2 : "");
    if (file)
        file->refs++;
}

static void changes_clear(struct memdisk *d)
{
    for (uint32_t i = 0; i < d->n_changes; i++)
        memfile_unref(d->changes[i].file);
    d->n_changes = 0;
}

static void folder_flush(struct memdisk *d)
{
    if (d->skip_flush)
        return;
    folder_copy(&d->durable, &d->now);
    changes_clear(d);
}

/* --- the primitive operations: no faults, and folder changes not flushed --- */

static int fault_strikes(struct memdisk *d, enum disk_kind kind)
{
    struct fault *f = &d->faults[kind];
    if (f->in == 0 || --f->in > 0)
        return 0;
    f->in = f->for_good ? 1 : 0;
    f->struck = true;
    return f->err;
}

static uint64_t free_pages(const struct memdisk *d)
{
    uint64_t used = memdisk_used(&d->base), capacity = d->capacity;
    return used >= capacity ? 0 : (capacity - used) / MEMFILE_PAGE;
}

static struct memfile *file_create(struct memdisk *d, const char *name)
{
    struct memfile *f = memfile_new();
    folder_bind(&d->now, name, f);
    change_note(d, DISK_CREATE, name, NULL, f);
    memfile_unref(f); /* the folder and the change hold it now */
    return f;
}

static int name_unlink(struct memdisk *d, const char *name)
{
    if (!folder_find(&d->now, name))
        return DFS_ENOENT;
    folder_remove(&d->now, name);
    change_note(d, DISK_UNLINK, name, NULL, NULL);
    return 0;
}

static int name_rename(struct memdisk *d, const char *from, const char *to)
{
    if (!folder_rename(&d->now, from, to))
        return DFS_ENOENT;
    change_note(d, DISK_RENAME, from, to, NULL);
    return 0;
}

static int file_write(struct memdisk *d, struct memfile *f, uint64_t off, const void *p, uint64_t len)
{
    return memfile_write(f, off, p, len, free_pages(d)) < len ? DFS_ENOSPC : 0;
}

static int file_flush(struct memdisk *d, struct memfile *f)
{
    int err = fault_strikes(d, DISK_FLUSH);
    if (err)
        memfile_flush_lost(f);
    else if (!d->skip_flush)
        memfile_flush(f);
    return err;
}

/* --- struct disk_ops --- */

static struct memdisk *self(struct disk *d) { return CONTAINER_OF(d, struct memdisk, base); }

static int md_list(struct disk *disk, void (*each)(void *arg, const char *name, uint64_t size), void *arg)
{
    struct memdisk *d = self(disk);
    struct folder copy = {0};
    folder_copy(&copy, &d->now);
    for (uint32_t left = copy.n; left > 0; left--) { /* in any order, as readdir */
        uint32_t i = (uint32_t)rng_below(&d->rng, left);
        each(arg, copy.v[i].name, copy.v[i].file->size);
        struct entry e = copy.v[i];
        copy.v[i] = copy.v[left - 1];
        copy.v[left - 1] = e;
    }
    folder_clear(&copy);
    free(copy.v);
    return 0;
}

static int md_read(struct disk *disk, const char *name, uint64_t off, void *p, size_t len, size_t *got)
{
    struct memdisk *d = self(disk);
    struct entry *e = folder_find(&d->now, name);
    int err = fault_strikes(d, DISK_READ);
    *got = 0;
    if (err || !e)
        return err ? err : DFS_ENOENT;
    *got = memfile_read(e->file, off, p, len);
    return 0;
}

static void md_ahead(struct disk *disk, const char *name, uint64_t off, uint64_t len)
{
    (void)disk;
    (void)name;
    (void)off;
    (void)len;
}

static int md_write(struct disk *disk, const char *name, uint64_t off, const void *p, size_t len)
{
    struct memdisk *d = self(disk);
    int err = fault_strikes(d, DISK_WRITE);
    if (err)
        return err;
    struct entry *e = folder_find(&d->now, name);
    return file_write(d, e ? e->file : file_create(d, name), off, p, len);
}

static int md_truncate(struct disk *disk, const char *name, uint64_t len)
{
    struct memdisk *d = self(disk);
    struct entry *e = folder_find(&d->now, name);
    int err = fault_strikes(d, DISK_WRITE);
    if (err || !e)
        return err ? err : DFS_ENOENT;
    memfile_truncate(e->file, len);
    return 0;
}

static int md_sync(struct disk *disk, const char *name)
{
    struct memdisk *d = self(disk);
    struct entry *e = name ? folder_find(&d->now, name) : NULL;
    if (name)
        return e ? file_flush(d, e->file) : DFS_ENOENT;
    int err = fault_strikes(d, DISK_FLUSH);
    if (!err)
        folder_flush(d);
    return err;
}

static int md_rename(struct disk *disk, const char *from, const char *to)
{
    struct memdisk *d = self(disk);
    int err = fault_strikes(d, DISK_RENAME);
    if (!err)
        err = name_rename(d, from, to);
    if (!err)
        folder_flush(d);
    return err;
}

static int md_unlink(struct disk *disk, const char *name)
{
    struct memdisk *d = self(disk);
    int err = fault_strikes(d, DISK_UNLINK);
    if (!err)
        err = name_unlink(d, name);
    if (!err)
        folder_flush(d);
    return err;
}

static int md_space(struct disk *disk, uint64_t *free_bytes, uint64_t *total_bytes)
{
    struct memdisk *d = self(disk);
    int err = fault_strikes(d, DISK_STAT);
    *free_bytes = free_pages(d) * MEMFILE_PAGE;
    *total_bytes = d->capacity;
    return err;
}

static void md_submit(struct disk *disk, struct disk_op *op)
{
    struct memdisk *d = self(disk);
    if (d->n_pending == d->cap_pending) {
        d->cap_pending = d->cap_pending ? 2 * d->cap_pending : 16;
        d->pending = xrealloc(d->pending, d->cap_pending, sizeof(struct disk_op *));
    }
    d->pending[d->n_pending++] = op;
}

static const struct disk_ops memdisk_ops = {
    .list = md_list,
    .read = md_read,
    .ahead = md_ahead,
    .write = md_write,
    .truncate = md_truncate,
    .sync = md_sync,
    .rename = md_rename,
    .unlink = md_unlink,
    .space = md_space,
    .submit = md_submit,
};

/* --- submitted operations --- */

static int op_create(struct memdisk *d, const struct disk_op *op)
{
    int err = fault_strikes(d, DISK_CREATE);
    if (err)
        return err;
    if (folder_find(&d->now, op->name))
        return DFS_EEXIST;
    struct memfile *f = file_create(d, op->name);
    if (!memfile_preallocate(f, op->length, free_pages(d))) {
        name_unlink(d, op->name);
        return DFS_ENOSPC;
    }
    if (!d->skip_flush)
        memfile_flush(f);
    folder_flush(d);
    return 0;
}

static int write_slices(struct memdisk *d, struct memfile *f, const struct disk_op *op)
{
    uint64_t at = op->offset;
    for (uint32_t i = 0; i < op->n_data; i++) {
        int err = file_write(d, f, at, slice_data(op->data[i]), op->data[i].len);
        if (err)
            return err;
        at += op->data[i].len;
    }
    return 0;
}

static int op_write(struct memdisk *d, const struct disk_op *op)
{
    struct entry *e = folder_find(&d->now, op->name);
    int err = fault_strikes(d, DISK_WRITE);
    if (err || !e)
        return err ? err : DFS_ENOENT;
    err = write_slices(d, e->file, op);
    return err || !op->flush ? err : file_flush(d, e->file);
}

static int op_read(struct memdisk *d, struct disk_op *op)
{
    struct entry *e = folder_find(&d->now, op->name);
    int err = fault_strikes(d, DISK_READ);
    if (err || !e)
        return err ? err : DFS_ENOENT;
    uint64_t left = op->offset < e->file->size ? e->file->size - op->offset : 0;
    uint32_t len = (uint32_t)min_u64(op->length, left);
    if (op->n_data == 0) {
        op->data = xrealloc(op->data, 1, sizeof *op->data);
        op->data[0] = (struct slice){0};
        op->n_data = 1;
    }
    slice_drop(&op->data[0]);
    struct buf *b = buf_new(len);
    if (!b)
        return DFS_ENOMEM;
    memfile_read(e->file, op->offset, b->data, len);
    op->data[0] = slice_take(b, 0, len);
    return 0;
}

static int op_punch(struct memdisk *d, const struct disk_op *op)
{
    struct entry *e = folder_find(&d->now, op->name);
    int err = fault_strikes(d, DISK_PUNCH);
    if (err || !e)
        return err ? err : DFS_ENOENT;
    memfile_punch(e->file, op->offset, op->length);
    return 0;
}

static int op_carry_out(struct memdisk *d, struct disk_op *op)
{
    switch (op->kind) {
    case DISK_CREATE:
        return op_create(d, op);
    case DISK_WRITE:
        return op_write(d, op);
    case DISK_FLUSH:
        return md_sync(&d->base, op->name);
    case DISK_READ:
        return op_read(d, op);
    case DISK_PUNCH:
        return op_punch(d, op);
    case DISK_RENAME:
        return md_rename(&d->base, op->name, op->name2);
    case DISK_UNLINK: {
        int err = md_unlink(&d->base, op->name);
        return err == DFS_ENOENT ? 0 : err;
    }
    case DISK_STAT:
        return md_space(&d->base, &op->offset, &op->length);
    }
    return DFS_EINVAL;
}

/* What an operation may have got done before the process or the machine died. */
static void op_begin_only(struct memdisk *d, const struct disk_op *op)
{
    struct entry *e = folder_find(&d->now, op->name);
    if (op->kind == DISK_CREATE && !e) {
        memfile_preallocate(file_create(d, op->name), rng_below(&d->rng, op->length + 1), free_pages(d));
    } else if (op->kind == DISK_WRITE && e) {
        uint64_t total = 0, at = op->offset;
        for (uint32_t i = 0; i < op->n_data; i++)
            total += op->data[i].len;
        uint64_t left = rng_below(&d->rng, total + 1);
        for (uint32_t i = 0; i < op->n_data && left > 0; i++) {
            uint64_t n = min_u64(left, op->data[i].len);
            memfile_write(e->file, at, slice_data(op->data[i]), n, free_pages(d));
            at += n;
            left -= n;
        }
    } else if (op->kind == DISK_RENAME) {
        (void)name_rename(d, op->name, op->name2);
    } else if (op->kind == DISK_UNLINK) {
        (void)name_unlink(d, op->name);
    }
}

/* Ends all pending operations, in any order: done, begun or not begun. */
static void drop_pending(struct memdisk *d, enum crash_mode mode)
{
    memset(d->faults, 0, sizeof d->faults);
    while (d->n_pending > 0) {
        uint32_t i = mode == CRASH_RANDOM ? (uint32_t)rng_below(&d->rng, d->n_pending) : 0;
        struct disk_op *op = d->pending[i];
        memmove(&d->pending[i], &d->pending[i + 1], (--d->n_pending - i) * sizeof(struct disk_op *));
        uint64_t fate = mode == CRASH_RANDOM ? rng_below(&d->rng, 3) : mode == CRASH_KEEP_ALL ? 0 : 2;
        if (fate == 0)
            op->status = op_carry_out(d, op);
        else if (fate == 1)
            op_begin_only(d, op);
        disk_op_free(op);
    }
}

/* --- memdisk.h --- */

struct disk *memdisk_new(uint64_t seed, uint64_t capacity)
{
    struct memdisk *d = xcalloc(1, sizeof *d);
    d->base.ops = &memdisk_ops;
    d->capacity = capacity;
    rng_seed(&d->rng, seed);
    return &d->base;
}

void memdisk_free(struct disk *disk)
{
    if (!disk)
        return;
    struct memdisk *d = self(disk);
    for (uint32_t i = 0; i < d->n_pending; i++)
        disk_op_free(d->pending[i]);
    free(d->pending);
    changes_clear(d);
    free(d->changes);
    folder_clear(&d->now);
    folder_clear(&d->durable);
    free(d->now.v);
    free(d->durable.v);
    free(d);
}

struct copying {
    struct disk *from, *to;
    int err;
};

static void copy_file(void *arg, const char *name, uint64_t size)
{
    struct copying *c = arg;
    const uint8_t *bytes = memdisk_peek(c->from, name, &size);
    if (!c->err)
        c->err = c->to->ops->write(c->to, name, 0, bytes, size); /* makes an empty one, too */
    if (!c->err)
        c->err = c->to->ops->sync(c->to, name);
}

int memdisk_copy(struct disk *from, struct disk *to)
{
    struct copying c = {.from = from, .to = to};
    c.err = from->ops->list(from, copy_file, &c);
    return c.err ? c.err : to->ops->sync(to, NULL);
}

uint32_t memdisk_pending(const struct disk *disk) { return CONTAINER_OF(disk, const struct memdisk, base)->n_pending; }

struct disk_op *memdisk_complete(struct disk *disk, uint32_t i)
{
    struct memdisk *d = self(disk);
    assert(i < d->n_pending);
    struct disk_op *op = d->pending[i];
    memmove(&d->pending[i], &d->pending[i + 1], (--d->n_pending - i) * sizeof(struct disk_op *));
    op->status = op_carry_out(d, op);
    return op;
}

static void change_redo(struct folder *f, const struct change *c)
{
    if (c->kind == DISK_CREATE)
        folder_bind(f, c->name, c->file);
    else if (c->kind == DISK_RENAME)
        (void)folder_rename(f, c->name, c->name2);
    else
        folder_remove(f, c->name);
}

void memdisk_crash(struct disk *disk, enum crash_mode mode)
{
    struct memdisk *d = self(disk);
    drop_pending(d, mode);
    for (uint32_t i = 0; i < d->n_changes; i++)
        if (mode == CRASH_KEEP_ALL || (mode == CRASH_RANDOM && rng_below(&d->rng, 2)))
            change_redo(&d->durable, &d->changes[i]);
    changes_clear(d);
    folder_copy(&d->now, &d->durable);
    for (uint32_t i = 0; i < d->now.n; i++)
        memfile_crash(d->now.v[i].file, &d->rng, mode);
}

void memdisk_kill(struct disk *disk) { drop_pending(self(disk), CRASH_RANDOM); }

void memdisk_fail(struct disk *disk, enum disk_kind kind, uint32_t n, int err, bool for_good)
{
    self(disk)->faults[kind] = (struct fault){.in = n, .err = err, .for_good = for_good};
}

bool memdisk_struck(struct disk *disk, enum disk_kind kind) { return self(disk)->faults[kind].struck; }

void memdisk_resize(struct disk *disk, uint64_t capacity) { self(disk)->capacity = capacity; }

void memdisk_skip_flush(struct disk *disk, bool on) { self(disk)->skip_flush = on; }

const uint8_t *memdisk_peek(struct disk *disk, const char *name, uint64_t *size)
{
    struct entry *e = folder_find(&self(disk)->now, name);
    if (!e)
        return NULL;
    *size = e->file->size;
    return memfile_flat(e->file);
}

bool memdisk_flip(struct disk *disk, const char *name, uint64_t byte, uint8_t xor_mask)
{
    struct entry *e = folder_find(&self(disk)->now, name);
    if (!e || byte >= e->file->size)
        return false;
    memfile_flip(e->file, byte, xor_mask);
    return true;
}

bool memdisk_cut(struct disk *disk, const char *name, uint64_t size)
{
    struct entry *e = folder_find(&self(disk)->now, name);
    if (!e || size > e->file->size)
        return false;
    memfile_cut(e->file, size);
    return true;
}

uint64_t memdisk_used(const struct disk *disk)
{
    const struct memdisk *d = CONTAINER_OF(disk, const struct memdisk, base);
    uint64_t pages = 0;
    for (uint32_t i = 0; i < d->now.n; i++)
        pages += d->now.v[i].file->used_pages;
    return pages * MEMFILE_PAGE;
}
