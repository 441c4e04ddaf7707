/* SPDX-License-Identifier: MIT */
/* A client that knows what must be: dfs-oracle FOLDER SEED CONTROL.
 *
 * It works in a directory of its own, so that the right answer to everything, errors included, is known exactly: an
 * operation that is lost, or applied twice, is an error where none was due. What is told unknown retires the names it was
 * about: they are as before or as after, all of them, and nothing else. Intents and outcomes are written to
 * CONTROL/FOLDER.log. When CONTROL/round holds a new number, everything is read back and compared, and the number goes to
 * CONTROL/FOLDER.checked; CONTROL/stop ends it after one more such check. Exit status 0: nothing was wrong. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "dfs/dfs.h"

#define SLOTS 16
#define INODES 64
#define RETIRED_MAX 4096
#define CONTENT_MAX 24000u

struct thing {        /* what a name stands for */
    int type;         /* enum dfs_type; 0: nothing */
    uint64_t content; /* of a file; 0: empty. Of a symlink: the number in its target */
    uint32_t mode;
};

struct inode {
    struct thing is;
    uint32_t names;
    bool names_known; /* no unlink of unknown outcome */
};

struct slot {
    int inode; /* -1: none */
    uint32_t generation;
};

struct retired {
    char name[32];
    struct thing before, after;
    unsigned group; /* of names that changed together */
};

struct oracle {
    struct dfs_sync *dfs;
    const char *folder, *control;
    FILE *log;
    uint64_t random, next_content;
    struct slot slots[SLOTS];
    struct inode inodes[INODES];
    struct retired retired[RETIRED_MAX];
    unsigned n_retired, n_groups;
    unsigned long ops, acked, refused, unknown, checks;
    int round;
};

/* --- saying --- */

