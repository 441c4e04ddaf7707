/* SPDX-License-Identifier: MIT */
/* A checksum of a whole file, as its bytes go by. */
#ifndef DFS_APPS_DIGEST_H
#define DFS_APPS_DIGEST_H

#include "base/base.h"

#define DIGEST_HEX 65u

enum digest_kind { DIGEST_CRC32C, DIGEST_SHA256 };

struct evp_md_ctx_st;
struct digest {
    enum digest_kind kind;
    uint32_t crc;
    struct evp_md_ctx_st *sha;
};

bool digest_parse(const char *name, enum digest_kind *kind);
const char *digest_name(enum digest_kind kind);
void digest_init(struct digest *d, enum digest_kind kind);
void digest_add(struct digest *d, const void *p, size_t len);
void digest_end(struct digest *d, char hex[DIGEST_HEX]);
/* As a dfs_sink whose arg is the digest. */
int digest_sink(void *arg, uint64_t offset, const void *p, size_t len);
void digest_restart(void *arg);

#endif
