/* SPDX-License-Identifier: MIT */
/* Folders that releases wrote must still load. tests/unit/golden/store-<format version>/ holds one for each version of the
 * format; they are never changed. DFS_WRITE_GOLDEN=1 writes the one of today's format, where there is none. */
#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "store/format.h"
#include "store/tool.h"
#include "support/ss_rig.h"

static struct rig *rig;
static uint8_t data[70000], back[70000];
static const uint8_t zeros[4000];

static void golden_path(char *out, size_t len, uint32_t version, const char *name)
{
    snprintf(out, len, DFS_SOURCE_DIR "/tests/unit/golden/store-%u/%s", version, name);
}

static void write_one(void *arg, const char *name, uint64_t size)
{
    char path[1024];
    const uint8_t *p = memdisk_peek(arg, name, &size);
    golden_path(path, sizeof path, FORMAT_VERSION, name);
    FILE *f = fopen(path, "wbx");
    assert_non_null(f);
    assert_int_equal(fwrite(p, 1, size, f), size);
    fclose(f);
}

static bool write_golden(void)
{
    char path[1024];
    golden_path(path, sizeof path, FORMAT_VERSION, "");
    if (mkdir(path, 0755) != 0)
        return false; /* there is one */
    rig_start(rig);
    for (uint32_t i = 0; i < 3; i++)
        assert_int_equal(rig_write(rig, 0, 1, 100 + i, 0, data + i, 5000), 0);
    assert_int_equal(rig_write(rig, 0, 1, 101, 1000, data, 2000), 0);
    assert_int_equal(rig_write(rig, 0, 1, 200, 0, data, sizeof data), 0);
    assert_int_equal(rig_write(rig, 0, 1, 103, 0, data, 9000), 0);
    assert_int_equal(rig_truncate(rig, 0, 1, 103, 5000), 0);
    assert_int_equal(rig_truncate(rig, 0, 1, 103, 9000), 0);
    assert_int_equal(rig_punch(rig, 0, 1, 103, 100, 200), 0);
    rig->remove[rig->n_remove++] = 102;
    rig_pass(rig, 600 * NS_PER_MS);
    rig_crash(rig, 0, CRASH_DROP_ALL);
    rig_start(rig); /* seals what is open */
    rig_crash(rig, 0, CRASH_DROP_ALL);
    assert_int_equal(rig->disks[0][0]->ops->list(rig->disks[0][0], write_one, rig->disks[0][0]), 0);
    return true;
}

static void load_golden(uint32_t version)
{
    char path[1024];
    struct dirent *e;
    struct disk *d = rig->disks[0][0];
    golden_path(path, sizeof path, version, "");
    DIR *dir = opendir(path);
    assert_non_null(dir);
    while ((e = readdir(dir))) {
        static uint8_t bytes[256 * 1024];
        if (e->d_name[0] == '.')
            continue;
        golden_path(path, sizeof path, version, e->d_name);
        FILE *f = fopen(path, "rb");
        assert_non_null(f);
        size_t n = fread(bytes, 1, sizeof bytes, f);
        fclose(f);
        assert_int_equal(d->ops->write(d, e->d_name, 0, bytes, n), 0);
        assert_int_equal(d->ops->sync(d, e->d_name), 0);
    }
    closedir(dir);
    assert_int_equal(d->ops->sync(d, NULL), 0);
}

