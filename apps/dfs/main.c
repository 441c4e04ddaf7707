/* SPDX-License-Identifier: MIT */
/* dfs: the command line. One table of verbs; flags may stand before or after the verb. */
#include <stdlib.h>
#include <unistd.h>

#include "base/flags.h"
#include "base/stdfds.h"
#include "cli.h"
#include "up.h"

#define ANY SIZE_MAX

static const struct verb verbs[] = {
    {"put", "SRC... DST", "store files", "r", 2, ANY, verb_put,
     "Stores local files. An existing directory DST receives them under their names. Each file appears complete or not\n"
     "at all. \"-\" is standard input. Modes and modification times are kept, symbolic links are stored as such.\n"
     "\n"
     "  dfs put report.pdf /docs/            into a directory\n"
     "  dfs put -r photos /photos            a tree: /photos becomes the copy, or receives photos if it exists\n"
     "  tar c . | dfs put - /backup.tar      from a pipe\n"},
    {"get", "SRC... DST", "fetch files", "r", 2, ANY, verb_get,
     "Fetches files. An existing local directory DST receives them under their names. A file is written beside its\n"
     "target and renamed when it is complete and verified. \"-\" is standard output.\n"
     "\n"
     "  dfs get /docs/report.pdf .\n"
     "  dfs get -r /photos restored\n"
     "  dfs get /backup.tar - | tar x\n"},
    {"cat", "PATH...", "print files", "", 1, ANY, verb_cat, "  dfs cat /etc/motd\n"},
    {"ls", "[PATH...]", "list directories", "lah", 0, ANY, verb_ls,
     "Lists names in bytewise order, one on a line.\n"
     "\n"
     "  dfs ls /                dfs ls -lh /photos                dfs -j ls /photos | jq .\n"},
    {"stat", "PATH...", "show what is known of a path", "", 1, ANY, verb_stat,
     "Symbolic links are not followed.\n\n  dfs stat /photos/a.jpg\n"},
    {"mkdir", "PATH...", "make directories", "p", 1, ANY, verb_mkdir, "  dfs mkdir -p /a/b/c\n"},
    {"rmdir", "PATH...", "remove empty directories", "", 1, ANY, verb_rmdir, "  dfs rmdir /a/b/c\n"},
    {"rm", "PATH...", "remove files and trees", "rfn", 1, ANY, verb_rm,
     "Into the trash, where they stay restorable for a day, or as long as \"dfs trash keep\" says; a whole tree in one\n"
     "step. A file that has other names loses this one and is not in the trash.\n"
     "\n"
     "  dfs rm /a.txt\n  dfs rm -r /photos      a whole tree\n  dfs rm --now /huge     for good, its space comes back\n"
     "  dfs rm -f /maybe       no error if it is not there\n"},
    {"trash", "list|restore|empty|keep", "look into the trash", "T", 1, ANY, verb_trash,
     "What dfs rm removed, until its time is over. It occupies space (dfs df shows how much).\n"
     "\n"
     "  dfs trash list                       numbers, and until when they are kept\n"
     "  dfs trash restore 17                 to where it was\n"
     "  dfs trash restore 17 --to /here.txt  to another place\n"
     "  dfs trash empty 17                   give it up; without a number: all\n"
     "  dfs trash keep 7d                    keep for a week what is there and what comes; 0: no trash\n"
     "  dfs trash keep                       show how long it keeps\n"},
    {"mv", "SRC... DST", "rename or move", "", 2, ANY, verb_mv,
     "One step for each SRC: nobody sees it twice or not at all. An existing directory DST receives them.\n"
     "\n"
     "  dfs mv /a.txt /b.txt\n  dfs mv /a /b /c /archive\n"},
    {"ln", "[-s] TARGET PATH", "make a link", "s", 2, 2, verb_ln,
     "Gives the file TARGET one more name, or, with -s, makes a symbolic link. A file is there until its last name is\n"
     "removed. An existing directory PATH receives the link under TARGET's name.\n"
     "\n"
     "  dfs ln /a.txt /same-file.txt\n  dfs ln -s current/data /latest\n"},
    {"chmod", "MODE PATH...", "change permissions", "RP", 2, ANY, verb_chmod,
     "MODE is octal, or as u+x,go-w.\n\n  dfs chmod 0640 /a.txt\n  dfs chmod -R u+rwX,go-w /photos\n"},
    {"chown", "OWNER PATH...", "change owner and group", "RP", 2, ANY, verb_chown,
     "OWNER is USER, USER:GROUP or :GROUP, as names of this machine or as numbers.\n"
     "\n"
     "  dfs chown alice:staff /a.txt\n  dfs chown -R 1000 /photos\n"},
    {"touch", "PATH...", "set the modification time", "ct", 1, ANY, verb_touch,
     "Makes an empty file where there is nothing.\n\n  dfs touch /a.txt\n  dfs touch -t 2024-02-03T04:05:06Z /a.txt\n"},
    {"xattr", "list|get|set|remove", "extended attributes", "", 2, 4, verb_xattr,
     "Names begin with \"user.\". A value is at most 64 KiB, all of a path together 128 KiB.\n"
     "\n"
     "  dfs xattr set /a.txt user.from scanner\n  dfs xattr get /a.txt user.from\n"
     "  dfs xattr list /a.txt\n  dfs xattr remove /a.txt user.from\n"},
    {"du", "[PATH...]", "show how much directories hold", "Sdh", 0, ANY, verb_du,
     "Bytes and files below each directory, at once however many they are: the NameServer keeps totals. Bytes are those of\n"
     "the files, one copy of each; a file with several names counts once, in the directory with the lowest inode number\n"
     "among those that name it. A file given as PATH shows its own size.\n"
     "\n"
     "  dfs du -sh /photos /docs\n  dfs du -d 2 /\n"},
    {"df", "", "show capacity and use", "h", 0, 0, verb_df, "  dfs df\n"},
    {"status", "", "show the cluster's servers", "", 0, 0, verb_status, "  dfs status\n  dfs -j status | jq .servers\n"},
};

