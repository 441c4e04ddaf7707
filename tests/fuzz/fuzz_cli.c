/* SPDX-License-Identifier: MIT */
/* Texts that the programs take apart themselves: patterns among operands (in a made-up cluster), formats of dfs stat, options of
 * dfs mount, and the JSON that dfs-bench compares with. The first byte chooses. Sizes, times, modes and addresses: fuzz_words.c;
 * configuration files and command lines: fuzz_config.c. */
#include <grp.h>
#include <pwd.h>
#include <stdarg.h>
#include <stdlib.h>

/* Looked up in files anew for each input. */
#define getpwuid(id) ((struct passwd *)NULL)
#define getgrgid(id) ((struct group *)NULL)

/* Programs' sources are in no library: taken in as they are. */
#include "../../apps/bench/jsonread.c"
#include "../../apps/dfs/glob.c"
#include "../../apps/dfs/text.c"
#include "../../apps/dfs/verb_stat.c"
#include "../../apps/mount/options.c"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define PAGE 3u
#define DEPTH 3u
#define WORDS_MAX 16
#define LINE_MAX_LEN 4096u

static void must(bool fine)
{
    if (!fine)
        abort();
}

/* --- a cluster: each directory holds the same names; those with a d are directories --- */

static const char *const names[] = {".hidden", "*", "[x]", "a", "ab", "a\\b", "d", "dd", "d.d", "\xc3\xa4"};

static int stat_made_up(const char *path, struct dfs_attr *attr)
{
    unsigned depth = 0;
    *attr = (struct dfs_attr){.type = DFS_DIRECTORY};
    for (const char *p = path; *p; p += strcspn(p, "/")) {
        p += strspn(p, "/");
        size_t len = strcspn(p, "/"), i = 0;
        while (len && i < ARRAY_LEN(names) && (strlen(names[i]) != len || memcmp(names[i], p, len) != 0))
            i++;
        if (!len)
            break;
        if (i == ARRAY_LEN(names) || attr->type != DFS_DIRECTORY || ++depth > DEPTH)
            return DFS_ENOENT;
        attr->type = strchr(names[i], 'd') ? DFS_DIRECTORY : DFS_FILE;
    }
    return 0;
}

int cli_lstat(struct cli *cli, const char *path, struct dfs_attr *attr) { return (void)cli, stat_made_up(path, attr); }
int cli_stat(struct cli *cli, const char *path, struct dfs_attr *attr) { return (void)cli, stat_made_up(path, attr); }
char verb_operand(const struct verb *v, size_t i, size_t n) { return (void)v, (void)i, (void)n, 'R'; }
void page_free(struct page *p) { free(p->v); }

int page_read(struct cli *cli, const char *path, const char *after, struct page *out)
{
    struct dfs_attr attr;
    char *below = path_join(path, names[0]);
    size_t from = 0;
    (void)cli;
    must(stat_made_up(path, &attr) == 0 && attr.type == DFS_DIRECTORY);
    *out = (struct page){.v = xcalloc(PAGE, sizeof *out->v)};
    while (*after && strcmp(names[from++], after) != 0)
        must(from < ARRAY_LEN(names));
    if (stat_made_up(below, &attr) != 0)
        from = ARRAY_LEN(names); /* as deep as it goes */
    for (; from < ARRAY_LEN(names) && out->n < PAGE; from++)
        out->v[out->n++] =
            (struct dfs_entry){names[from], {.type = strchr(names[from], 'd') ? DFS_DIRECTORY : DFS_FILE}};
    out->eof = from == ARRAY_LEN(names);
    free(below);
    return 0;
}

void cli_fail(struct cli *cli, const char *path, const char *fmt, ...)
{
    (void)path;
    must(*fmt);
    cli->status = 1;
}

/* What verb_stat.c asks the cluster for is not reached from here. */
void on_call(void *arg, int status, const struct dfs_result *r) { (void)arg, (void)status, (void)r, abort(); }
int call_wait(struct call *k, int err) { return (void)k, (void)err, abort(), 0; }
void call_free(struct call *k) { (void)k; }
void json_string(FILE *out, const char *s) { (void)out, (void)s, abort(); }
void json_attr_open(FILE *out, const char *path, const struct dfs_attr *a, const char *target)
{
    (void)out, (void)path, (void)a, (void)target, abort();
}

/* --- targets --- */

static void patterns(char *text)
{
    static const struct verb verb = {.min_args = 1};
    struct cli cli = {.verb = &verb, .n_args = 1};
    struct dfs_attr attr;
    cli.args = xcalloc(1, sizeof *cli.args);
    cli.args[0] = text;
    bool fits = cli_expand(&cli);
    must(fits == (cli.n_args > 0) && fits == (cli.status == 0));
    bool plain = cli.n_args == 1 && strcmp(cli.args[0], text) == 0;
    for (size_t i = 0; i < cli.n_args && !plain; i++)
        must(stat_made_up(cli.args[i], &attr) == 0);
    free(cli.args);
    cli_expand_free(&cli);
}

static void formats(const char *text)
{
    const struct dfs_attr attr = {
        .size = UINT64_MAX, .mtime_ns = INT64_MIN, .ctime_ns = -1, .mode = 07777, .type = 255};
    char *shown = NULL;
    size_t len = 0;
    FILE *kept = stdout;
    if (format_check(text))
        return;
    stdout = open_memstream(&shown, &len);
    must(stdout != NULL);
    print_format(text, "/a\x01", &attr, "to");
    fclose(stdout);
    stdout = kept;
    must(len > 0 && shown[len - 1] == '\n');
    free(shown);
}

static void mounts(char *text)
{
    char *argv[WORDS_MAX + 1] = {(char[]){"mount"}}, err[256] = "", *rest = text;
    struct mount_options o;
    int argc = 1;
    while (rest && argc < WORDS_MAX)
        argv[argc++] = strsep(&rest, "\n");
    int rc = options_parse(&o, argc, argv, err, sizeof err);
    must(rc == 0 || (rc == 2 && err[0]));
    must(rc != 0 || o.help || o.version || (o.dir && o.source && o.sub && o.sub[0] == '/' && o.timeout_ms));
    options_free(&o);
}

static void walk_json(struct json v, unsigned depth)
{
    char text[20];
    must(depth < 40);
    for (struct json e = json_first(v); e.p; e = json_next(e))
        walk_json(e, depth + 1);
    struct json inside = json_member(v, "a");
    if (inside.p)
        walk_json(inside, depth + 1);
    (void)json_number(v, 0);
    json_text(v, text, sizeof text);
    must(strlen(text) < sizeof text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1 || size > LINE_MAX_LEN)
        return 0;
    char *text = xstrndup((const char *)data + 1, size - 1);
    if (data[0] % 4 == 0)
        patterns(text);
    else if (data[0] % 4 == 1)
        formats(text);
    else if (data[0] % 4 == 2)
        mounts(text);
    else
        walk_json(json_open((const char *)data + 1, size - 1), 0);
    free(text);
    return 0;
}