static void every_version_of_the_format_loads(void **state)
{
    (void)state;
    for (uint32_t version = 1; version <= FORMAT_VERSION; version++)
        for (int damaged = 0; damaged < 2; damaged++) { /* once from the summaries, once from the records */
            char why[256];
            uint64_t size, found;
            rig = calloc(1, sizeof *rig);
            rig_init(rig, 1, 1, 1, 64 * MIB);
            rig_fill(data, sizeof data, 42);
            if (!getenv("DFS_WRITE_GOLDEN") || !write_golden())
                load_golden(version);
            FILE *out = tmpfile();
            assert_int_equal(tool_check(rig->disks[0][0], out, false, &found, why, sizeof why), 0);
            assert_int_equal(found, 0);
            fclose(out);
            const char *small = "seg-0000000000000001.log";
            assert_non_null(memdisk_peek(rig->disks[0][0], small, &size));
            if (damaged)
                assert_true(memdisk_flip(rig->disks[0][0], small, size - 1, 1));
            rig_start(rig);
            assert_int_equal(rig_chunks(rig, 0), 4);
            assert_int_equal(rig_read(rig, 0, 100, 0, 5000, back, NULL), 0);
            assert_memory_equal(back, data, 5000);
            assert_int_equal(rig_read(rig, 0, 101, 0, 5000, back, NULL), 0);
            assert_memory_equal(back, data + 1, 1000);
            assert_memory_equal(back + 1000, data, 2000);
            assert_memory_equal(back + 3000, data + 3001, 2000);
            assert_int_equal(rig_read(rig, 0, 102, 0, 5000, back, NULL), DFS_ENOCHUNK);
            uint32_t length;
            assert_int_equal(rig_read(rig, 0, 103, 0, 9000, back, &length), 0);
            assert_int_equal(length, 9000);
            assert_memory_equal(back, data, 100);
            assert_memory_equal(back + 100, zeros, 200);
            assert_memory_equal(back + 300, data + 300, 4700);
            assert_memory_equal(back + 5000, zeros, 4000);
            assert_int_equal(rig_read(rig, 0, 200, 0, sizeof data, back, NULL), 0);
            assert_memory_equal(back, data, sizeof data);
            rig_close(rig);
            free(rig);
        }
}

/* What a read may bring where a byte of the folder was changed: that chunk as it was, or an error. */
static void read_as_it_was(uint64_t chunk, const uint8_t *want, uint32_t len)
{
    memset(back, 0, len);
    if (rig_read(rig, 0, chunk, 0, len, back, NULL) == 0)
        assert_memory_equal(back, want, len);
}

/* Every third byte of the small segment and every eleventh of the others; each one with $DFS_TEST_LONG. (Each byte of an
 * identity: test_segment.c; of a small store: test_ss_crash.c.) */
static void a_flipped_byte_is_never_served(void **state)
{
    static const char *const names[] = {"identity", "seg-0000000000000001.log", "seg-0000000000000002.log"};
    static uint8_t mixed[5000], holed[9000];
    (void)state;
    rig_fill(data, sizeof data, 42);
    memcpy(mixed, data + 1, 5000);
    memcpy(mixed + 1000, data, 2000);
    memcpy(holed, data, 5000);
    memset(holed + 100, 0, 200);
    for (uint32_t f = 0; f < ARRAY_LEN(names); f++) {
        uint64_t size = 1;
        for (uint64_t at = 0; at < size; at += getenv("DFS_TEST_LONG") ? 1 : f == 1 ? 3 : 11) {
            char why[256] = "";
            rig = calloc(1, sizeof *rig);
            rig_init(rig, 1, 1, 1, 64 * MIB);
            load_golden(FORMAT_VERSION);
            assert_non_null(memdisk_peek(rig->disks[0][0], names[f], &size));
            assert_true(memdisk_flip(rig->disks[0][0], names[f], at, (uint8_t)(1u << at % 8)));
            if (rig_open(rig, 0, why, sizeof why) != 0) {
                assert_non_null(strstr(why, names[f]));
            } else {
                read_as_it_was(100, data, 5000);
                read_as_it_was(101, mixed, 5000);
                read_as_it_was(103, holed, 9000);
                read_as_it_was(200, data, sizeof data);
                assert_int_equal(rig_read(rig, 0, 102, 0, 5000, back, NULL), DFS_ENOCHUNK);
            }
            rig_close(rig);
            free(rig);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_version_of_the_format_loads),
                                       cmocka_unit_test(a_flipped_byte_is_never_served)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