static void print_help(void)
{
    printf("Usage: dfs [--nm HOST:PORT[,...]] [-j] VERB ...\n\n");
    for (size_t i = 0; i < ARRAY_LEN(verbs); i++)
        printf("  %-7s %-15s %s\n", verbs[i].name, verbs[i].args, verbs[i].summary);
    printf("  %-7s %-15s %s\n", "up", "DIR", "run a whole cluster on this machine, for trying out");
    printf("  %-7s %-15s %s\n", "help", "[VERB]", "show this, or more about a verb");
    printf("  %-7s %-15s %s\n", "version", "", "show the version");
    printf("\n\"dfs VERB --help\" tells more. The NameServer is found by --nm, else by DFS_NM, else at 127.0.0.1:4610.\n");
}

static const struct verb *verb_find(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(verbs); i++)
        if (strcmp(verbs[i].name, name) == 0)
            return &verbs[i];
    return NULL;
}

/* The options a verb takes, and those all take. */
static void verb_flags(const struct verb *v, struct options *o, struct flag out[16])
{
    const struct {
        char key; /* in a verb's flags */
        struct flag flag;
    } all[] = {
        {'r', {"recursive", 'r', FLAG_SWITCH, &o->recursive, NULL, "directories with all they hold", NULL}},
        {'R', {"recursive", 'R', FLAG_SWITCH, &o->recursive, NULL, "directories with all they hold", NULL}},
        {'P', {"no-dereference", 'P', FLAG_SWITCH, &o->no_follow, NULL, "a symbolic link itself, not what it leads to", NULL}},
        {'p', {"parents", 'p', FLAG_SWITCH, &o->parents, NULL, "make missing parents; no error if it exists", NULL}},
        {'c', {"no-create", 'c', FLAG_SWITCH, &o->no_create, NULL, "make no files", NULL}},
        {'n', {"now", 0, FLAG_SWITCH, &o->now, NULL, "for good: not into the trash", NULL}},
        {'T', {"to", 0, FLAG_STRING, &o->to, "PATH", "where to", NULL}},
        {'t', {"time", 't', FLAG_STRING, &o->time, "TIME", "this time instead of now", NULL}},
        {'d', {"depth", 'd', FLAG_U64, &o->depth, "N", "show N levels of directories", "1"}},
        {'s', {"symbolic", 's', FLAG_SWITCH, &o->symbolic, NULL, "a symbolic link", NULL}},
        {'l', {"long", 'l', FLAG_SWITCH, &o->long_form, NULL, "with mode, owner, size and time", NULL}},
        {'a', {"all", 'a', FLAG_SWITCH, &o->all, NULL, "names that begin with a dot, too", NULL}},
        {'h', {"human", 'h', FLAG_SWITCH, &o->human, NULL, "sizes as 1.5 GiB", NULL}},
        {'f', {"force", 'f', FLAG_SWITCH, &o->force, NULL, "no error for what is not there", NULL}},
        {'S', {"summary", 's', FLAG_SWITCH, &o->summary, NULL, "nothing below PATH", NULL}},
    };
    size_t n = 0;
    for (size_t i = 0; i < ARRAY_LEN(all); i++)
        if (strchr(v->flags, all[i].key))
            out[n++] = all[i].flag;
    out[n++] = (struct flag){"nm", 0, FLAG_STRING, &o->nm, "HOST:PORT[,...]", "the NameServers", "$DFS_NM"};
    out[n++] = (struct flag){"json", 'j', FLAG_SWITCH, &o->json, NULL, "print JSON", NULL};
    out[n++] = (struct flag){"help", 0, FLAG_SWITCH, &o->help, NULL, "show this", NULL};
    out[n] = (struct flag){.name = NULL};
}

