/* SPDX-License-Identifier: MIT */
#include "store/format.h"

#include <stdio.h>

#include "base/crc.h"

#define SEGMENT_MAGIC 0x53534644u /* "DFSS" */
#define RECORD_MAGIC 0x52534644u  /* "DFSR" */
#define TRAILER_MAGIC 0x54534644u /* "DFST" */
/* magic, CRC of everything behind it, format version */
#define AT_MAGIC 0
#define AT_CRC 4
#define AT_FORMAT 8

static void page_seal(uint8_t *p, uint32_t magic, uint32_t size)
{
    put_u32(p + AT_MAGIC, magic);
    put_u32(p + AT_FORMAT, FORMAT_VERSION);
    put_u32(p + AT_CRC, crc32c(0, p + AT_FORMAT, size - AT_FORMAT));
}

static int page_check(const uint8_t *p, uint32_t magic, uint32_t size)
{
    if (get_u32(p + AT_MAGIC) != magic || get_u32(p + AT_CRC) != crc32c(0, p + AT_FORMAT, size - AT_FORMAT))
        return DFS_ECORRUPT;
    return get_u32(p + AT_FORMAT) == FORMAT_VERSION ? 0 : DFS_EVERSION;
}

void identity_put(uint8_t out[IDENTITY_SLOT], const struct identity *id)
{
    memset(out, 0, IDENTITY_SLOT);
    put_u32(out + 12, id->server);
    put_u64(out + 16, id->writes);
    put_u64(out + 24, id->cluster_hi);
    put_u64(out + 32, id->cluster_lo);
    put_u64(out + 40, id->uuid_hi);
    put_u64(out + 48, id->uuid_lo);
    put_u64(out + 56, id->folder_hi);
    put_u64(out + 64, id->folder_lo);
    put_u64(out + 72, id->epoch);
    put_u64(out + 80, id->scrubbed);
    out[88] = id->cut;
    page_seal(out, IDENTITY_MAGIC, IDENTITY_SLOT);
}

int identity_parse(const uint8_t p[2 * IDENTITY_SLOT], struct identity *id)
{
    int err = DFS_ECORRUPT;
    memset(id, 0, sizeof *id);
    for (int i = 0; i < 2; i++, p += IDENTITY_SLOT) {
        int slot = page_check(p, IDENTITY_MAGIC, IDENTITY_SLOT);
        if (slot == DFS_EVERSION)
            return slot;
        if (slot || (err == 0 && get_u64(p + 16) < id->writes))
            continue;
        err = 0;
        id->server = get_u32(p + 12);
        id->writes = get_u64(p + 16);
        id->cluster_hi = get_u64(p + 24);
        id->cluster_lo = get_u64(p + 32);
        id->uuid_hi = get_u64(p + 40);
        id->uuid_lo = get_u64(p + 48);
        id->folder_hi = get_u64(p + 56);
        id->folder_lo = get_u64(p + 64);
        id->epoch = get_u64(p + 72);
        id->scrubbed = get_u64(p + 80);
        id->cut = p[88] != 0;
    }
    return err;
}

void segment_put_header(uint8_t out[SEGMENT_HEADER], const struct segment_header *h)
{
    memset(out, 0, SEGMENT_HEADER);
    put_u32(out + 12, h->generation);
    put_u64(out + 16, h->cluster_hi);
    put_u64(out + 24, h->cluster_lo);
    put_u64(out + 32, h->uuid_hi);
    put_u64(out + 40, h->uuid_lo);
    put_u64(out + 48, h->id);
    put_u32(out + 56, h->size);
    out[60] = h->class;
    page_seal(out, SEGMENT_MAGIC, SEGMENT_HEADER);
}

int segment_parse_header(const uint8_t p[SEGMENT_HEADER], struct segment_header *h)
{
    static const uint8_t zeros[64];
    memset(h, 0, sizeof *h);
    int err = page_check(p, SEGMENT_MAGIC, SEGMENT_HEADER);
    if (err)
        return err == DFS_ECORRUPT && memcmp(p, zeros, sizeof zeros) == 0 ? DFS_ENOENT : err;
    h->generation = get_u32(p + 12);
    h->cluster_hi = get_u64(p + 16);
    h->cluster_lo = get_u64(p + 24);
    h->uuid_hi = get_u64(p + 32);
    h->uuid_lo = get_u64(p + 40);
    h->id = get_u64(p + 48);
    h->size = get_u32(p + 56);
    h->class = p[60];
    return h->class < SEGMENT_CLASSES ? 0 : DFS_ECORRUPT;
}

