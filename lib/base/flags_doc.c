/* SPDX-License-Identifier: MIT */
#include "base/flags.h"

/* What does not fit is left out: the caller's buffer is larger than any table of flags. */
static void add(struct bytes *out, const char *s, size_t len)
{
    if (bytes_add(out, s, len) != 0)
        return;
}

static void add_text(struct bytes *out, const char *s) { add(out, s, strlen(s)); }

/* A cell of a table: a bar would end it. */
static void markdown_text(const char *text, struct bytes *out)
{
    for (const char *p = text; *p; p++) {
        if (*p == '|')
            add_text(out, "\\");
        add(out, p, 1);
    }
}

void flags_markdown(const struct flag *table, struct bytes *out)
{
    add_text(out, "| flag | | default | |\n|---|---|---|---|\n");
    for (const struct flag *f = table; f->name; f++) {
        const char letter[] = {'-', f->letter, '`', ',', ' ', '`', 0};
        add_text(out, "| `");
        add_text(out, f->letter ? letter : "");
        add_text(out, "--");
        add_text(out, f->name);
        add_text(out, "` | ");
        markdown_text(f->arg ? f->arg : "", out);
        add_text(out, " | ");
        markdown_text(f->preset ? f->preset : "", out);
        add_text(out, " | ");
        markdown_text(f->help, out);
        add_text(out, " |\n");
    }
}

void roff_text(const char *text, struct bytes *out)
{
    bool line_start = true;
    for (const char *p = text; *p; p++) {
        if (line_start && (*p == '.' || *p == '\''))
            add_text(out, "\\&");
        if (*p == '\\')
            add_text(out, "\\e");
        else if (*p == '-')
            add_text(out, "\\-");
        else
            add(out, p, 1);
        line_start = *p == '\n';
    }
}

void flags_roff(const struct flag *table, struct bytes *out)
{
    for (const struct flag *f = table; f->name; f++) {
        const char letter[] = {'-', f->letter, ',', ' ', 0};
        add_text(out, ".TP\n\\fB");
        roff_text(f->letter ? letter : "", out);
        roff_text("--", out);
        roff_text(f->name, out);
        add_text(out, "\\fR");
        if (f->arg) {
            add_text(out, " \\fI");
            roff_text(f->arg, out);
            add_text(out, "\\fR");
        }
        add_text(out, "\n");
        roff_text(f->help, out);
        if (f->preset) {
            add_text(out, " (default: ");
            roff_text(f->preset, out);
            add_text(out, ")");
        }
        add_text(out, "\n");
    }
}
