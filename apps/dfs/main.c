/* SPDX-License-Identifier: MIT */
/* dfs: the command line. Flags may stand before or after the verb. */
#include <malloc.h>
#include <stdlib.h>

#include "base/stdfds.h"
#include "cli.h"
#include "complete.h"
#include "help.h"
#include "mount.h"
#include "settings.h"
#include "up.h"

#define KEPT_MEMORY (16 * 1024 * 1024)

static int usage(const char *fmt, const char *what)
{
    fprintf(stderr, "dfs: ");
    fprintf(stderr, fmt, what);
    fprintf(stderr, "\n");
    return 2;
}

static int unknown_verb(const char *name)
{
    const char *meant = help_nearest(name);
    fprintf(stderr, "dfs: there is no verb \"%s\"", name);
    if (meant)
        fprintf(stderr, ": did you mean \"%s\"?", meant);
    fprintf(stderr, " (try \"dfs help\")\n");
    return 2;
}

/* A path that is empty is a variable that was not set, hardly the root. False: there is one, which was said. */
static bool operands_given(const struct cli *cli)
{
    for (size_t i = 0; i < cli->n_args; i++) {
        char kind = verb_operand(cli->verb, i, cli->n_args);
        if (!*cli->args[i] && (kind == 'R' || kind == 'D' || kind == 'L')) {
            fprintf(stderr, "dfs: %s: operand %zu is empty; the root is /\n", cli->verb->name, i + 1);
            return false;
        }
    }
    return true;
}

/* "-name" becomes "--name" where the verb has such a flag. */
static void dashes_double(const struct flag *flags, int argc, char **argv, char **made)
{
    for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++) {
        if (argv[i][0] != '-' || argv[i][1] == '-' || !argv[i][1] || !argv[i][2])
            continue;
        for (const struct flag *f = flags; f->name; f++) {
            if (strcmp(f->name, argv[i] + 1) != 0)
                continue;
            made[i] = xcalloc(1, strlen(argv[i]) + 2);
            sprintf(made[i], "-%s", argv[i]);
            argv[i] = made[i];
            i += f->kind != FLAG_SWITCH;
            break;
        }
    }
}

/* "-3" becomes "-n3" for head and tail, "-F" "-f" for tail; "-R" becomes "-r" where that means a tree: as everybody types
 * them. */
static void habits(const struct verb *v, int argc, char **argv, char **made)
{
    bool lines = v->run == verb_head || v->run == verb_tail;
    bool trees = v->run == verb_put || v->run == verb_get || v->run == verb_cp || v->run == verb_rm;
    const char *letters = v->run == verb_tail ? "Ff" : trees ? "Rr" : NULL; /* the first becomes the second */
    for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++) {
        const char *a = argv[i];
        if (lines &&
            (strcmp(a, "-n") == 0 || strcmp(a, "-c") == 0 || strcmp(a, "--lines") == 0 || strcmp(a, "--bytes") == 0)) {
            i++; /* its value, which may begin with a dash */
        } else if (lines && a[0] == '-' && a[1] && strspn(a + 1, "0123456789") == strlen(a + 1)) {
            made[i] = xcalloc(1, strlen(a) + 2);
            sprintf(made[i], "-n%s", a + 1);
            argv[i] = made[i];
        } else if (letters && a[0] == '-' && a[1] != '-' && strchr(a, letters[0])) {
            argv[i] = made[i] = xstrdup(a);
            for (char *c = made[i]; (c = strchr(c, letters[0])) != NULL;)
                *c = letters[1];
        }
    }
}

static bool color_valid(const char *when)
{
    return strcmp(when, "auto") == 0 || strcmp(when, "always") == 0 || strcmp(when, "never") == 0;
}

static void run(struct cli *cli)
{
    if (cli_expand(cli))
        cli->verb->run(cli);
    cli_expand_free(cli);
}

