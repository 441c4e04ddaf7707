/* SPDX-License-Identifier: MIT */
#include "listing.h"

#include <grp.h>
#include <pwd.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#define COLUMN_GAP 2u
#define RECENT_SECONDS (182 * 24 * 3600)

void listing_add(struct listing *l, const char *dir, const char *name, const struct dfs_attr *a)
{
    const struct options *o = &l->cli->opt;
    if (l->n == l->cap) {
        l->cap = l->cap ? l->cap * 2 : 64;
        l->v = xrealloc(l->v, l->cap, sizeof *l->v);
    }
    bool whole = o->json || (o->long_form && a->type == DFS_SYMLINK);
    char *path = !whole ? NULL : dir ? path_join(dir, name) : xstrdup(name);
    l->v[l->n++] = (struct item){.name = xstrdup(name), .path = path, .attr = *a};
}

static void items_drop(struct listing *l)
{
    for (size_t i = 0; i < l->n; i++) {
        free(l->v[i].name);
        free(l->v[i].path);
        free(l->v[i].target);
    }
    l->n = 0;
}

void listing_close(struct listing *l)
{
    items_drop(l);
    free(l->v);
}

/* --- targets of links, all at once --- */

struct target {
    struct listing *listing;
    struct item *item;
};

static void on_target(void *arg, int status, const struct dfs_result *r)
{
    struct target *t = arg;
    if (status == 0 && r->target)
        t->item->target = xstrdup(r->target);
    t->listing->waiting--;
    free(t);
}

static void targets_fetch(struct listing *l)
{
    for (size_t i = 0; i < l->n; i++) {
        if (!l->v[i].path || l->v[i].attr.type != DFS_SYMLINK)
            continue;
        while (l->waiting >= CLI_FLIGHT_MAX)
            uv_run(&l->cli->loop, UV_RUN_ONCE);
        struct target *t = xcalloc(1, sizeof *t);
        *t = (struct target){l, &l->v[i]};
        l->waiting++;
        if (dfs_stat(l->cli->client, l->v[i].path, DFS_NOFOLLOW, on_target, t) != 0) {
            l->waiting--;
            free(t);
        }
    }
    while (l->waiting > 0)
        uv_run(&l->cli->loop, UV_RUN_ONCE);
}

/* --- order --- */

static int compare(const void *one, const void *other, void *arg)
{
    const struct item *a = one, *b = other;
    const struct options *o = arg;
    int order = 0;
    if (o->by_size)
        order = (a->attr.size < b->attr.size) - (a->attr.size > b->attr.size);
    else if (o->by_time)
        order = (a->attr.mtime_ns < b->attr.mtime_ns) - (a->attr.mtime_ns > b->attr.mtime_ns);
    if (order == 0)
        order = strcmp(a->name, b->name);
    return o->reverse ? -order : order;
}

/* --- a name, and what stands around it --- */

/* What -F puts behind it; 0: nothing. Of a link that is followed by its target nothing is known. */
static char mark_of(const struct options *o, const struct dfs_attr *a)
{
    if (!o->classify || (o->long_form && a->type == DFS_SYMLINK))
        return 0;
    return a->type == DFS_DIRECTORY                       ? '/'
           : a->type == DFS_SYMLINK                       ? '@'
           : a->type == DFS_FIFO                          ? '|'
           : a->type == DFS_SOCKET                        ? '='
           : a->type == DFS_FILE && (a->mode & 0111) != 0 ? '*'
                                                          : 0;
}

static void print_inode(const struct listing *l, const struct dfs_attr *a)
{
    if (l->cli->opt.inode)
        printf("%*" PRIu64 " ", l->width_ino, a->ino);
}

static void print_name(const struct listing *l, const struct item *it)
{
    char mark = mark_of(&l->cli->opt, &it->attr);
    text_colored(l->cli, it->name, &it->attr);
    if (mark)
        putchar(mark);
}

/* --- long --- */

/* Looked up once as long as the owner stays the same. */
static void names_of(struct listing *l, const struct dfs_attr *a)
{
    if (!l->owner[0] || l->uid != a->uid) {
        const struct passwd *p = getpwuid(a->uid);
        snprintf(l->owner, sizeof l->owner, p ? "%s" : "%.0s%u", p ? p->pw_name : "", a->uid);
        l->uid = a->uid;
    }
    if (!l->group[0] || l->gid != a->gid) {
        const struct group *g = getgrgid(a->gid);
        snprintf(l->group, sizeof l->group, g ? "%s" : "%.0s%u", g ? g->gr_name : "", a->gid);
        l->gid = a->gid;
    }
}

static void size_of(const struct listing *l, const struct dfs_attr *a, char out[32])
{
    if (l->cli->opt.human && a->type == DFS_DIRECTORY) /* it counts names, which are no bytes */
        snprintf(out, 32, "-");
    else if (l->cli->opt.human)
        text_size(a->size, out);
    else
        snprintf(out, 32, "%" PRIu64, a->size);
}

