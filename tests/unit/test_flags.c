/* SPDX-License-Identifier: MIT */
/* Command lines as people type them, right and wrong. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/flags.h"

struct options {
    bool recursive, json;
    const char *nm;
    struct flag_list data;
    uint64_t count, size, wait;
};

/* Splits a line at spaces and parses it. */
static int parse(struct options *o, const char *line, const char **args, size_t *n_args, char *err)
{
    const struct flag table[] = {
        {"recursive", 'r', FLAG_SWITCH, &o->recursive, NULL, "whole trees", NULL},
        {"json", 'j', FLAG_SWITCH, &o->json, NULL, "print JSON", NULL},
        {"nm", 0, FLAG_STRING, &o->nm, "HOST:PORT", "the NameServer", "127.0.0.1:4610"},
        {"data", 'd', FLAG_LIST, &o->data, "DIR", "a data folder", NULL},
        {"count", 'c', FLAG_U64, &o->count, "N", "how many", NULL},
        {"size", 0, FLAG_SIZE, &o->size, "SIZE", "how large", NULL},
        {"wait", 0, FLAG_DURATION, &o->wait, "TIME", "how long", NULL},
        {0},
    };
    static char text[256];
    char *argv[32] = {"prog"};
    int argc = 1;

    strcpy(text, line);
    for (char *save = NULL, *word = strtok_r(text, " ", &save); word != NULL; word = strtok_r(NULL, " ", &save))
        argv[argc++] = word;
    *o = (struct options){0};
    return flags_parse(table, argc, argv, args, n_args, err, 128);
}

static void test_all_the_ways_to_give_a_flag(void **state)
{
    struct options o;
    const char *args[32];
    size_t n;
    char err[128];

    (void)state;
    assert_int_equal(
        parse(&o, "put -rj a --nm=h:1 - --data x -d y -dz -c5 --size 64k --wait=250ms -- -r", args, &n, err), 0);
    assert_true(o.recursive && o.json);
    assert_string_equal(o.nm, "h:1");
    assert_int_equal(o.data.n, 3);
    assert_string_equal(o.data.v[2], "z");
    assert_int_equal(o.count, 5);
    assert_int_equal(o.size, 65536);
    assert_int_equal(o.wait, 250 * NS_PER_MS);
    assert_int_equal(n, 4);
    assert_string_equal(args[0], "put");
    assert_string_equal(args[1], "a");
    assert_string_equal(args[2], "-");
    assert_string_equal(args[3], "-r");
}

static void test_a_switch_takes_yes_or_no(void **state)
{
    struct options o;
    const char *args[32];
    size_t n;
    char err[128];

    (void)state;
    assert_int_equal(parse(&o, "-r --json=yes", args, &n, err), 0);
    assert_true(o.recursive && o.json);
    assert_int_equal(parse(&o, "-r --json --recursive=no --json=off", args, &n, err), 0);
    assert_true(!o.recursive && !o.json);
}

static void test_values_come_from_elsewhere(void **state)
{
    struct options o = {0};
    const struct flag table[] = {
        {"recursive", 'r', FLAG_SWITCH, &o.recursive, NULL, "whole trees", NULL},
        {"data", 'd', FLAG_LIST, &o.data, "DIR", "a data folder", NULL},
        {"size", 0, FLAG_SIZE, &o.size, "SIZE", "how large", NULL},
        {0},
    };
    char *argv[] = {"prog", "-d", "x", "--size=1k"};
    const char *args[4];
    size_t n;
    uint64_t seen;
    char err[128];

    (void)state;
    assert_int_equal(flags_parse_seen(table, 4, argv, SIZE_MAX, args, &n, &seen, err, sizeof err), 0);
    assert_true(seen == ((1U << flags_index(table, "data")) | (1U << flags_index(table, "size"))));
    assert_int_equal(flags_index(table, "dat"), -1);
    assert_int_equal(flags_set(table, "data", "y", err, sizeof err), 0);
    assert_int_equal(o.data.n, 2);
    assert_int_equal(flags_set(table, "recursive", "true", err, sizeof err), 0);
    assert_true(o.recursive);
    assert_int_equal(flags_set(table, "size", "1x", err, sizeof err), DFS_EINVAL);
    assert_string_equal(err, "--size: \"1x\" is not a size (such as 4096, 64k, 1g)");
    assert_int_equal(flags_set(table, "nope", "1", err, sizeof err), DFS_ENOENT);
}