static void say(struct oracle *o, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static void say(struct oracle *o, const char *fmt, ...)
{
    struct timespec ts;
    va_list ap;

    clock_gettime(CLOCK_REALTIME, &ts);
    fprintf(o->log, "%ld.%03ld %lu ", (long)ts.tv_sec, ts.tv_nsec / 1000000, o->ops);
    va_start(ap, fmt);
    vfprintf(o->log, fmt, ap);
    va_end(ap);
    fputc('\n', o->log);
}

static void wrong(struct oracle *o, const char *fmt, ...) __attribute__((format(printf, 2, 3), noreturn));

static void wrong(struct oracle *o, const char *fmt, ...)
{
    va_list ap;

    fprintf(stderr, "oracle %s, operation %lu: ", o->folder, o->ops);
    va_start(ap, fmt);
    vfprintf(stderr, fmt, ap);
    va_end(ap);
    fputc('\n', stderr);
    fclose(o->log);
    exit(1);
}

static uint64_t draw(struct oracle *o, uint64_t below)
{
    uint64_t z = o->random += 0x9e3779b97f4a7c15u;

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return (z ^ (z >> 31)) % below;
}

/* --- the model --- */

static void name_of(const struct oracle *o, unsigned slot, char *out, size_t len)
{
    snprintf(out, len, "/%s/s%u.%u", o->folder, slot, o->slots[slot].generation);
}

static struct thing thing_at(const struct oracle *o, unsigned slot)
{
    int i = o->slots[slot].inode;

    return i < 0 ? (struct thing){0} : o->inodes[i].is;
}

static int new_inode(struct oracle *o, struct thing is)
{
    for (int i = 0; i < INODES; i++)
        if (o->inodes[i].names == 0) {
            o->inodes[i] = (struct inode){.is = is, .names = 1, .names_known = true};
            return i;
        }
    wrong(o, "the model is full");
}

static void drop_name(struct oracle *o, unsigned slot)
{
    o->inodes[o->slots[slot].inode].names--;
    o->slots[slot].inode = -1;
}

/* The slot's name is not used again; it stands for one of two things from now on. */
static void retire(struct oracle *o, unsigned slot, struct thing before, struct thing after)
{
    struct retired *r = &o->retired[o->n_retired++];
    char path[64];

    if (o->n_retired == RETIRED_MAX)
        wrong(o, "%u names of unknown outcome are too many", RETIRED_MAX);
    name_of(o, slot, path, sizeof path);
    snprintf(r->name, sizeof r->name, "%s", strrchr(path, '/') + 1);
    r->before = before;
    r->after = after;
    r->group = o->n_groups;
    if (o->slots[slot].inode >= 0) {
        o->inodes[o->slots[slot].inode].names_known = false;
        drop_name(o, slot);
    }
    o->slots[slot].generation++;
}

/* A change of the inode behind this slot has an unknown outcome: so for all its names. */
static void retire_inode(struct oracle *o, unsigned slot, struct thing after)
{
    int inode = o->slots[slot].inode;
    struct thing before = o->inodes[inode].is;

    for (unsigned i = 0; i < SLOTS; i++)
        if (o->slots[i].inode == inode)
            retire(o, i, before, after);
}

/* --- contents --- */

static size_t content_length(uint64_t id) { return id == 0 ? 0 : (size_t)(id * 7919 % CONTENT_MAX) + 1; }

static void content_fill(uint64_t id, unsigned char *p, size_t len)
{
    uint64_t x = id * 0x9e3779b97f4a7c15u + 1;

    for (size_t i = 0; i < len; i++) {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        p[i] = (unsigned char)x;
    }
}

/* --- looking --- */

/* 0: it is this; else a reason in words. */
static const char *differs(struct oracle *o, const char *path, struct thing want, uint32_t nlink)
{
    static unsigned char got[CONTENT_MAX + 1], expected[CONTENT_MAX + 1];
    static char why[200];
    struct dfs_attr a;
    size_t len = 0;
    char target[64];
    int rv = dfs_sync_stat(o->dfs, path, DFS_NOFOLLOW, &a);

    if (rv != 0 || want.type == 0) {
        snprintf(why, sizeof why, "stat gives %s", rv != 0 ? dfs_errname(rv) : "something");
        return want.type == 0 && rv == DFS_ENOENT ? NULL : why;
    }
    if (a.type != want.type || (a.type != DFS_SYMLINK && a.mode != want.mode))
        return "another type or mode";
    if (nlink > 0 && a.type == DFS_FILE && a.nlink != nlink)
        return "another number of links";
    if (a.type == DFS_SYMLINK) {
        rv = dfs_sync_readlink(o->dfs, path, target, sizeof target);
        return rv == 0 && strtoull(target, NULL, 10) == want.content ? NULL : "another target";
    }
    if (a.type != DFS_FILE)
        return NULL;
    rv = dfs_sync_get_bytes(o->dfs, path, got, sizeof got, &len);
    if (rv != 0) {
        snprintf(why, sizeof why, "get gives %s: %s", dfs_errname(rv), dfs_sync_error(o->dfs));
        return why;
    }
    content_fill(want.content, expected, content_length(want.content));
    return len == content_length(want.content) && memcmp(got, expected, len) == 0 ? NULL : "another content";
}

struct listing {
    struct oracle *o;
    unsigned n;
};

static int on_entry(void *arg, const struct dfs_entry *e)
{
    struct listing *l = arg;
    char path[64];
    bool known = false;

    for (unsigned i = 0; i < SLOTS && !known; i++) {
        name_of(l->o, i, path, sizeof path);
        known = l->o->slots[i].inode >= 0 && strcmp(strrchr(path, '/') + 1, e->name) == 0;
    }
    l->n += known;
    for (unsigned i = 0; i < l->o->n_retired && !known; i++)
        known = strcmp(l->o->retired[i].name, e->name) == 0;
    if (!known)
        wrong(l->o, "%s exists, and should not", e->name);
    return 0;
}

static void check_group(struct oracle *o, unsigned from, unsigned to)
{
    const char *before = NULL, *after = NULL;
    char path[64];

    for (unsigned i = from; i < to; i++) {
        const struct retired *r = &o->retired[i];

        snprintf(path, sizeof path, "/%s/%s", o->folder, r->name);
        if (before == NULL && (before = differs(o, path, r->before, 0)) != NULL)
            before = strdup(before);
        if (after == NULL && (after = differs(o, path, r->after, 0)) != NULL)
            after = strdup(after);
    }
    if (before != NULL && after != NULL)
        wrong(o, "%s of unknown outcome: neither as before (%s) nor as after (%s)", o->retired[from].name, before,
              after);
    free((char *)before);
    free((char *)after);
}

static void check_all(struct oracle *o)
{
    struct listing l = {.o = o};
    unsigned live = 0;
    char path[64];
    int rv;

    for (unsigned i = 0; i < SLOTS; i++) {
        int inode = o->slots[i].inode;
        const char *why;

        name_of(o, i, path, sizeof path);
        why = differs(o, path, thing_at(o, i), inode >= 0 && o->inodes[inode].names_known ? o->inodes[inode].names : 0);
        if (why != NULL)
            wrong(o, "%s, acknowledged as type %d content %llu mode %o: %s", path, thing_at(o, i).type,
                  (unsigned long long)thing_at(o, i).content, thing_at(o, i).mode, why);
        live += inode >= 0;
    }
    for (unsigned i = 0, end; i < o->n_retired; i = end) {
        for (end = i; end < o->n_retired && o->retired[end].group == o->retired[i].group;)
            end++;
        check_group(o, i, end);
    }
    snprintf(path, sizeof path, "/%s", o->folder);
    rv = dfs_sync_readdir(o->dfs, path, on_entry, &l);
    if (rv != 0 || l.n != live)
        wrong(o, "readdir gives %s, %u of %u names", dfs_errname(rv), l.n, live);
    o->checks++;
}

/* --- doing --- */

enum verdict { DONE, REFUSED, UNKNOWN };

/* want: 0 or the one error that is due. */
static enum verdict judge(struct oracle *o, const char *what, int rv, int want)
{
    static const int definite[] = {DFS_ENOENT,    DFS_EEXIST, DFS_EISDIR,  DFS_ENOTDIR, DFS_ENOTEMPTY,
                                   DFS_EPERM,     DFS_EINVAL, DFS_ELOOP,   DFS_ENOTSUP, DFS_ECORRUPT,
                                   DFS_EIDENTITY, DFS_EPROTO, DFS_ECLUSTER};

    say(o, "%s -> %s", what, rv == 0 ? "ok" : dfs_errname(rv));
    if (rv == want) {
        o->acked += rv == 0;
        o->refused += rv != 0;
        return rv == 0 ? DONE : REFUSED;
    }
    if (rv == 0)
        wrong(o, "%s succeeded; %s was due", what, dfs_errname(want));
    for (size_t i = 0; i < sizeof definite / sizeof definite[0]; i++)
        if (rv == definite[i])
            wrong(o, "%s: %s (%s); %s was due", what, dfs_errname(rv), dfs_sync_error(o->dfs),
                  want == 0 ? "success" : dfs_errname(want));
    o->unknown++;
    o->n_groups++;
    say(o, "unknown: %s", dfs_sync_error(o->dfs));
    return UNKNOWN;
}

/* Makes something new under the slot's name. */
static void do_make(struct oracle *o, unsigned s, int type)
{
    struct thing before = thing_at(o, s), made = {.type = type, .mode = type == DFS_DIRECTORY ? 0700 : 0640};
    char path[64], what[96], target[32];
    enum verdict v;
    int rv;

    name_of(o, s, path, sizeof path);
    snprintf(what, sizeof what, "make %d %s", type, path);
    say(o, "%s", what);
    if (type == DFS_SYMLINK) {
        made.content = o->next_content++;
        snprintf(target, sizeof target, "%llu", (unsigned long long)made.content);
        rv = dfs_sync_symlink(o->dfs, target, path);
    } else if (type == DFS_DIRECTORY) {
        rv = dfs_sync_mkdir(o->dfs, path, made.mode, 0);
    } else {
        rv = dfs_sync_create(o->dfs, path, made.mode, DFS_EXCL);
    }
    v = judge(o, what, rv, before.type != 0 ? DFS_EEXIST : 0);
    if (v == DONE)
        o->slots[s].inode = new_inode(o, made);
    else if (v == UNKNOWN)
        retire(o, s, before, before.type != 0 ? before : made);
}

static void do_put(struct oracle *o, unsigned s)
{
    static unsigned char bytes[CONTENT_MAX + 1];
    struct thing before = thing_at(o, s), after = before;
    char path[64], what[96];
    enum verdict v;

    if (before.type == DFS_SYMLINK)
        return;
    after.type = DFS_FILE;
    after.content = o->next_content++;
    if (before.type == 0)
        after.mode = 0644;
    name_of(o, s, path, sizeof path);
    snprintf(what, sizeof what, "put %llu %s", (unsigned long long)after.content, path);
    say(o, "%s", what);
    content_fill(after.content, bytes, content_length(after.content));
    v = judge(o, what, dfs_sync_put_bytes(o->dfs, path, bytes, content_length(after.content)),
              before.type == DFS_DIRECTORY ? DFS_EISDIR : 0);
    if (v == DONE && before.type == 0)
        o->slots[s].inode = new_inode(o, after);
    else if (v == DONE)
        o->inodes[o->slots[s].inode].is = after;
    else if (v == UNKNOWN && before.type == DFS_FILE)
        retire_inode(o, s, after);
    else if (v == UNKNOWN)
        retire(o, s, before, before.type == DFS_DIRECTORY ? before : after);
}

static void do_chmod(struct oracle *o, unsigned s)
{
    struct thing before = thing_at(o, s), after = before;
    struct dfs_setattr set = {.what = DFS_SET_MODE, .mode = (uint32_t)draw(o, 01000)};
    char path[64], what[96];
    enum verdict v;

    if (before.type == DFS_SYMLINK)
        return;
    after.mode = set.mode;
    name_of(o, s, path, sizeof path);
    snprintf(what, sizeof what, "chmod %o %s", set.mode, path);
    say(o, "%s", what);
    v = judge(o, what, dfs_sync_setattr(o->dfs, path, &set, 0), before.type == 0 ? DFS_ENOENT : 0);
    if (v == DONE)
        o->inodes[o->slots[s].inode].is = after;
    else if (v == UNKNOWN && before.type != 0)
        retire_inode(o, s, after);
}

/* rmdir of directories, unlink of anything. */
static void do_remove(struct oracle *o, unsigned s)
{
    struct thing before = thing_at(o, s);
    bool dir = before.type == DFS_DIRECTORY && draw(o, 4) > 0;
    char path[64], what[96];
    enum verdict v;

    name_of(o, s, path, sizeof path);
    snprintf(what, sizeof what, "%s %s", dir ? "rmdir" : "unlink", path);
    say(o, "%s", what);
    v = judge(o, what, dir ? dfs_sync_rmdir(o->dfs, path) : dfs_sync_unlink(o->dfs, path),
              before.type == 0                       ? DFS_ENOENT
              : before.type == DFS_DIRECTORY && !dir ? DFS_EISDIR
                                                     : 0);
    if (v == DONE)
        drop_name(o, s);
    else if (v == UNKNOWN && before.type != 0)
        retire(o, s, before, before.type == DFS_DIRECTORY && !dir ? before : (struct thing){0});
}

/* A chain of these is a counter: one that is applied twice, or not at all, breaks it. */
static void do_rename(struct oracle *o, unsigned from, unsigned to)
{
    struct thing a = thing_at(o, from), b = thing_at(o, to);
    char path[64], to_path[64], what[160];
    enum verdict v;

    if (from == to || (a.type == 0 && b.type != 0))
        return;
    name_of(o, from, path, sizeof path);
    name_of(o, to, to_path, sizeof to_path);
    snprintf(what, sizeof what, "rename %s %s", path, to_path);
    say(o, "%s", what);
    v = judge(o, what, dfs_sync_rename(o->dfs, path, to_path, DFS_EXCL),
              a.type == 0   ? DFS_ENOENT
              : b.type != 0 ? DFS_EEXIST
                            : 0);
    if (v == DONE) {
        o->slots[to].inode = o->slots[from].inode;
        o->slots[from].inode = -1;
    } else if (v == UNKNOWN && a.type != 0 && b.type == 0) {
        retire(o, from, a, b);
        retire(o, to, b, a);
    }
}

static void do_link(struct oracle *o, unsigned from, unsigned to)
{
    struct thing a = thing_at(o, from), b = thing_at(o, to);
    char path[64], to_path[64], what[160];
    enum verdict v;

    if (from == to || a.type == DFS_SYMLINK || (a.type != DFS_FILE && b.type != 0))
        return;
    name_of(o, from, path, sizeof path);
    name_of(o, to, to_path, sizeof to_path);
    snprintf(what, sizeof what, "link %s %s", path, to_path);
    say(o, "%s", what);
    v = judge(o, what, dfs_sync_link(o->dfs, path, to_path),
              a.type == 0               ? DFS_ENOENT
              : a.type == DFS_DIRECTORY ? DFS_EPERM
              : b.type != 0             ? DFS_EEXIST
                                        : 0);
    if (v == DONE) {
        o->slots[to].inode = o->slots[from].inode;
        o->inodes[o->slots[from].inode].names++;
    } else if (v == UNKNOWN && a.type == DFS_FILE && b.type == 0) {
        o->inodes[o->slots[from].inode].names_known = false;
        retire(o, to, b, a);
    }
}

static void do_look(struct oracle *o, unsigned s)
{
    int inode = o->slots[s].inode;
    char path[64];
    const char *why;

    name_of(o, s, path, sizeof path);
    why = differs(o, path, thing_at(o, s), inode >= 0 && o->inodes[inode].names_known ? o->inodes[inode].names : 0);
    say(o, "look %s -> %s", path, why != NULL ? why : "ok");
    if (why != NULL && strstr(why, "gives") == NULL)
        wrong(o, "%s: %s", path, why);
    if (why != NULL && strstr(why, "something") != NULL)
        wrong(o, "%s is there, and should not be", path);
    if (why != NULL && strstr(why, "ENOENT") != NULL)
        wrong(o, "%s is gone", path);
}

static void one_operation(struct oracle *o)
{
    unsigned s = (unsigned)draw(o, SLOTS), t = (unsigned)draw(o, SLOTS);
    uint64_t kind = draw(o, 100);

    o->ops++;
    if (kind < 14)
        do_make(o, s, DFS_FILE);
    else if (kind < 24)
        do_make(o, s, DFS_DIRECTORY);
    else if (kind < 30)
        do_make(o, s, DFS_SYMLINK);
    else if (kind < 45)
        do_put(o, s);
    else if (kind < 55)
        do_chmod(o, s);
    else if (kind < 70)
        do_rename(o, s, t);
    else if (kind < 78)
        do_link(o, s, t);
    else if (kind < 90)
        do_remove(o, s);
    else
        do_look(o, s);
}

/* --- running --- */

static int control_number(const struct oracle *o, const char *name)
{
    char path[512];
    int n = 0;
    FILE *f;

    snprintf(path, sizeof path, "%s/%s", o->control, name);
    f = fopen(path, "r");
    if (f == NULL)
        return -1;
    if (fscanf(f, "%d", &n) != 1)
        n = 0;
    fclose(f);
    return n;
}

static void tell_checked(const struct oracle *o)
{
    char path[512], temporary[520];
    FILE *f;

    snprintf(path, sizeof path, "%s/%s.checked", o->control, o->folder);
    snprintf(temporary, sizeof temporary, "%s.new", path);
    f = fopen(temporary, "w");
    if (f == NULL)
        return;
    fprintf(f, "%d\n", o->round);
    fclose(f);
    (void)!rename(temporary, path);
}

static void begin(struct oracle *o, char **argv)
{
    char path[512];

    o->folder = argv[1];
    o->random = strtoull(argv[2], NULL, 10);
    o->control = argv[3];
    o->next_content = o->random % 1000000 * 1000000 + 1;
    for (unsigned i = 0; i < SLOTS; i++)
        o->slots[i].inode = -1;
    snprintf(path, sizeof path, "%s/%s.log", o->control, o->folder);
    o->log = fopen(path, "w");
    if (o->log == NULL) {
        perror(path);
        exit(2);
    }
    setvbuf(o->log, NULL, _IOLBF, 0);
    if (dfs_sync_open(&(struct dfs_options){.program = "dfs-oracle"}, &o->dfs) != 0)
        wrong(o, "no client");
    snprintf(path, sizeof path, "/%s", o->folder);
    if (dfs_sync_mkdir(o->dfs, path, 0755, 0) != 0)
        wrong(o, "mkdir %s: %s", path, dfs_sync_error(o->dfs));
}

int main(int argc, char **argv)
{
    static struct oracle o;
    bool stop = false;

    if (argc != 4) {
        fprintf(stderr, "usage: dfs-oracle FOLDER SEED CONTROL\n");
        return 2;
    }
    begin(&o, argv);
    while (!stop) {
        int round = control_number(&o, "round");

        stop = control_number(&o, "stop") >= 0;
        if (round > o.round || stop) {
            check_all(&o);
            o.round = round;
            tell_checked(&o);
        }
        if (!stop)
            one_operation(&o);
    }
    printf("%s: %lu operations, %lu acknowledged, %lu refused as they should be, %lu unknown, %lu checks\n", o.folder,
           o.ops, o.acked, o.refused, o.unknown, o.checks);
    dfs_sync_close(o.dfs);
    fclose(o.log);
    return 0;
}
