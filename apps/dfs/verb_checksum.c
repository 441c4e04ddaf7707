/* SPDX-License-Identifier: MIT */
#include <stdlib.h>

#include "digest.h"
#include "tree.h"

struct sums {
    struct cli *cli;
    enum digest_kind kind;
    size_t printed;
};

/* A line as sha256sum prints it: a name that would break the line is escaped, and the line begins with a backslash. */
static void print_line(const char *hex, const char *path)
{
    bool escape = strpbrk(path, "\n\r") != NULL;
    char *name = xcalloc(2, strlen(path) + 1), *to = name;
    for (const char *c = path; *c; c++) {
        if (escape && (*c == '\n' || *c == '\r' || *c == '\\')) {
            *to++ = '\\';
            *to++ = *c == '\n' ? 'n' : *c == '\r' ? 'r' : '\\';
        } else {
            *to++ = *c;
        }
    }
    printf("%s%s  ", escape ? "\\" : "", hex);
    text_name(stdout, name);
    putchar('\n');
    free(name);
}

static void sum_file(struct sums *s, const char *path)
{
    struct cli *cli = s->cli;
    struct digest d;
    struct call k = CALL(cli);
    char hex[DIGEST_HEX];
    digest_init(&d, s->kind);
    struct dfs_sink sink = {digest_sink, digest_restart, &d};
    int err = call_wait(&k, dfs_get(cli->client, path, 0, UINT64_MAX, &sink, on_call, &k));
    digest_end(&d, hex);
    if (err) {
        cli_fail(cli, path, "%s", k.error);
    } else if (cli->opt.json) {
        fputs(s->printed++ ? ",\n{" : "{", stdout);
        json_name(stdout, "path", path);
        printf(",\"size\":%" PRIu64 ",\"algorithm\":\"%s\",\"checksum\":\"%s\"}", k.attr.size, digest_name(s->kind),
               hex);
    } else {
        print_line(hex, path);
    }
    call_free(&k);
}

static void sum_below(struct sums *s, const char *dir)
{
    char *after = xstrdup("");
    struct page p;
    for (bool eof = false; !eof;) {
        if (page_read(s->cli, dir, after, &p) != 0)
            break;
        for (size_t i = 0; i < p.n && !ferror(stdout); i++) {
            char *path = path_join(dir, p.v[i].name);
            if (p.v[i].attr.type == DFS_DIRECTORY)
                sum_below(s, path);
            else if (p.v[i].attr.type == DFS_FILE)
                sum_file(s, path);
            free(path);
        }
        eof = p.eof || ferror(stdout);
        free(after);
        after = xstrdup(p.n ? p.v[p.n - 1].name : "");
        page_free(&p);
    }
    free(after);
}

int verb_checksum(struct cli *cli)
{
    struct sums s = {.cli = cli};
    if (!digest_parse(cli->opt.algorithm ? cli->opt.algorithm : "sha256", &s.kind)) {
        fprintf(stderr, "dfs: checksum: --algorithm: \"%s\" is neither crc32c nor sha256\n", cli->opt.algorithm);
        return cli->status = 2;
    }
    if (cli->opt.json)
        putchar('[');
    for (size_t i = 0; i < cli->n_args; i++) {
        struct dfs_attr a;
        if (cli->opt.recursive && cli_stat(cli, cli->args[i], &a) == 0 && a.type == DFS_DIRECTORY)
            sum_below(&s, cli->args[i]);
        else
            sum_file(&s, cli->args[i]);
    }
    if (cli->opt.json)
        printf("]\n");
    return 0;
}
