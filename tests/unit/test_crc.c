/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/crc.h"
#include "base/rand.h"

/* RFC 3720, appendix B.4. */
static void test_known_values(void **state)
{
    uint8_t block[32];

    (void)state;
    assert_int_equal(crc32c(0, "123456789", 9), 0xe3069283);
    memset(block, 0, sizeof block);
    assert_int_equal(crc32c(0, block, sizeof block), 0x8a9136aa);
    memset(block, 0xff, sizeof block);
    assert_int_equal(crc32c(0, block, sizeof block), 0x62a8ab43);
    for (unsigned i = 0; i < sizeof block; i++)
        block[i] = (uint8_t)i;
    assert_int_equal(crc32c(0, block, sizeof block), 0x46dd794e);
    assert_int_equal(crc32c(0, NULL, 0), 0);
}

static void test_pieces_and_combination_equal_the_whole(void **state)
{
    static const size_t lengths[] = {0, 1, 3, 7, 8, 63, 64, 65, 4095, 4096, 4097, 65536, 200000};
    uint8_t *p = malloc(400000);
    struct rng r;

    (void)state;
    assert_non_null(p);
    rng_seed(&r, 7);
    for (size_t i = 0; i < 400000; i++)
        p[i] = (uint8_t)rng_next(&r);
    for (size_t i = 0; i < ARRAY_LEN(lengths); i++) {
        for (size_t j = 0; j < ARRAY_LEN(lengths); j++) {
            size_t a = lengths[i], b = lengths[j];
            uint32_t whole = crc32c(0, p, a + b);

            assert_int_equal(crc32c(crc32c(0, p, a), p + a, b), whole);
            assert_int_equal(crc32c_combine(crc32c(0, p, a), crc32c(0, p + a, b), b), whole);
        }
    }
    free(p);
}

/* Appending n zeros is a linear map: doubling it step by step checks lengths no buffer could have. */
static void test_combination_over_huge_lengths(void **state)
{
    uint32_t zeros = crc32c(0, "", 1);

    (void)state;
    for (unsigned bits = 0; bits < 62; bits++) {
        uint64_t n = 1ULL << bits;
        uint32_t twice = crc32c_combine(zeros, zeros, n);
        uint32_t a = crc32c(0, "x", 1);

        assert_int_equal(crc32c_combine(crc32c_combine(a, zeros, n), zeros, n), crc32c_combine(a, twice, 2 * n));
        zeros = twice;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_known_values),
        cmocka_unit_test(test_pieces_and_combination_equal_the_whole),
        cmocka_unit_test(test_combination_over_huge_lengths),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
