/* SPDX-License-Identifier: MIT */
/* The words of "dfs mount", fstab and mount(8). */
#include "../../apps/mount/options.c"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static struct mount_options o;
static char err[256];

static int parse(const char *line)
{
    char copy[512], *argv[16] = {(char[]){"mount"}}, *rest = copy, *word;
    int argc = 1;
    options_free(&o);
    err[0] = 0;
    snprintf(copy, sizeof copy, "%s", line);
    while ((word = strsep(&rest, " ")) != NULL)
        argv[argc++] = word;
    int rc = options_parse(&o, argc, argv, err, sizeof err);
    o.dir = NULL; /* it points into copy */
    return rc;
}

static void a_source_is_servers_and_a_folder(void **state)
{
    (void)state;
    assert_int_equal(parse("a:1,b:2/photos/old /mnt"), 0);
    assert_string_equal(o.nameservers, "a:1,b:2");
    assert_string_equal(o.sub, "/photos/old");
    assert_string_equal(o.source, "a:1,b:2/photos/old");
    assert_int_equal(parse("a:1 /mnt"), 0);
    assert_string_equal(o.sub, "/");
    assert_int_equal(parse("/photos /mnt"), 0);
    assert_null(o.nameservers);
    assert_int_equal(parse("/mnt"), 0);
    assert_null(o.nameservers);
    assert_string_equal(o.sub, "/");
    assert_int_equal(parse("--nm c:3 /sub /mnt"), 0);
    assert_string_equal(o.nameservers, "c:3");
}

static void options_are_ours_or_of_fuse(void **state)
{
    (void)state;
    assert_int_equal(parse("a:1 /mnt -o ro,relaxed,nodev,cache=1m,max_read=4096 -o attr_timeout=250ms"), 0);
    assert_true(o.read_only && o.relaxed);
    assert_int_equal(o.cache, 1024 * 1024);
    assert_int_equal(o.attr_ms, 250);
    assert_int_equal(o.entry_ms, 1000);
    assert_string_equal(o.passed, "nodev,max_read=4096");
}

static void with_acl_no_directory_is_delegated(void **state)
{
    (void)state;
    assert_int_equal(parse("a:1 /mnt"), 0);
    assert_true(!o.acl && !o.nodelegate);
    assert_int_equal(parse("a:1 /mnt -o ro,acl"), 0);
    assert_true(o.acl && o.nodelegate);
    assert_string_equal(o.passed, "");
}

static void time_to_wait_depends_on_soft(void **state)
{
    (void)state;
    assert_int_equal(parse("a:1 /mnt"), 0);
    assert_int_equal(o.timeout_ms, 600000);
    assert_int_equal(parse("a:1 /mnt -osoft"), 0);
    assert_int_equal(o.timeout_ms, 30000);
    assert_int_equal(parse("a:1 /mnt -o soft,timeout=5s"), 0);
    assert_int_equal(o.timeout_ms, 5000);
}

static void what_mount_adds_is_no_error(void **state)
{
    (void)state;
    assert_int_equal(parse("a:1 /mnt -sn -t fuse.dfs -o rw,noauto,user,_netdev,x-systemd.automount,ro"), 0);
    assert_true(o.read_only);
    assert_string_equal(o.passed, "");
}

static void what_makes_no_sense_is_said(void **state)
{
    (void)state;
    assert_int_equal(parse("a:1 /mnt -o cache=lots"), 2);
    assert_non_null(strstr(err, "cache=lots"));
    assert_int_equal(parse("a:1 /mnt -o timeout=soon"), 2);
    assert_int_equal(parse("a:1 /mnt /third"), 2);
    assert_int_equal(parse("--sideways a:1 /mnt"), 2);
    assert_int_equal(parse("-f"), 2);
    assert_int_equal(parse("a:1 /mnt -o"), 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_source_is_servers_and_a_folder), cmocka_unit_test(options_are_ours_or_of_fuse),
        cmocka_unit_test(with_acl_no_directory_is_delegated),
        cmocka_unit_test(time_to_wait_depends_on_soft),     cmocka_unit_test(what_mount_adds_is_no_error),
        cmocka_unit_test(what_makes_no_sense_is_said),
    };
    int rc = cmocka_run_group_tests(tests, NULL, NULL);
    options_free(&o);
    return rc;
}