static int verb_help(const struct verb *v)
{
    struct options o = {0};
    struct flag flags[16];
    struct bytes text;
    verb_flags(v, &o, flags);
    bytes_init(&text, 64 * KIB);
    flags_help(flags, &text);
    printf("Usage: dfs %s%s%s\n%s\nOptions:\n%.*s", v->name, *v->args ? " " : "", v->args, v->help, (int)text.len,
           (const char *)text.p);
    bytes_close(&text);
    return 0;
}

static int usage(const char *fmt, const char *what)
{
    fprintf(stderr, "dfs: ");
    fprintf(stderr, fmt, what);
    fprintf(stderr, "\n");
    return 2;
}

/* argv without the verb, which stood at `at`. */
static int verb_run(const struct verb *v, int argc, char **argv, int at)
{
    struct cli cli = {.verb = v, .opt.depth = 1};
    struct flag flags[16];
    char err[256];
    verb_flags(v, &cli.opt, flags);
    memmove(&argv[at], &argv[at + 1], (size_t)(argc - at) * sizeof *argv);
    argc--;
    cli.args = xcalloc((size_t)argc + 1, sizeof *cli.args);
    int status = 2;
    if (flags_parse(flags, argc, argv, cli.args, &cli.n_args, err, sizeof err) != 0) {
        fprintf(stderr, "dfs: %s: %s (try \"dfs %s --help\")\n", v->name, err, v->name);
    } else if (cli.opt.help) {
        status = verb_help(v);
    } else if (cli.n_args < v->min_args || cli.n_args > v->max_args) {
        fprintf(stderr, "Usage: dfs %s %s (try \"dfs %s --help\")\n", v->name, v->args, v->name);
    } else if (cli_open(&cli) == 0) {
        v->run(&cli);
        status = cli_close(&cli);
    }
    free(cli.args);
    return status;
}

/* Where the verb stands: the first argument that is neither a flag nor the value of --nm. */
static int verb_at(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--nm") == 0)
            i++;
        else if (argv[i][0] != '-' || !argv[i][1])
            return i;
    }
    return 0;
}

int main(int argc, char **argv)
{
    stdfds_fill();
    int at = verb_at(argc, argv);
    if (at == 0) {
        for (int i = 1; i < argc; i++)
            if (strcmp(argv[i], "--version") == 0)
                return printf("dfs %s\n", DFS_VERSION) < 0;
        print_help();
        return argc > 1 && strcmp(argv[1], "--help") == 0 ? 0 : 2;
    }
    const char *name = argv[at];
    if (strcmp(name, "up") == 0)
        return at == 1 ? verb_up(argc - at, argv + at) : usage("\"%s\" comes first, and its options after it", name);
    if (strcmp(name, "version") == 0)
        return printf("dfs %s\n", DFS_VERSION) < 0;
    if (strcmp(name, "help") == 0) {
        const struct verb *about = at + 1 < argc ? verb_find(argv[at + 1]) : NULL;
        if (about)
            return verb_help(about);
        if (at + 1 < argc && strcmp(argv[at + 1], "up") == 0)
            return verb_up(2, (char *[]){argv[at + 1], (char[]){"--help"}, NULL});
        if (at + 1 < argc && strcmp(argv[at + 1], "help") != 0)
            return usage("there is no verb \"%s\" (try \"dfs help\")", argv[at + 1]);
        print_help();
        return 0;
    }
    const struct verb *v = verb_find(name);
    if (!v)
        return usage("there is no verb \"%s\" (try \"dfs help\")", name);
    return verb_run(v, argc, argv, at);
}
