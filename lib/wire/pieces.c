/* SPDX-License-Identifier: MIT */
#include "wire/pieces.h"

#include "base/crc.h"

uint32_t payload_crc(const struct payload *p, uint32_t off, uint32_t len)
{
    uint32_t crc = 0;
    for (unsigned i = 0; i < PAYLOAD_PARTS && len > 0; i++) {
        uint32_t have = p->part[i].len;
        if (off >= have) {
            off -= have;
            continue;
        }
        uint32_t n = (uint32_t)min_u64(have - off, len);
        crc = crc32c(crc, slice_data(p->part[i]) + off, n);
        off = 0;
        len -= n;
    }
    return crc;
}

int pieces_check(const struct msg_chunk_read_reply *m, const struct payload *p)
{
    uint32_t at = 0, total = payload_len(p);
    uint32_t crc_at = 0, n_crcs = m->crcs.len / 4;
    for (uint32_t i = 0; i < m->n_pieces; i++) {
        uint32_t off = m->pieces[i].offset, left = m->pieces[i].length;
        if (left > total - at || left > UINT32_MAX - off)
            return DFS_EPROTO;
        while (left > 0) {
            uint32_t n = (uint32_t)min_u64(left, DFS_BLOCK - off % DFS_BLOCK);
            if (crc_at == n_crcs)
                return DFS_EPROTO;
            if (payload_crc(p, at, n) != get_u32(m->crcs.p + 4 * (size_t)crc_at))
                return DFS_ECORRUPT;
            crc_at++;
            at += n;
            off += n;
            left -= n;
        }
    }
    return at == total && crc_at * 4 == m->crcs.len ? 0 : DFS_EPROTO;
}

bool pieces_overlay(const struct msg_chunk_read_reply *m, const struct payload *p, uint32_t begin, uint32_t len,
                    uint8_t *out)
{
    uint64_t end = (uint64_t)begin + len, covered = begin;
    uint32_t at = 0;
    bool gap = false;
    memset(out, 0, len);
    for (uint32_t i = 0; i < m->n_pieces; i++) {
        uint64_t from = max_u64(begin, m->pieces[i].offset);
        uint64_t to = min_u64(end, (uint64_t)m->pieces[i].offset + m->pieces[i].length);
        if (from < to) {
            payload_copy_out(p, at + (uint32_t)(from - m->pieces[i].offset), out + (from - begin),
                             (uint32_t)(to - from));
            gap = gap || from > covered;
            covered = max_u64(covered, to);
        }
        at += m->pieces[i].length;
    }
    return !gap && covered >= end;
}
