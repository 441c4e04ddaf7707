/* SPDX-License-Identifier: MIT */
#include "help.h"

#include <stdlib.h>

#define WORD_MAX 24u

const struct verb *verb_lookup(const char *name)
{
    for (size_t i = 0; i < n_verbs; i++)
        if (strcmp(verbs[i].name, name) == 0)
            return &verbs[i];
    return NULL;
}

/* Letters to be changed, put in, left out or exchanged with their neighbour. */
static unsigned distance(const char *a, const char *b)
{
    unsigned d[WORD_MAX + 1][WORD_MAX + 1];
    size_t n = strlen(a), m = strlen(b);
    for (size_t i = 0; i <= n; i++) {
        for (size_t j = 0; j <= m; j++) {
            if (i == 0 || j == 0) {
                d[i][j] = (unsigned)(i + j);
                continue;
            }
            uint64_t best = min_u64(d[i - 1][j], d[i][j - 1]) + 1;
            best = min_u64(best, d[i - 1][j - 1] + (a[i - 1] != b[j - 1]));
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                best = min_u64(best, d[i - 2][j - 2] + 1);
            d[i][j] = (unsigned)best;
        }
    }
    return d[n][m];
}

const char *help_nearest(const char *name)
{
    const char *best = NULL;
    unsigned least = 2; /* more is another word */
    for (size_t i = 0; i < n_verbs && strlen(name) <= WORD_MAX; i++) {
        unsigned d = distance(name, verbs[i].name);
        if (d < least || (d == least && strlen(name) > 4 && !best)) {
            least = d;
            best = verbs[i].name;
        }
    }
    return best;
}

void verb_flags(const struct verb *v, struct options *o, struct flag out[VERB_FLAGS_MAX])
{
    size_t n = 0;
    for (const struct verb_flag *f = v->flags; f && f->name; f++) {
        assert(n + 5 < VERB_FLAGS_MAX);
        out[n++] = (struct flag){f->name, f->letter, f->kind, (char *)o + f->at, f->arg, f->help, f->preset};
    }
    out[n++] = (struct flag){
        "nm", 0, FLAG_STRING, &o->nm, "HOST:PORT[,...]", "the NameServers", "$DFS_NM, else 127.0.0.1:4610"};
    out[n++] = (struct flag){"json", 'j', FLAG_SWITCH, &o->json, NULL, "print JSON", NULL};
    out[n++] = (struct flag){"color", 0, FLAG_STRING, &o->color, "WHEN", "colours: auto, always or never", "auto"};
    out[n++] = (struct flag){"help", 0, FLAG_SWITCH, &o->help, NULL, "show this", NULL};
    out[n] = (struct flag){.name = NULL};
}

static void verb_line(const char *name, const char *args, const char *summary)
{
    int wide = strlen(args) > 25 ? 26 + 12 : 0; /* then what it does stands below */
    printf("  %-9s %-25s%s%*s%s\n", name, args, wide ? "\n" : " ", wide, "", summary);
}

int help_all(void)
{
    printf("Usage: dfs [--nm HOST:PORT[,...]] [-j] VERB ...\n\n");
    for (size_t i = 0; i < n_verbs; i++)
        verb_line(verbs[i].name, verbs[i].args, verbs[i].summary);
    verb_line("mount", "[HOST:PORT][/FOLDER] DIR", "show a folder of the cluster at DIR");
    verb_line("umount", "DIR", "take it away from there");
    verb_line("up", "DIR", "run a whole cluster on this machine, for trying out");
    verb_line("help", "[VERB]", "show this, or more about a verb");
    verb_line("version", "", "show the version");
    printf(
        "\n\"dfs VERB --help\" tells more. The NameServer is found by --nm, else by DFS_NM, else at 127.0.0.1:4610.\n");
    return 0;
}

