/* SPDX-License-Identifier: MIT */
/* Locks files, for locks.sh, and keeps them open, for open.sh: dfs-locker count PATH TIMES, dfs-locker hold PATH TEXT, dfs-locker
 * alone PATH -, dfs-locker keep PATH -. */
#include <dfs/dfs.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct dfs_sync *s;
static uint64_t f;

static void must(int status, const char *what)
{
    if (status == 0)
        return;
    fprintf(stderr, "dfs-locker: %s: %s: %s\n", what, dfs_errname(status), dfs_sync_error(s));
    exit(1);
}

/* Reads a number and writes the next one, a range of its own digits locked alone: none may get lost. */
static void count(int times)
{
    struct dfs_lock l = {
        .owner = (uint64_t)getpid(), .type = DFS_LOCK_EXCLUSIVE, .range = true, .start = 100, .end = 109};
    char digits[16] = "";
    size_t got = 0;
    for (int i = 0; i < times; i++) {
        must(dfs_sync_lock(s, f, &l, UINT64_MAX), "lock");
        must(dfs_sync_pread(s, f, 0, digits, 10, &got), "read");
        digits[got] = 0;
        snprintf(digits, sizeof digits, "%010d", atoi(digits) + 1);
        must(dfs_sync_pwrite(s, f, 0, digits, 10), "write");
        must(dfs_sync_unlock(s, f, &l), "unlock");
    }
}

/* The next line of standard input; meanwhile the NameServers hear that we are there. */
static int next_line(char *line, int size)
{
    struct pollfd in = {.fd = 0, .events = POLLIN};
    struct dfs_attr attr;
    while (poll(&in, 1, 300) == 0)
        dfs_sync_stat(s, "/", 0, &attr);
    return fgets(line, size, stdin) != NULL;
}

/* Holds the file, says so, and writes whenever it is told to by a line; the outcome is printed. */
static void hold(const char *text)
{
    struct dfs_lock l = {.owner = 1, .type = DFS_LOCK_EXCLUSIVE};
    char line[80];
    must(dfs_sync_lock(s, f, &l, UINT64_MAX), "lock");
    must(dfs_sync_pwrite(s, f, 0, text, strlen(text)), "write");
    printf("locked\n");
    fflush(stdout);
    while (next_line(line, sizeof line)) {
        int status = dfs_sync_pwrite(s, f, 0, text, strlen(text));
        printf("%s\n", status ? dfs_errname(status) : "written");
        fflush(stdout);
    }
}

static void alone(void)
{
    struct dfs_lock a = {.owner = 1, .type = DFS_LOCK_EXCLUSIVE, .range = true, .start = 0, .end = 0}, b = a, found;
    b.owner = 2;
    must(dfs_sync_lock(s, f, &a, 0), "lock");
    b.start = b.end = 1;
    must(dfs_sync_lock(s, f, &b, 0), "lock");
    b.start = b.end = 0;
    must(dfs_sync_lock_query(s, f, &b, &found), "query");
    if (found.owner != 1 || found.type != DFS_LOCK_EXCLUSIVE || found.end != 0)
        must(DFS_EIO, "what is in the way");
    if (dfs_sync_lock(s, f, &b, 0) != DFS_ELOCKED || dfs_sync_lock(s, f, &b, 300) != DFS_ETIMEDOUT)
        must(DFS_EIO, "a lock that another owner has");
    must(dfs_sync_unlock(s, f, &a), "unlock");
    must(dfs_sync_lock(s, f, &b, 0), "lock");
    must(dfs_sync_lock_query(s, f, &b, &found), "query");
    if (found.type != 0)
        must(DFS_EIO, "nothing is in the way");
}

/* Prints what the open file holds, for each line it is given; a line "append" puts "+" behind it first, "quit" ends it. */
static void keep(void)
{
    char line[80], text[200];
    printf("open\n");
    fflush(stdout);
    while (next_line(line, sizeof line)) {
        size_t got = 0;
        if (strcmp(line, "quit\n") == 0)
            return;
        int status = dfs_sync_pread(s, f, 0, text, sizeof text, &got);
        if (status == 0 && strcmp(line, "append\n") == 0) {
            status = dfs_sync_pwrite(s, f, got, "+", 1);
            text[got++] = '+';
        }
        printf("%.*s\n", status ? 100 : (int)got, status ? dfs_errname(status) : text);
        fflush(stdout);
    }
}

int main(int argc, char **argv)
{
    if (argc != 4) {
        fprintf(stderr, "usage: dfs-locker count PATH TIMES | hold PATH TEXT | alone PATH - | keep PATH -\n");
        return 2;
    }
    must(dfs_sync_open(NULL, &s), "connect");
    must(dfs_sync_file_open(s, argv[2], DFS_READ | DFS_WRITE | DFS_CREATE, 0644, &f), "open");
    if (strcmp(argv[1], "count") == 0)
        count(atoi(argv[3]));
    else if (strcmp(argv[1], "hold") == 0)
        hold(argv[3]);
    else if (strcmp(argv[1], "keep") == 0)
        keep();
    else
        alone();
    dfs_sync_file_close(s, f);
    dfs_sync_close(s);
    return 0;
}
