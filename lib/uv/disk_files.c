/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "uv/disk_impl.h"

static void forget(struct uv_disk *d, struct disk_file *f)
{
    HASH_DEL(d->files, f);
    list_remove(&f->lru);
    d->n_files--;
    f->detached = true;
    if (f->refs > 0)
        return;
    close(f->fd);
    free(f);
}

struct disk_file *disk_file_get(struct uv_disk *d, const char *name)
{
    struct disk_file *f;
    HASH_FIND_STR(d->files, name, f);
    if (!f)
        return NULL;
    list_remove(&f->lru);
    list_push(&d->lru, &f->lru);
    f->refs++;
    return f;
}

void disk_file_put(struct uv_disk *d, struct disk_file *f)
{
    (void)d;
    if (--f->refs > 0 || !f->detached)
        return;
    close(f->fd);
    free(f);
}

void disk_file_adopt(struct uv_disk *d, const char *name, int fd)
{
    struct disk_file *f;
    HASH_FIND_STR(d->files, name, f);
    if (f) {
        close(fd); /* two jobs opened it at the same time */
        return;
    }
    if (d->n_files >= DISK_OPEN_FILES)
        LIST_FOR_EACH (e, &d->lru) {
            struct disk_file *old = CONTAINER_OF(e, struct disk_file, lru);
            if (old->refs == 0) {
                forget(d, old);
                break;
            }
        }
    f = xcalloc(1, sizeof *f);
    f->fd = fd;
    snprintf(f->name, sizeof f->name, "%s", name);
    HASH_ADD_STR(d->files, name, f);
    list_push(&d->lru, &f->lru);
    d->n_files++;
}

void disk_file_detach(struct uv_disk *d, const char *name)
{
    struct disk_file *f;
    d->names_changed++;
    HASH_FIND_STR(d->files, name, f);
    if (f)
        forget(d, f);
}

void disk_files_close(struct uv_disk *d)
{
    struct disk_file *f, *next;
    HASH_ITER(hh, d->files, f, next)
        forget(d, f);
}
