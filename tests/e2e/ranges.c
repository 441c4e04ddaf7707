/* SPDX-License-Identifier: MIT */
/* System calls on ranges of files that no common program makes, for mount_holes.sh:
 *
 *   dfs-ranges map FILE                             where it has data: OFFSET+LENGTH…
 *   dfs-ranges at FILE OFFSET data|hole             what lseek says
 *   dfs-ranges copy FROM OFFSET TO OFFSET LENGTH    copy_file_range, until all is copied or nothing more comes */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int failed(const char *what)
{
    printf("%s: %s\n", what, strerror(errno));
    return 1;
}

static int map(int fd)
{
    off_t at = 0, end;
    const char *gap = "";
    while ((at = lseek(fd, at, SEEK_DATA)) >= 0) {
        end = lseek(fd, at, SEEK_HOLE);
        if (end <= at)
            return failed("SEEK_HOLE");
        printf("%s%lld+%lld", gap, (long long)at, (long long)(end - at));
        gap = " ";
        at = end;
    }
    printf("\n");
    return errno == ENXIO ? 0 : failed("SEEK_DATA");
}

static int copy(int from, off_t from_off, int to, off_t to_off, size_t len)
{
    ssize_t n = 1;
    while (len > 0 && (n = copy_file_range(from, &from_off, to, &to_off, len, 0)) > 0)
        len -= (size_t)n;
    return n < 0 ? failed("copy_file_range") : 0;
}

int main(int argc, char **argv)
{
    int fd = argc > 2 ? open(argv[2], O_RDWR) : -1;
    if (fd < 0)
        return failed("open");
    if (strcmp(argv[1], "map") == 0)
        return map(fd);
    if (strcmp(argv[1], "at") == 0 && argc == 5) {
        off_t at = lseek(fd, atoll(argv[3]), strcmp(argv[4], "data") == 0 ? SEEK_DATA : SEEK_HOLE);
        if (at < 0)
            return failed("lseek");
        printf("%lld\n", (long long)at);
        return 0;
    }
    if (strcmp(argv[1], "copy") != 0 || argc != 7)
        return 2;
    int to = open(argv[4], O_RDWR | O_CREAT, 0644);
    return to < 0 ? failed("open") : copy(fd, atoll(argv[3]), to, atoll(argv[5]), (size_t)atoll(argv[6]));
}