int help_verb(const struct verb *v)
{
    struct options o = {0};
    struct flag flags[VERB_FLAGS_MAX];
    struct bytes text;
    verb_flags(v, &o, flags);
    bytes_init(&text, 64 * KIB);
    flags_help(flags, &text);
    printf("Usage: dfs %s%s%s\n%s\nOptions:\n%.*s", v->name, *v->args ? " " : "", v->args, v->help, (int)text.len,
           (const char *)text.p);
    bytes_close(&text);
    return 0;
}

/* --- the man page, the reference --- */

static void print(struct bytes *text)
{
    fwrite(text->p, 1, text->len, stdout);
    text->len = 0;
}

/* The flags of the verb alone, or (v NULL) those that all verbs take. */
static void own_flags(const struct verb *v, struct flag out[VERB_FLAGS_MAX])
{
    struct options o = {0};
    struct verb none = {.name = ""};
    verb_flags(v ? v : &none, &o, out);
    for (struct flag *f = out; v && f->name; f++)
        if (strcmp(f->name, "nm") == 0)
            f->name = NULL;
}

int help_man(void)
{
    struct flag flags[VERB_FLAGS_MAX];
    struct bytes text;
    bytes_init(&text, 256 * KIB);
    printf(".TH dfs 1 \"\" \"dfs\" \"DFS\"\n.SH NAME\ndfs \\- files in a DFS cluster\n.SH SYNOPSIS\n"
           ".B dfs\n[\\fB\\-\\-nm\\fR \\fIHOST:PORT\\fR[,...]] [\\fB\\-j\\fR] \\fIVERB\\fR ...\n"
           ".SH DESCRIPTION\nStores, fetches, lists and administers files in a DFS cluster. Flags may stand before or "
           "after the "
           "verb. Patterns in quotes are expanded in the cluster.\n.SH FLAGS OF ALL VERBS\n");
    own_flags(NULL, flags);
    flags_roff(flags, &text);
    print(&text);
    printf(".SH VERBS\n");
    for (size_t i = 0; i < n_verbs; i++) {
        const struct verb *v = &verbs[i];
        printf(".SS dfs %s %s\n", v->name, v->args);
        roff_text(v->summary, &text);
        print(&text);
        printf(".\n.RS\n");
        own_flags(v, flags);
        flags_roff(flags, &text);
        print(&text);
        printf(".RE\n.PP\n.nf\n");
        roff_text(v->help, &text);
        print(&text);
        printf(".fi\n");
    }
    printf(
        ".SH EXIT STATUS\n0: done; 1: something failed, and was said on standard error; 2: wrong usage.\n"
        ".SH ENVIRONMENT\n.TP\n.B DFS_NM\nthe NameServers, HOST:PORT[,HOST:PORT...]\n.TP\n.B DFS_CONFIG\nthe settings, "
        "instead of ~/.config/dfs/dfs.ini or /etc/dfs/dfs.ini\n.TP\n.B NO_COLOR\nno colours\n"
        ".SH SEE ALSO\n.BR dfs-nm (8),\n.BR dfs-ss (8),\n.BR dfs-bench (1)\n");
    bytes_close(&text);
    return 0;
}

int help_reference(void)
{
    struct flag flags[VERB_FLAGS_MAX];
    struct bytes text;
    bytes_init(&text, 256 * KIB);
    printf("Flags of all verbs:\n\n");
    own_flags(NULL, flags);
    flags_markdown(flags, &text);
    print(&text);
    for (size_t i = 0; i < n_verbs; i++) {
        const struct verb *v = &verbs[i];
        printf("\n### dfs %s%s%s\n\n%c%s.\n", v->name, *v->args ? " " : "", v->args,
               v->summary[0] >= 'a' && v->summary[0] <= 'z' ? v->summary[0] - 'a' + 'A' : v->summary[0],
               v->summary + 1);
        own_flags(v, flags);
        if (flags[0].name) {
            putchar('\n');
            flags_markdown(flags, &text);
            print(&text);
        }
        printf("\n```\n%s```\n", v->help);
    }
    help_json_reference();
    bytes_close(&text);
    return 0;
}
