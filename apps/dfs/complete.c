/* SPDX-License-Identifier: MIT */
/* What the shells' completions ask for: "dfs complete WORD...", the words behind "dfs" up to the one being typed, which may be
 * empty. Candidates one a line; ":files" stands for those of the local disk, which the shell knows best. */
#include "complete.h"

#include <stdlib.h>

#include "help.h"
#include "settings.h"
#include "tree.h"

#define PATHS_MAX 1000u
#define PATIENCE_MS 1500u

static bool begins(const char *s, const char *prefix) { return strncmp(s, prefix, strlen(prefix)) == 0; }

static void offer(const char *word, const char *typed)
{
    if (begins(word, typed))
        puts(word);
}

static void offer_flags(const struct flag *flags, const char *typed)
{
    char word[64];
    for (const struct flag *f = flags; f->name; f++) {
        snprintf(word, sizeof word, "--%s", f->name);
        offer(word, typed);
    }
}

/* Paths in the cluster that begin with what is typed. */
static void offer_paths(struct cli *cli, const char *typed)
{
    const char *slash = strrchr(typed, '/');
    char *dir = slash ? xstrndup(typed, (size_t)(slash + 1 - typed)) : xstrdup(""), *after = xstrdup("");
    const char *prefix = slash ? slash + 1 : typed;
    struct page p;
    unsigned shown = 0;
    for (bool eof = false; !eof && shown < PATHS_MAX;) {
        struct call k = CALL(cli);
        p = (struct page){NULL, 0, true};
        int err = page_take(&k, *dir ? dir : "/", after, &p);
        call_free(&k);
        if (err)
            break;
        for (size_t i = 0; i < p.n && shown < PATHS_MAX; i++) {
            if (!begins(p.v[i].name, prefix) || strchr(p.v[i].name, '\n'))
                continue;
            printf("%s%s%s\n", dir, p.v[i].name, p.v[i].attr.type == DFS_DIRECTORY ? "/" : "");
            shown++;
        }
        eof = p.eof ||
              (p.n > 0 && *prefix && strcmp(p.v[p.n - 1].name, prefix) > 0 && !begins(p.v[p.n - 1].name, prefix));
        free(after);
        after = xstrdup(p.n ? p.v[p.n - 1].name : "");
        page_free(&p);
    }
    free(after);
    free(dir);
}

/* Asks the NameServers which a command would ask. */
static void offer_remote(struct cli *cli, const struct flag *flags, const char *typed)
{
    struct config config = {NULL, 0};
    uint64_t seen = cli->opt.nm ? 1ULL << flags_index(flags, "nm") : 0;
    cli->timeout_ms = PATIENCE_MS;
    if (settings_apply(&config, flags, seen) && cli_open(cli) == 0) {
        offer_paths(cli, typed);
        cli_close(cli);
    }
    config_free(&config);
}

static void offer_verbs(const char *typed)
{
    for (size_t i = 0; i < n_verbs; i++)
        offer(verbs[i].name, typed);
    offer("mount", typed);
    offer("umount", typed);
    offer("up", typed);
    offer("help", typed);
    offer("version", typed);
}

/* The words of a verb that takes some: "list|restore|empty". */
static void offer_words(const struct verb *v, const char *typed)
{
    char *all = xstrdup(v->args), *rest = all, *one;
    all[strcspn(all, " ")] = 0;
    while (strchr(v->args, '|') && (one = strsep(&rest, "|")))
        offer(one, typed);
    free(all);
}

static const struct flag *flag_of(const struct flag *flags, const char *word)
{
    for (const struct flag *f = flags; f->name; f++) {
        bool is_letter = f->letter && word[0] == '-' && word[1] == f->letter && !word[2];
        if (is_letter ||
            (word[0] == '-' && strcmp(word + 1 + (word[1] == '-'), f->name) == 0)) /* find's have one dash */
            return f;
    }
    return NULL;
}

static void complete_verb(struct cli *cli, const struct verb *v, const char *const *words, size_t n, size_t verb_at)
{
    struct flag flags[VERB_FLAGS_MAX];
    const char *typed = words[n - 1];
    size_t operand = 0;
    bool value = false; /* the word before is a flag that wants one */
    verb_flags(v, &cli->opt, flags);
    for (size_t i = 0; i + 1 < n; i++) {
        const struct flag *f = value ? NULL : flag_of(flags, words[i]);
        bool was_value = value;
        value = f && f->kind != FLAG_SWITCH;
        if (value && strcmp(f->name, "nm") == 0 && i + 2 < n)
            cli->opt.nm = words[i + 1];
        operand += i > verb_at && !f && !was_value && words[i][0] != '-';
    }
    if (value)
        return;
    if (typed[0] == '-') {
        offer_flags(flags, typed);
        return;
    }
    char kind = verb_operand(v, operand, SIZE_MAX / 2), last = kind;
    if (operand + 1 >= v->min_args) /* it may be the last */
        last = verb_operand(v, operand, operand + 1);
    if (kind == 'L' || last == 'L')
        puts(":files");
    if (kind == 'w' && operand == 0)
        offer_words(v, typed);
    if ((strchr("RD", kind) && kind) || (strchr("RD", last) && last)) {
        offer_remote(cli, flags, typed);
    }
}

int complete(const char *const *words, size_t n)
{
    struct cli cli = {.verb = &verbs[0], .opt.depth = 1};
    struct flag flags[VERB_FLAGS_MAX];
    struct verb none = {.name = ""};
    if (n == 0)
        return 2;
    verb_flags(&none, &cli.opt, flags);
    for (size_t i = 0; i + 1 < n; i++) {
        if (strcmp(words[i], "--nm") == 0 || strcmp(words[i], "--color") == 0) {
            i++;
        } else if (words[i][0] != '-') {
            const struct verb *v = verb_lookup(words[i]);
            if (v)
                complete_verb(&cli, v, words, n, i);
            else if (strcmp(words[i], "help") == 0)
                offer_verbs(words[n - 1]);
            else if (strcmp(words[i], "up") == 0 || strcmp(words[i], "mount") == 0 || strcmp(words[i], "umount") == 0)
                puts(":files");
            return 0;
        }
    }
    if (words[n - 1][0] == '-')
        offer_flags(flags, words[n - 1]);
    else
        offer_verbs(words[n - 1]);
    return 0;
}
