/* SPDX-License-Identifier: MIT */
/* The offline tools: what they find, and that looking changes nothing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/crc.h"
#include "store/tool.h"
#include "support/ss_rig.h"

#define SEGMENT "seg-0000000000000001.log"

static struct rig *rig;
static struct disk *disk;
static uint8_t data[200000], back[200000];
static char *text;
static size_t text_len;
static uint64_t damage;
static char why[256];

/* A folder of a server that wrote small and large chunks, overwrote some, deleted one, and was restarted once. */
static int setup(void **state)
{
    (void)state;
    rig = calloc(1, sizeof *rig);
    rig_init(rig, 1, 1, 1, 512 * MIB);
    rig_fill(data, sizeof data, 42);
    rig_start(rig);
    disk = rig->disks[0][0];
    for (uint32_t i = 0; i < 20; i++)
        assert_int_equal(rig_write(rig, 0, 1, 100 + i, 0, data + i, 5000), 0);
    assert_int_equal(rig_write(rig, 0, 1, 200, 0, data, sizeof data), 0);
    assert_int_equal(rig_write(rig, 0, 1, 105, 1000, data, 2000), 0);
    rig->remove[rig->n_remove++] = 110;
    rig_pass(rig, 600 * NS_PER_MS);
    rig_crash(rig, 0, CRASH_DROP_ALL);
    rig_start(rig);
    rig_crash(rig, 0, CRASH_DROP_ALL);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    rig_close(rig);
    free(rig);
    free(text);
    text = NULL;
    return 0;
}

static void add_file(void *arg, const char *name, uint64_t size)
{
    uint32_t *crc = arg;
    const uint8_t *p = memdisk_peek(disk, name, &size);
    *crc += crc32c(crc32c(0, name, strlen(name)), p, size); /* files come in any order */
}

static uint32_t content(void)
{
    uint32_t crc = 0;
    assert_int_equal(disk->ops->list(disk, add_file, &crc), 0);
    return crc;
}

static FILE *output(void)
{
    free(text);
    text = NULL;
    return open_memstream(&text, &text_len);
}

static int check(bool json)
{
    FILE *out = output();
    uint32_t before = content();
    int err = tool_check(disk, out, json, &damage, why, sizeof why);
    fclose(out);
    assert_int_equal(content(), before);
    return err;
}

static void a_good_folder_checks_clean(void **state)
{
    (void)state;
    assert_int_equal(check(false), 0);
    assert_int_equal(damage, 0);
    assert_non_null(strstr(text, "chunks=20 live_bytes="));
    assert_int_equal(check(true), 0);
    assert_non_null(strstr(text, "\"chunks\":20,"));
    assert_non_null(strstr(text, "\"damaged\":0}"));
}

/* Each byte of a record in turn: found, and blamed on its chunk or at least on its file. */
static void any_flipped_byte_of_live_data_is_found(void **state)
{
    (void)state;
    for (uint32_t at = 4; at < 128 + 8 + 5000; at++) {
        if (at >= 108 && at < 112)
            continue; /* reserved, and checksummed all the same */
        assert_true(memdisk_flip(disk, SEGMENT, 4096 + at, 4));
        assert_int_equal(check(false), 0);
        assert_int_equal(damage, 1);
        assert_non_null(strstr(text, "chunk=100 "));
        assert_true(memdisk_flip(disk, SEGMENT, 4096 + at, 4));
    }
    assert_int_equal(check(false), 0);
    assert_int_equal(damage, 0);
}

static void a_dump_names_every_record(void **state)
{
    (void)state;
    for (int json = 0; json < 2; json++) {
        FILE *out = output();
        assert_int_equal(tool_dump(disk, out, json, why, sizeof why), 0);
        fclose(out);
        uint32_t n = 0;
        for (const char *p = text; (p = strstr(p, json ? "\"chunk\":" : " chunk=")); p++)
            n++;
        assert_int_equal(n, 23);
        assert_non_null(strstr(text, json ? "\"kind\":\"delete\",\"chunk\":110" : "delete chunk=110"));
    }
}

static void summaries_can_be_written_anew(void **state)
{
    (void)state;
    uint64_t size;
    assert_non_null(memdisk_peek(disk, SEGMENT, &size));
    assert_true(memdisk_flip(disk, SEGMENT, size - 100, 1)); /* an entry */
    FILE *out = output();
    assert_int_equal(tool_rebuild(disk, out, &damage, why, sizeof why), 0);
    fclose(out);
    assert_int_equal(damage, 0);
    assert_non_null(strstr(text, "open=0 damaged=0"));
    assert_int_equal(check(false), 0);
    rig_start(rig);
    assert_int_equal(rig_chunks(rig, 0), 20);
    for (uint32_t i = 0; i < 20; i++)
        if (i != 10 && i != 5) {
            assert_int_equal(rig_read(rig, 0, 100 + i, 0, 5000, back, NULL), 0);
            assert_memory_equal(back, data + i, 5000);
        }
}

static void what_is_no_data_folder_is_refused(void **state)
{
    (void)state;
    assert_int_equal(disk->ops->unlink(disk, "identity"), 0);
    assert_int_equal(check(false), DFS_ENOENT);
    assert_non_null(strstr(why, "not a data folder"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_good_folder_checks_clean, setup, teardown),
        cmocka_unit_test_setup_teardown(any_flipped_byte_of_live_data_is_found, setup, teardown),
        cmocka_unit_test_setup_teardown(a_dump_names_every_record, setup, teardown),
        cmocka_unit_test_setup_teardown(summaries_can_be_written_anew, setup, teardown),
        cmocka_unit_test_setup_teardown(what_is_no_data_folder_is_refused, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