void segment_name(char *out, size_t len, uint64_t id) { snprintf(out, len, "seg-%016" PRIx64 ".log", id); }

bool segment_parse_name(const char *name, uint64_t *id)
{
    if (strlen(name) != 24 || memcmp(name, "seg-", 4) != 0 || strcmp(name + 20, ".log") != 0)
        return false;
    *id = 0;
    for (int i = 4; i < 20; i++) {
        const char *digit = strchr("0123456789abcdef", name[i]);
        if (!digit)
            return false;
        *id = *id << 4 | (uint64_t)(*digit <= '9' ? *digit - '0' : *digit - 'a' + 10);
    }
    return true;
}

uint32_t segment_seed(const struct segment_header *h)
{
    uint8_t key[28];
    put_u64(key, h->uuid_hi);
    put_u64(key + 8, h->uuid_lo);
    put_u64(key + 16, h->id);
    put_u32(key + 24, h->generation);
    return crc32c(0, key, sizeof key);
}

struct record_layout record_layout(enum segment_class class, uint64_t position, uint32_t offset, uint32_t length)
{
    struct record_layout l = {.n_crcs = blocks_touched(offset, length), .crcs = position + RECORD_HEADER};
    uint64_t crcs_end = l.crcs + 4ULL * l.n_crcs;
    l.payload = round_up(crcs_end, class == CLASS_LARGE && length ? DFS_BLOCK : RECORD_ALIGN);
    l.end = round_up(l.payload + length, RECORD_ALIGN);
    return l;
}

struct record_layout layout_of(enum segment_class class, const struct record *r, uint64_t position)
{
    return record_layout(class, position, r->offset, record_payload(r));
}

void record_put(uint8_t out[RECORD_HEADER], const struct record *r, uint64_t segment, uint32_t generation,
                uint32_t seed)
{
    put_u32(out, RECORD_MAGIC);
    put_u64(out + 8, segment);
    put_u32(out + 16, generation);
    put_u32(out + 20, r->position);
    put_u32(out + 24, r->durable);
    put_u32(out + 28, r->prev);
    out[32] = r->kind;
    out[33] = r->flags;
    put_u16(out + 34, RECORD_HEADER);
    put_u32(out + 36, r->version);
    put_u64(out + 40, r->chunk);
    put_u64(out + 48, r->copy);
    put_u64(out + 56, r->sequence);
    put_u64(out + 64, r->session);
    put_u64(out + 72, r->number);
    put_u64(out + 80, r->file);
    put_u32(out + 88, r->index);
    put_u32(out + 92, r->offset);
    put_u32(out + 96, r->length);
    put_u32(out + 100, blocks_touched(r->offset, record_payload(r)));
    put_u32(out + 104, r->crcs_crc);
    put_u32(out + 108, 0);
    put_u64(out + 112, r->prev_chunk);
    put_u64(out + 120, r->kind == RECORD_DATA ? r->size : r->epoch);
    put_u32(out + 4, crc32c(seed, out + 8, RECORD_HEADER - 8));
}

