/* SPDX-License-Identifier: MIT */
/* Copies a local file into the cluster and prints what became of it: the synchronous face of libdfs.
 *
 *   cc copy.c $(pkg-config --cflags --libs dfs) && ./a.out FILE /PATH */
#include <dfs/dfs.h>
#include <inttypes.h>
#include <stdio.h>

static int read_file(void *arg, uint64_t offset, void *buf, size_t len, size_t *got)
{
    FILE *f = arg;
    if (fseeko(f, (off_t)offset, SEEK_SET) != 0)
        return DFS_EIO;
    *got = fread(buf, 1, len, f);
    return ferror(f) ? DFS_EIO : 0;
}

int main(int argc, char **argv)
{
    struct dfs_sync *dfs;
    struct dfs_attr attr;
    FILE *f = argc == 3 ? fopen(argv[1], "rb") : NULL;
    if (!f) {
        fprintf(stderr, "usage: copy FILE PATH\n");
        return 2;
    }
    int err = dfs_sync_open(NULL, &dfs); /* the NameServer is $DFS_NM */
    if (err) {
        fprintf(stderr, "copy: %s\n", dfs_strerror(err));
        return 1;
    }
    struct dfs_source source = {.read = read_file, .arg = f, .seekable = true};
    err = dfs_sync_put(dfs, argv[2], &source, NULL);
    if (!err)
        err = dfs_sync_stat(dfs, argv[2], 0, &attr);
    if (err)
        fprintf(stderr, "copy: %s: %s\n", argv[2], dfs_sync_error(dfs));
    else
        printf("%s: %" PRIu64 " bytes, %u chunks, %u copies\n", argv[2], attr.size, attr.chunks, attr.goal);
    dfs_sync_close(dfs);
    fclose(f);
    return err != 0;
}
