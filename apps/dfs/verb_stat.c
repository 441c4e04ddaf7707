/* SPDX-License-Identifier: MIT */
#include <grp.h>
#include <pwd.h>

#include "cli.h"

static void print_owner(uint32_t id, bool group)
{
    const struct passwd *p = group ? NULL : getpwuid(id);
    const struct group *g = group ? getgrgid(id) : NULL;
    if (p || g)
        fputs(p ? p->pw_name : g->gr_name, stdout);
    else
        printf("%u", id);
}

static void print(const char *path, const struct dfs_attr *a, const char *target)
{
    char mode[11], mtime[40], ctime[40], size[32];
    text_mode(a, mode);
    text_time(a->mtime_ns, mtime);
    text_time(a->ctime_ns, ctime);
    printf("%-10s ", "path");
    text_name(stdout, path);
    printf("\n%-10s %s", "type", text_type(a->type));
    if (target && *target) {
        printf(" to ");
        text_name(stdout, target);
    }
    printf("\n%-10s %" PRIu64 " (%s)\n", "size", a->size, text_size(a->size, size));
    printf("%-10s %04o (%s)\n%-10s ", "mode", a->mode, mode, "owner");
    print_owner(a->uid, false);
    putchar(':');
    print_owner(a->gid, true);
    printf(" (%u:%u)\n", a->uid, a->gid);
    printf("%-10s %s\n%-10s %s\n", "modified", mtime, "changed", ctime);
    if (a->type == DFS_FILE)
        printf("%-10s %u, goal %u copies\n", "chunks", a->chunks, a->goal);
    printf("%-10s inode %" PRIu64 ", generation %" PRIu64 ", links %u\n", "identity", a->ino, a->generation, a->nlink);
}

static void take_xattrs(void *arg, const struct dfs_result *r)
{
    const struct cli *cli = arg;
    for (size_t i = 0; i < r->n_xattrs; i++) {
        if (cli->opt.json) {
            fputs(i ? "," : ",\"xattrs\":[", stdout);
            json_string(stdout, r->xattrs[i].name);
        } else {
            printf("%-10s ", i ? "" : "xattrs");
            text_name(stdout, r->xattrs[i].name);
            printf(" (%zu bytes)\n", r->xattrs[i].size);
        }
    }
    if (cli->opt.json && r->n_xattrs)
        putchar(']');
}

static void print_xattrs(struct cli *cli, const char *path)
{
    struct call k = CALL(cli);
    k.take = take_xattrs;
    k.take_arg = cli;
    int err = call_wait(&k, dfs_listxattr(cli->client, path, DFS_NOFOLLOW, on_call, &k));
    if (err && err != DFS_ENOENT) /* it went meanwhile */
        cli_fail(cli, path, "%s", k.error);
    call_free(&k);
}

/* --- --format --- */

static void print_time(int64_t ns)
{
    char text[40];
    text_time(ns, text);
    fputs(text, stdout);
}

static void print_number(char what, const struct dfs_attr *a)
{
    const int64_t second = (int64_t)NS_PER_SEC;
    uint64_t n = what == 's'   ? a->size
                 : what == 'u' ? a->uid
                 : what == 'g' ? a->gid
                 : what == 'h' ? a->nlink
                 : what == 'i' ? a->ino
                 : what == 'r' ? a->goal
                 : what == 'k' ? a->chunks
                               : a->generation;
    if (what == 'Y' || what == 'Z')
        printf("%" PRId64, (what == 'Y' ? a->mtime_ns : a->ctime_ns) / second);
    else
        printf("%" PRIu64, n);
}

static void print_field(char what, const char *path, const struct dfs_attr *a, const char *target)
{
    char mode[11];
    switch (what) {
    case 'n':
        text_name(stdout, path);
        return;
    case 'N':
        text_name(stdout, path);
        if (target && *target) {
            fputs(" -> ", stdout);
            text_name(stdout, target);
        }
        return;
    case 'F':
        fputs(text_type(a->type), stdout);
        return;
    case 'a':
        printf("%o", a->mode);
        return;
    case 'A':
        text_mode(a, mode);
        fputs(mode, stdout);
        return;
    case 'U':
        print_owner(a->uid, false);
        return;
    case 'G':
        print_owner(a->gid, true);
        return;
    case 'y':
        print_time(a->mtime_ns);
        return;
    case 'z':
        print_time(a->ctime_ns);
        return;
    case '%':
        putchar('%');
        return;
    default:
        print_number(what, a);
    }
}

static void print_format(const char *format, const char *path, const struct dfs_attr *a, const char *target)
{
    for (const char *p = format; *p; p++) {
        if (*p == '\\' && (p[1] == 'n' || p[1] == 't' || p[1] == '\\')) {
            p++;
            putchar(*p == 'n' ? '\n' : *p == 't' ? '\t' : '\\');
        } else if (*p == '%') {
            p++;
            print_field(*p, path, a, target);
        } else {
            putchar(*p);
        }
    }
    putchar('\n');
}

/* NULL, or the letter that means nothing. */
static const char *format_check(const char *format)
{
    for (const char *p = format; *p; p++)
        if (*p == '%' && (!*++p || !strchr("nNsFaAuUgGhiyYzZrkv%", *p)))
            return p;
    return NULL;
}

/* --- the verb --- */

static void show(struct cli *cli, size_t *printed, const char *path, const struct call *k)
{
    if (cli->opt.format && !cli->opt.json) {
        print_format(cli->opt.format, path, &k->attr, k->target);
        return;
    }
    fputs((*printed)++ ? (cli->opt.json ? ",\n" : "\n") : "", stdout);
    if (cli->opt.json)
        json_attr_open(stdout, path, &k->attr, k->target);
    else
        print(path, &k->attr, k->target);
    print_xattrs(cli, path);
    if (cli->opt.json)
        putchar('}');
}

int verb_stat(struct cli *cli)
{
    size_t printed = 0;
    const char *wrong = cli->opt.format ? format_check(cli->opt.format) : NULL;
    if (wrong) {
        fprintf(stderr, "dfs: stat: --format: %%%s means nothing (\"dfs stat --help\" lists what does)\n", wrong);
        return cli->status = 2;
    }
    if (cli->opt.json && cli->n_args > 1)
        putchar('[');
    for (size_t i = 0; i < cli->n_args; i++) {
        struct call k = CALL(cli);
        if (call_wait(&k, dfs_stat(cli->client, cli->args[i], DFS_NOFOLLOW, on_call, &k)) != 0) {
            cli_fail(cli, cli->args[i], "%s", k.error);
        } else {
            show(cli, &printed, cli->args[i], &k);
        }
        call_free(&k);
    }
    if (cli->opt.json && (printed || cli->n_args > 1))
        printf(cli->n_args > 1 ? "]\n" : "\n");
    return 0;
}