static void widen(int *width, size_t to)
{
    if ((size_t)*width < to)
        *width = (int)to;
}

/* Columns fit what is shown now and what was shown before. */
static void fit_widths(struct listing *l)
{
    char text[32];
    for (size_t i = 0; i < l->n; i++) {
        const struct dfs_attr *a = &l->v[i].attr;
        widen(&l->width_ino, (size_t)snprintf(text, sizeof text, "%" PRIu64, a->ino));
        if (!l->cli->opt.long_form)
            continue;
        names_of(l, a);
        size_of(l, a, text);
        widen(&l->width_owner, strlen(l->owner));
        widen(&l->width_group, strlen(l->group));
        widen(&l->width_size, strlen(text));
        widen(&l->width_links, (size_t)snprintf(text, sizeof text, "%u", a->nlink));
    }
}

static void print_long(struct listing *l, const struct item *it)
{
    const struct dfs_attr *a = &it->attr;
    char mode[11], size[32], when[32];
    time_t at = (time_t)(a->mtime_ns / (int64_t)NS_PER_SEC), now = time(NULL);
    struct tm tm;
    text_mode(a, mode);
    names_of(l, a);
    size_of(l, a, size);
    localtime_r(&at, &tm);
    strftime(when, sizeof when, at <= now && now - at < RECENT_SECONDS ? "%b %e %H:%M" : "%b %e  %Y", &tm);
    print_inode(l, a);
    printf("%s %*u %-*s %-*s %*s %s ", mode, l->width_links, a->nlink, l->width_owner, l->owner, l->width_group,
           l->group, l->width_size, size, when);
    print_name(l, it);
    if (it->target && *it->target) {
        fputs(" -> ", stdout);
        text_name(stdout, it->target);
    }
}

/* --- columns --- */

static size_t terminal_width(void)
{
    struct winsize w;
    const char *columns = getenv("COLUMNS");
    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &w) == 0 && w.ws_col > 0)
        return w.ws_col;
    unsigned long n = columns ? strtoul(columns, NULL, 10) : 0;
    return n > 0 && n < 10000 ? n : 80;
}

/* The rows needed if there are n columns at most; their widths are left in width. 0: they are wider than the terminal. */
static size_t rows_for(const size_t *widths, size_t n, size_t columns, size_t most, size_t *width)
{
    size_t rows = (n + columns - 1) / columns, total = 0;
    for (size_t c = 0; c * rows < n; c++) {
        width[c] = 0;
        for (size_t i = c * rows; i < n && i < (c + 1) * rows; i++)
            width[c] = max_u64(width[c], widths[i]);
        total += width[c] + (c ? COLUMN_GAP : 0);
    }
    return total <= most ? rows : 0;
}

static void print_columns(const struct listing *l)
{
    const struct options *o = &l->cli->opt;
    size_t most = terminal_width(), columns = most / (1 + COLUMN_GAP) + 1, rows = 0;
    size_t *widths = xcalloc(l->n, sizeof *widths), *width = xcalloc(columns, sizeof *width);
    for (size_t i = 0; i < l->n; i++)
        widths[i] = text_width(l->v[i].name) + (mark_of(o, &l->v[i].attr) != 0) + (o->inode ? l->width_ino + 1u : 0);
    columns = min_u64(columns, l->n);
    while (columns > 1 && (rows = rows_for(widths, l->n, columns, most, width)) == 0)
        columns--;
    if (rows == 0)
        rows = l->n;
    for (size_t r = 0; r < rows; r++) {
        for (size_t c = 0, i = r; i < l->n; c++, i += rows) {
            print_inode(l, &l->v[i].attr);
            print_name(l, &l->v[i]);
            if (i + rows < l->n)
                printf("%*s", (int)(width[c] - widths[i] + COLUMN_GAP), "");
        }
        putchar('\n');
    }
    free(widths);
    free(width);
}

void listing_flush(struct listing *l)
{
    struct options *o = &l->cli->opt;
    if (l->n > 1 && (o->by_time || o->by_size || o->reverse))
        qsort_r(l->v, l->n, sizeof *l->v, compare, o);
    targets_fetch(l);
    if (o->long_form || o->inode)
        fit_widths(l);
    if (l->n > 0 && !o->json && !o->long_form && !o->single && !o->zero && isatty(STDOUT_FILENO)) {
        print_columns(l);
        items_drop(l);
        return;
    }
    for (size_t i = 0; i < l->n && !ferror(stdout); i++) {
        const struct item *it = &l->v[i];
        if (o->json) {
            fputs(l->printed++ ? ",\n" : "", stdout);
            json_attr(stdout, it->path, &it->attr, it->target);
            continue;
        }
        if (o->long_form) {
            print_long(l, it);
        } else {
            print_inode(l, &it->attr);
            print_name(l, it);
        }
        putchar(o->zero ? 0 : '\n');
    }
    items_drop(l);
}
