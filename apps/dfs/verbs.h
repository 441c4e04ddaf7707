/* SPDX-License-Identifier: MIT */
/* The table of verbs. Usage, help, man page and completion are made from it; a verb is one function in a file of its own. */
#ifndef DFS_APPS_VERBS_H
#define DFS_APPS_VERBS_H

#include "base/flags.h"

struct cli;

/* A flag of a verb: where its value goes is told as an offset into struct options. */
struct verb_flag {
    const char *name;
    char letter;
    enum flag_kind kind;
    size_t at;
    const char *arg, *help, *preset;
};

struct verb {
    const char *name;
    const char *args;    /* for the usage line */
    const char *summary; /* one line, for dfs help */
    /* What each operand is; one before '*' may come any number of times.
     * R: a path in the cluster, patterns are expanded; D: such a path, taken literally; L: a local path; w: a word. */
    const char *operands;
    size_t min_args, max_args;
    int (*run)(struct cli *cli);
    const struct verb_flag *flags; /* ends with a NULL name; NULL: none of its own */
    const char *help;              /* paragraphs and examples */
};

extern const struct verb verbs[];
extern const size_t n_verbs;

/* What operand i of n is. */
char verb_operand(const struct verb *v, size_t i, size_t n);

#define VERBS(X)                                                                                                       \
    X(put)                                                                                                             \
    X(cp)                                                                                                              \
    X(get)                                                                                                             \
    X(cat) X(head) X(tail) X(ls) X(tree) X(find) X(stat) X(checksum) X(mkdir) X(rmdir) X(rm) X(trash) X(mv) X(ln)      \
        X(chmod) X(chown) X(touch) X(truncate) X(append) X(lock) X(xattr) X(du) X(df) X(setgoal) X(getgoal) X(nm)      \
            X(server) X(status) X(health) X(fsck) X(rebalance)
#define VERB_DECLARE(name) int verb_##name(struct cli *cli);
VERBS(VERB_DECLARE)
#undef VERB_DECLARE

#endif
