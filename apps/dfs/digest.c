/* SPDX-License-Identifier: MIT */
#include "digest.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/crc.h"

bool digest_parse(const char *name, enum digest_kind *kind)
{
    *kind = strcmp(name, "sha256") == 0 ? DIGEST_SHA256 : DIGEST_CRC32C;
    return strcmp(name, digest_name(*kind)) == 0;
}

const char *digest_name(enum digest_kind kind) { return kind == DIGEST_SHA256 ? "sha256" : "crc32c"; }

static void start(struct digest *d)
{
    d->crc = 0;
    if (d->kind == DIGEST_SHA256 && EVP_DigestInit_ex(d->sha, EVP_sha256(), NULL) != 1)
        abort(); /* only for lack of memory */
}

void digest_init(struct digest *d, enum digest_kind kind)
{
    *d = (struct digest){.kind = kind};
    if (kind == DIGEST_SHA256 && !(d->sha = EVP_MD_CTX_new()))
        abort();
    start(d);
}

void digest_add(struct digest *d, const void *p, size_t len)
{
    if (d->kind == DIGEST_CRC32C)
        d->crc = crc32c(d->crc, p, len);
    else if (EVP_DigestUpdate(d->sha, p, len) != 1)
        abort();
}

void digest_end(struct digest *d, char hex[DIGEST_HEX])
{
    unsigned char sum[EVP_MAX_MD_SIZE];
    unsigned n = 4;
    if (d->kind == DIGEST_CRC32C)
        snprintf(hex, DIGEST_HEX, "%08x", d->crc);
    else if (EVP_DigestFinal_ex(d->sha, sum, &n) != 1)
        abort();
    for (unsigned i = 0; i < n && d->kind == DIGEST_SHA256; i++)
        snprintf(hex + 2 * (size_t)i, 3, "%02x", sum[i]);
    EVP_MD_CTX_free(d->sha);
}

int digest_sink(void *arg, uint64_t offset, const void *p, size_t len)
{
    (void)offset;
    digest_add(arg, p, len);
    return 0;
}

void digest_restart(void *arg) { start(arg); }
