/* SPDX-License-Identifier: MIT */
#include "help.h"

#include <stdlib.h>

const struct verb *verb_lookup(const char *name)
{
    for (size_t i = 0; i < n_verbs; i++)
        if (strcmp(verbs[i].name, name) == 0)
            return &verbs[i];
    return NULL;
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

int help_all(void)
{
    printf("Usage: dfs [--nm HOST:PORT[,...]] [-j] VERB ...\n\n");
    for (size_t i = 0; i < n_verbs; i++)
        printf("  %-8s %-25s %s\n", verbs[i].name, verbs[i].args, verbs[i].summary);
    printf("  %-8s %-25s %s\n", "up", "DIR", "run a whole cluster on this machine, for trying out");
    printf("  %-8s %-25s %s\n", "help", "[VERB]", "show this, or more about a verb");
    printf("  %-8s %-25s %s\n", "version", "", "show the version");
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