static void test_what_markup_would_take_for_its_own_is_escaped(void **state)
{
    const struct flag table[] = {
        {"type", 't', FLAG_STRING, NULL, "f|d", ".dots, back\\slashes", "f"},
        {0},
    };
    struct bytes b;

    (void)state;
    bytes_init(&b, 4096);
    flags_markdown(table, &b);
    assert_int_equal(bytes_add(&b, "", 1), 0);
    assert_string_equal((char *)b.p, "| flag | | default | |\n|---|---|---|---|\n"
                                     "| `-t`, `--type` | f\\|d | f | .dots, back\\slashes |\n");
    b.len = 0;
    flags_roff(table, &b);
    assert_int_equal(bytes_add(&b, "", 1), 0);
    assert_string_equal((char *)b.p, ".TP\n\\fB\\-t, \\-\\-type\\fR \\fIf|d\\fR\n"
                                     "\\&.dots, back\\eslashes (default: f)\n");
    bytes_close(&b);
}

static void test_mistakes_are_named(void **state)
{
    static const struct {
        const char *line, *err;
    } cases[] = {
        {"--nope", "--nope: no such flag"},
        {"--nope=1", "--nope: no such flag"},
        {"-rx", "-x: no such flag"},
        {"--nm", "--nm: needs a value (HOST:PORT)"},
        {"-c", "--count: needs a value (N)"},
        {"-c -1", "--count: \"-1\" is not a whole number"},
        {"-c 99999999999999999999", "--count: \"99999999999999999999\" is not a whole number"},
        {"--size 1x", "--size: \"1x\" is not a size (such as 4096, 64k, 1g)"},
        {"--wait soon", "--wait: \"soon\" is not a duration (such as 250ms, 10s, 5m)"},
        {"--json=perhaps", "--json: \"perhaps\" is not yes or no"},
    };
    struct options o;
    const char *args[32];
    size_t n;
    char err[128];

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        assert_int_equal(parse(&o, cases[i].line, args, &n, err), DFS_EINVAL);
        assert_string_equal(err, cases[i].err);
    }
}

static void test_help_is_aligned(void **state)
{
    const struct flag table[] = {
        {"recursive", 'r', FLAG_SWITCH, NULL, NULL, "whole trees", NULL},
        {"nm", 0, FLAG_STRING, NULL, "HOST:PORT", "the NameServer", "127.0.0.1:4610"},
        {0},
    };
    struct bytes b;

    (void)state;
    bytes_init(&b, 4096);
    flags_help(table, &b);
    assert_int_equal(bytes_add(&b, "", 1), 0);
    assert_string_equal((char *)b.p, "  -r, --recursive     whole trees\n"
                                     "      --nm HOST:PORT  the NameServer (default: 127.0.0.1:4610)\n");
    bytes_close(&b);
}

static void test_sizes_and_durations(void **state)
{
    uint64_t n = 7;

    (void)state;
    assert_int_equal(parse_size("2t", &n), 0);
    assert_true(n == 2 * KIB * GIB);
    assert_int_equal(parse_size("16777216t", &n), DFS_EINVAL);
    assert_int_equal(parse_size("", &n), DFS_EINVAL);
    assert_int_equal(parse_size("k", &n), DFS_EINVAL);
    assert_int_equal(parse_duration("2", &n), 0);
    assert_true(n == 2 * NS_PER_SEC);
    assert_int_equal(parse_duration("3d", &n), 0);
    assert_true(n == 3 * 86400 * NS_PER_SEC);
    assert_int_equal(parse_duration("1y", &n), DFS_EINVAL);
    assert_true(n == 3 * 86400 * NS_PER_SEC);
}

static void test_addresses(void **state)
{
    static const struct {
        const char *in, *out;
    } cases[] = {
        {"host", "host:4610"},
        {"host:1", "host:1"},
        {"10.0.0.1:0", "10.0.0.1:0"},
        {"[::1]", "[::1]:4610"},
        {"[fe80::1]:65535", "[fe80::1]:65535"},
        {"", NULL},
        {":1", NULL},
        {"host:", NULL},
        {"host:65536", NULL},
        {"host:x", NULL},
        {"::1", NULL},
        {"[::1", NULL},
        {"[host]:1", NULL},
        {"[::1]x", NULL},
        {"a b:1", NULL},
        {"a/b:1", NULL},
    };
    char out[64];

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        int rc = parse_address(cases[i].in, 4610, out, sizeof out);

        assert_int_equal(rc, cases[i].out != NULL ? 0 : DFS_EINVAL);
        if (cases[i].out != NULL)
            assert_string_equal(out, cases[i].out);
    }
    assert_int_equal(parse_address("a-rather-long-host-name:4610", 1, out, 8), DFS_EINVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_the_ways_to_give_a_flag),
        cmocka_unit_test(test_a_switch_takes_yes_or_no),
        cmocka_unit_test(test_values_come_from_elsewhere),
        cmocka_unit_test(test_what_markup_would_take_for_its_own_is_escaped),
        cmocka_unit_test(test_mistakes_are_named),
        cmocka_unit_test(test_help_is_aligned),
        cmocka_unit_test(test_sizes_and_durations),
        cmocka_unit_test(test_addresses),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
