/* SPDX-License-Identifier: MIT */
/* Reading ahead, for those who read a file from one end to the other, a megabyte at a time and several at once. To the kernel that
 * looks like reads at random, so that it does not read ahead enough by itself, and POSIX_FADV_WILLNEED asks the disk for single pages, a
 * few hundred of which fill the queue of a virtual disk. A page fault in a mapping that is advised to be of huge pages is
 * answered with a read of one huge page, where the file system has large folios (XFS; ext4 since Linux 6.16); elsewhere with one of as
 * many pages. What is in memory already is not mapped page by page for that, which would cost a seventh of reading it. */
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "uv/disk_impl.h"

#define HUGE_PAGE (2u * 1024 * 1024) /* of x86 and arm64 with pages of 4 KiB */
#define SAMPLE (256u * 1024)         /* one page in so many bytes is looked at; what is missing between is read all the same */
#define NEAR (8u * 1024 * 1024)      /* reads of one reader may overtake each other by so much */

#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ 22 /* Linux 5.14 */
#endif

bool disk_stream(struct disk_file *f, const struct disk_op *op)
{
    uint64_t end = op->offset + op->length, before = f ? f->read_to : 0;
    if (op->length < DISK_LONG_READ)
        return false;
    if (f)
        f->read_to = end;
    return op->offset < before + NEAR && end + NEAR > before;
}

/* Whether [from, from + len) of a mapping has been read. It is asked without touching anything: a read would wait for what is on its
 * way, and have the kernel read further ahead before that has come. */
static bool in_memory(uint8_t *map, uint64_t from, uint64_t len)
{
    const uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
    unsigned char resident = 1;
    for (uint64_t at = 0; at < len && resident & 1; at += SAMPLE) {
        uint64_t last = from + min_u64(at + SAMPLE, len) - 1;
        if (mincore(map + last / page * page, 1, &resident) != 0)
            return false;
    }
    return resident & 1;
}

static bool map_read(uint8_t *map, uint64_t size)
{
    bool done = madvise(map, size, MADV_HUGEPAGE) == 0 && madvise(map, size, MADV_RANDOM) == 0; /* one fault, one huge page */
    for (uint64_t at = 0; at < size && done; at += HUGE_PAGE)
        done = madvise(map + at, 1, MADV_POPULATE_READ) == 0;
    return done;
}

static bool read_huge(int fd, uint64_t off, uint64_t len)
{
    uint64_t from = off / HUGE_PAGE * HUGE_PAGE, size = round_up(off + len, HUGE_PAGE) - from;
    uint8_t *map = mmap(NULL, size, PROT_READ, MAP_SHARED, fd, (off_t)from);
    if (map == MAP_FAILED)
        return false;
    bool done = in_memory(map, off - from, len) || map_read(map, size);
    munmap(map, size);
    return done;
}

void disk_ahead(int fd, uint64_t off, uint64_t len, bool stream)
{
    if (!stream || !read_huge(fd, off, len))
        (void)posix_fadvise(fd, (off_t)off, (off_t)len, POSIX_FADV_WILLNEED);
}
