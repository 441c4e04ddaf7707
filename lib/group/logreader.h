/* SPDX-License-Identifier: MIT */
/* Reads a file through a window, so that opening a log of any size takes little memory. */
#ifndef DFS_GROUP_LOGREADER_H
#define DFS_GROUP_LOGREADER_H

#include "wire/disk.h"

struct logreader {
    struct disk *disk;
    char name[DISK_NAME_MAX + 1];
    uint8_t *buf;
    size_t cap, len; /* of the window */
    uint64_t off;    /* where it begins */
    int error;       /* sticky: a read failed */
};

void logreader_open(struct logreader *r, struct disk *disk, const char *name);
void logreader_close(struct logreader *r);
/* n bytes at off, valid until the next call; NULL: the file is shorter, or r->error. */
const uint8_t *logreader_get(struct logreader *r, uint64_t off, size_t n);

#endif