bool record_parse(const uint8_t p[RECORD_HEADER], const struct segment_header *h, uint32_t seed, uint32_t position,
                  struct record *r)
{
    if (get_u32(p) != RECORD_MAGIC || get_u64(p + 8) != h->id || get_u32(p + 16) != h->generation ||
        get_u32(p + 20) != position || get_u16(p + 34) != RECORD_HEADER ||
        get_u32(p + 4) != crc32c(seed, p + 8, RECORD_HEADER - 8))
        return false;
    r->position = position;
    r->durable = get_u32(p + 24);
    r->prev = get_u32(p + 28);
    r->kind = p[32];
    r->flags = p[33];
    r->version = get_u32(p + 36);
    r->chunk = get_u64(p + 40);
    r->copy = get_u64(p + 48);
    r->sequence = get_u64(p + 56);
    r->session = get_u64(p + 64);
    r->number = get_u64(p + 72);
    r->file = get_u64(p + 80);
    r->index = get_u32(p + 88);
    r->offset = get_u32(p + 92);
    r->length = get_u32(p + 96);
    r->crcs_crc = get_u32(p + 104);
    r->prev_chunk = get_u64(p + 112);
    r->epoch = r->kind == RECORD_DATA ? 0 : get_u64(p + 120);
    r->size = r->kind == RECORD_DATA ? get_u64(p + 120) : 0;
    return r->offset <= CHUNK_LIMIT && r->length <= CHUNK_LIMIT - r->offset && r->durable <= position &&
           r->prev < position && r->sequence <= UINT32_MAX &&
           get_u32(p + 100) == blocks_touched(r->offset, record_payload(r));
}

void summary_put(uint8_t out[SUMMARY_ENTRY], const struct record *r)
{
    put_u32(out, r->position);
    put_u32(out + 4, r->kind | (uint32_t)r->flags << 8);
    put_u32(out + 8, r->version);
    put_u32(out + 12, (uint32_t)r->sequence);
    put_u64(out + 16, r->chunk);
    put_u64(out + 24, r->copy);
    put_u32(out + 32, r->offset);
    put_u32(out + 36, r->length);
    put_u64(out + 40, r->session);
    put_u64(out + 48, r->number);
}

void summary_parse(const uint8_t p[SUMMARY_ENTRY], struct record *r)
{
    *r = (struct record){
        .position = get_u32(p),
        .kind = (uint8_t)get_u32(p + 4),
        .flags = (uint8_t)(get_u32(p + 4) >> 8),
        .version = get_u32(p + 8),
        .sequence = get_u32(p + 12),
        .chunk = get_u64(p + 16),
        .copy = get_u64(p + 24),
        .offset = get_u32(p + 32),
        .length = get_u32(p + 36),
        .session = get_u64(p + 40),
        .number = get_u64(p + 48),
    };
}

void trailer_put(uint8_t out[SUMMARY_TRAILER], const struct summary *m, uint64_t segment, uint32_t seed)
{
    put_u32(out, TRAILER_MAGIC);
    put_u64(out + 8, segment);
    put_u32(out + 16, m->seal);
    put_u32(out + 20, m->end);
    put_u32(out + 24, m->n);
    put_u32(out + 28, m->crc);
    put_u32(out + 4, crc32c(seed, out + 8, SUMMARY_TRAILER - 8));
}

bool trailer_parse(const uint8_t p[SUMMARY_TRAILER], uint64_t segment, uint32_t seed, uint64_t size, struct summary *m)
{
    if (get_u32(p) != TRAILER_MAGIC || get_u64(p + 8) != segment ||
        get_u32(p + 4) != crc32c(seed, p + 8, SUMMARY_TRAILER - 8))
        return false;
    *m = (struct summary){get_u32(p + 16), get_u32(p + 20), get_u32(p + 24), get_u32(p + 28)};
    return m->end >= SEGMENT_HEADER && m->end <= m->seal && m->seal + summary_size(m->n) <= size;
}

bool crcs_match(const struct payload *p, uint32_t offset, const void *crcs)
{
    const uint8_t *want = crcs;
    uint32_t part = 0, at = 0, left = payload_len(p);
    while (left) {
        uint32_t block = (uint32_t)min_u64(left, DFS_BLOCK - offset % DFS_BLOCK);
        uint32_t crc = 0;
        for (uint32_t done = 0; done < block;) {
            uint32_t n = (uint32_t)min_u64(block - done, p->part[part].len - at);
            crc = crc32c(crc, slice_data(p->part[part]) + at, n);
            done += n;
            at += n;
            if (at == p->part[part].len && part + 1 < PAYLOAD_PARTS) {
                part++;
                at = 0;
            }
        }
        if (crc != get_u32(want))
            return false;
        want += 4;
        offset += block;
        left -= block;
    }
    return true;
}
