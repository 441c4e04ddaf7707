/* SPDX-License-Identifier: MIT */
#include "base/crc.h"

#include <isa-l/crc.h>
#include <limits.h>

/* Castagnoli's polynomial, bit-reflected: bit 31 is x^0, bit 30 is x^1, … */
#define POLYNOMIAL 0x82f63b78u
#define X_POWER_0 0x80000000u

/* ISA-L leaves the upper halves of the vector registers in use; each SSE instruction that follows is slow until they are
 * given up (160 ns after every block of 4 KiB, measured on a Xeon with AVX-512). */
static inline void vectors_give_up(void)
{
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx"))
        __asm__ volatile("vzeroupper");
#endif
}

uint32_t crc32c(uint32_t crc, const void *p, size_t len)
{
    /* ISA-L takes an int, does not write through the pointer, and leaves the inversions to us. */
    unsigned char *at = (unsigned char *)(uintptr_t)p;

    crc = ~crc;
    while (len > 0) {
        int n = len > INT_MAX ? INT_MAX : (int)len;

        crc = crc32_iscsi(at, n, crc);
        at += n;
        len -= (size_t)n;
    }
    vectors_give_up();
    return ~crc;
}

/* The product of two polynomials modulo the CRC's. */
static uint32_t multiply(uint32_t a, uint32_t b)
{
    uint32_t product = 0;

    for (; a != 0; a <<= 1) {
        if (a & X_POWER_0)
            product ^= b;
        b = b & 1 ? (b >> 1) ^ POLYNOMIAL : b >> 1;
    }
    return product;
}

/* x^(2^n) modulo the polynomial. It is (x + 1) times one of degree 31, so the sequence repeats after 31. */
static const uint32_t x_to_power_of_two[31] = {
    0x40000000, 0x20000000, 0x08000000, 0x00800000, 0x00008000, 0x82f63b78, 0x6ea2d55c, 0x18b8ea18,
    0x510ac59a, 0xb82be955, 0xb8fdb1e7, 0x88e56f72, 0x74c360a4, 0xe4172b16, 0x0d65762a, 0x35d73a62,
    0x28461564, 0xbf455269, 0xe2ea32dc, 0xfe7740e6, 0xf946610b, 0x3c204f8f, 0x538586e3, 0x59726915,
    0x734d5309, 0xbc1ac763, 0x7d0722cc, 0xd289cabe, 0xe94ca9bc, 0x05b74f3f, 0xa51e1f42,
};

uint32_t crc32c_combine(uint32_t a, uint32_t b, uint64_t len_b)
{
    uint32_t shift = X_POWER_0;

    /* x^(8 * len_b), bit by bit of the exponent: A's remainder moves up by the bits of B. */
    for (unsigned n = 3; len_b != 0; len_b >>= 1, n++) {
        if (len_b & 1)
            shift = multiply(x_to_power_of_two[n % 31], shift);
    }
    return multiply(shift, a) ^ b;
}
