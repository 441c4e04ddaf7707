/* SPDX-License-Identifier: MIT */
#include "group/logformat.h"

#include <stdio.h>

#include "base/crc.h"
#include "wire/disk.h"

#define HEADER_CRC 60u

uint32_t log_body_crc(const uint8_t *body, uint32_t len)
{
    return crc32c(0, body, (size_t)(log_record_size(len) - LOG_RECORD_HEADER));
}

void log_segment_put(uint8_t out[LOG_SEGMENT_HEADER], const struct log_segment_header *h, uint32_t salt)
{
    memset(out, 0, LOG_SEGMENT_HEADER);
    put_u64(out, LOG_SEGMENT_MAGIC);
    put_u32(out + 8, LOG_VERSION);
    put_u32(out + 12, h->chain);
    put_u64(out + 16, h->cluster_hi);
    put_u64(out + 24, h->cluster_lo);
    put_u64(out + 32, h->first_index);
    put_u64(out + 40, h->position);
    put_u64(out + 48, h->flushed);
    put_u32(out + HEADER_CRC, crc32c(salt, out, HEADER_CRC));
}

bool log_segment_get(const uint8_t in[LOG_SEGMENT_HEADER], struct log_segment_header *h, uint32_t salt)
{
    if (get_u64(in) != LOG_SEGMENT_MAGIC || get_u32(in + 8) != LOG_VERSION || get_u32(in + 56) != 0 ||
        get_u32(in + HEADER_CRC) != crc32c(salt, in, HEADER_CRC))
        return false;
    h->chain = get_u32(in + 12);
    h->cluster_hi = get_u64(in + 16);
    h->cluster_lo = get_u64(in + 24);
    h->first_index = get_u64(in + 32);
    h->position = get_u64(in + 40);
    h->flushed = get_u64(in + 48);
    return true;
}

void log_record_put(uint8_t out[LOG_RECORD_HEADER], struct log_record_header *h, uint32_t salt)
{
    memset(out, 0, LOG_RECORD_HEADER);
    put_u32(out, LOG_RECORD_MAGIC);
    put_u32(out + 4, h->len);
    put_u64(out + 8, h->index);
    put_u64(out + 16, h->term);
    put_u64(out + 24, h->position);
    put_u64(out + 32, h->previous);
    put_u64(out + 40, h->flushed);
    put_u32(out + 48, h->chain);
    out[52] = h->type;
    put_u32(out + 56, h->body_crc);
    h->crc = crc32c(salt, out, HEADER_CRC);
    put_u32(out + HEADER_CRC, h->crc);
}

bool log_record_get(const uint8_t in[LOG_RECORD_HEADER], struct log_record_header *h, uint32_t salt)
{
    if (get_u32(in) != LOG_RECORD_MAGIC || get_u32(in + HEADER_CRC) != crc32c(salt, in, HEADER_CRC))
        return false;
    h->len = get_u32(in + 4);
    h->index = get_u64(in + 8);
    h->term = get_u64(in + 16);
    h->position = get_u64(in + 24);
    h->previous = get_u64(in + 32);
    h->flushed = get_u64(in + 40);
    h->chain = get_u32(in + 48);
    h->type = in[52];
    h->body_crc = get_u32(in + 56);
    h->crc = get_u32(in + HEADER_CRC);
    return h->len <= LOG_BODY_MAX;
}

void log_segment_name(uint64_t first_index, char *out)
{
    snprintf(out, DISK_NAME_MAX + 1, LOG_PREFIX "%016" PRIx64, first_index);
}

bool log_segment_parse(const char *name, uint64_t *first_index)
{
    char again[DISK_NAME_MAX + 1];

    if (strncmp(name, LOG_PREFIX, sizeof LOG_PREFIX - 1) != 0 ||
        sscanf(name + sizeof LOG_PREFIX - 1, "%16" SCNx64, first_index) != 1)
        return false;
    log_segment_name(*first_index, again);
    return strcmp(again, name) == 0;
}