/* argv without the verb, which stood at `at`. */
static int verb_run(const struct verb *v, int argc, char **argv, int at)
{
    struct cli cli = {
        .verb = v, .opt.depth = UINT64_MAX, .opt.max_depth = UINT64_MAX, .opt.wait = UINT64_MAX, .opt.conflict = 1};
    struct flag flags[VERB_FLAGS_MAX];
    char err[256], **made = xcalloc((size_t)argc + 1, sizeof *made);
    verb_flags(v, &cli.opt, flags);
    memmove(&argv[at], &argv[at + 1], (size_t)(argc - at) * sizeof *argv);
    argc--;
    cli.args = xcalloc((size_t)argc + 1, sizeof *cli.args);
    if (v->run == verb_find) /* whose flags have one dash in everybody's fingers */
        dashes_double(flags, argc, argv, made);
    habits(v, argc, argv, made);
    int status = 2;
    struct config config = {NULL, 0};
    uint64_t seen;
    size_t own = v->run == verb_lock ? 1 : SIZE_MAX; /* what stands behind the path is the command's */
    if (flags_parse_seen(flags, argc, argv, own, cli.args, &cli.n_args, &seen, err, sizeof err) != 0) {
        fprintf(stderr, "dfs: %s: %s (try \"dfs %s --help\")\n", v->name, err, v->name);
    } else if (cli.opt.help) {
        status = help_verb(v);
    } else if (cli.n_args < v->min_args || cli.n_args > v->max_args) {
        fprintf(stderr, "Usage: dfs %s%s%s (try \"dfs %s --help\")\n", v->name, *v->args ? " " : "", v->args, v->name);
    } else if (!operands_given(&cli)) {
        status = 2;
    } else if (!settings_apply(&config, flags, seen)) {
        status = 2;
    } else if (cli.opt.color && !color_valid(cli.opt.color)) {
        fprintf(stderr, "dfs: --color: \"%s\" is not auto, always or never\n", cli.opt.color);
    } else if (cli_open(&cli) == 0) {
        /* Buffers of a megabyte come and go with every frame: kept, not given back and faulted in again. */
        mallopt(M_MMAP_THRESHOLD, KEPT_MEMORY);
        mallopt(M_TRIM_THRESHOLD, KEPT_MEMORY);
        run(&cli);
        status = cli_close(&cli);
    }
    for (int i = 0; i <= argc; i++)
        free(made[i]);
    free(made);
    config_free(&config);
    free(cli.args);
    return status;
}

/* Where the verb stands: the first argument that is neither a flag nor the value of one that all verbs take. */
static int verb_at(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--nm") == 0 || strcmp(argv[i], "--color") == 0)
            i++;
        else if (argv[i][0] != '-' || !argv[i][1])
            return i;
    }
    return 0;
}

static int help(int argc, char **argv, int at)
{
    const char *about = at + 1 < argc ? argv[at + 1] : NULL;
    const struct verb *v = about ? verb_lookup(about) : NULL;
    if (about && strcmp(about, "--print-man") == 0)
        return help_man();
    if (about && strcmp(about, "--print-reference") == 0)
        return help_reference();
    if (about && strcmp(about, "--print-json") == 0)
        return help_json_keys();
    if (v)
        return help_verb(v);
    if (about && strcmp(about, "up") == 0)
        return verb_up(2, (char *[]){argv[at + 1], (char[]){"--help"}, NULL});
    if (about && strcmp(about, "mount") == 0)
        return verb_mount((char *[]){argv[at + 1], (char[]){"--help"}, NULL});
    if (about && strcmp(about, "umount") == 0)
        return verb_umount(2, (char *[]){argv[at + 1], (char[]){"--help"}, NULL});
    if (about && strcmp(about, "help") != 0)
        return unknown_verb(about);
    return help_all();
}

int main(int argc, char **argv)
{
    stdfds_fill();
    int at = verb_at(argc, argv);
    if (at == 0) {
        for (int i = 1; i < argc; i++)
            if (strcmp(argv[i], "--version") == 0)
                return printf("dfs %s\n", DFS_VERSION) < 0;
        if (argc > 1 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0))
            return help_all();
        if (argc > 1)
            return usage("%s and no verb: say what is to be done, as in \"dfs ls /\" (try \"dfs help\")",
                         argv[argc - 1]);
        help_all();
        return 2;
    }
    const char *name = argv[at];
    if (strcmp(name, "up") == 0)
        return at == 1 ? verb_up(argc - at, argv + at) : usage("\"%s\" comes first, and its options after it", name);
    if (strcmp(name, "mount") == 0 || strcmp(name, "umount") == 0) {
        if (at != 1)
            return usage("\"%s\" comes first, and its options after it", name);
        return strcmp(name, "mount") == 0 ? verb_mount(argv + at) : verb_umount(argc - at, argv + at);
    }
    if (strcmp(name, "version") == 0)
        return printf("dfs %s\n", DFS_VERSION) < 0;
    if (strcmp(name, "complete") == 0)
        return complete((const char *const *)argv + at + 1, (size_t)(argc - at - 1));
    if (strcmp(name, "help") == 0)
        return help(argc, argv, at);
    const struct verb *v = verb_lookup(name);
    if (!v)
        return unknown_verb(name);
    return verb_run(v, argc, argv, at);
}
