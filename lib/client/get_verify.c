/* SPDX-License-Identifier: MIT */
/* What a StorageServer sent is believed only after every block fits its checksum, and the chunk's own checksum where a
 * read covers the chunk (G3). */
#include "base/crc.h"
#include "client/get.h"
#include "wire/pieces.h"

/* Lays the pieces over each other in memory of the read's own. */
static int pieces_copy(struct get_read *r, const struct msg_chunk_read_reply *m, const struct payload *p)
{
    struct buf *b = buf_new(r->length);
    if (!b)
        return DFS_ENOMEM;
    bool whole = pieces_overlay(m, p, r->chunk_offset, r->length, b->data);
    r->copy = slice_take(b, 0, r->length);
    r->crc = crc32c(0, b->data, r->length);
    return whole ? 0 : GET_GAP;
}

/* One piece with all of the range: nothing needs to be copied. */
static void piece_keep(struct get_read *r, const struct msg_chunk_read_reply *m, const struct payload *p)
{
    r->payload = payload_ref(p);
    r->skip = r->chunk_offset - m->pieces[0].offset;
    if (r->skip == 0 && m->pieces[0].length == r->length && r->chunk_offset % DFS_BLOCK == 0) {
        uint32_t crcs[GET_FRAME / DFS_BLOCK + 1];
        memcpy(crcs, m->crcs.p, min_u64(m->crcs.len, sizeof crcs));
        r->crc = blocks_append(r->t.c, 0, crcs, r->length);
    } else {
        r->crc = payload_crc(p, r->skip, r->length);
    }
}

int get_read_take(struct get_read *r, const struct msg_chunk_read_reply *m, const struct payload *p)
{
    static const struct payload none;
    bool trust = r->t.c->cfg.trust_payload;
    uint64_t end = (uint64_t)r->chunk_offset + r->length;
    if (!p)
        p = &none;
    int err = trust ? 0 : pieces_check(m, p);
    if (err)
        return err;
    if (m->length < r->chunk_length && !trust && !r->open)
        return DFS_ECORRUPT; /* it has lost the chunk's end */
    uint64_t sum = 0;
    for (uint32_t i = 0; i < m->n_pieces; i++)
        sum += m->pieces[i].length;
    if (sum > payload_len(p))
        return DFS_EPROTO;
    if (m->n_pieces == 1 && m->pieces[0].offset <= r->chunk_offset &&
        (uint64_t)m->pieces[0].offset + m->pieces[0].length >= end) {
        piece_keep(r, m, p);
    } else {
        err = pieces_copy(r, m, p);
        if (err < 0 || (err == GET_GAP && !r->holes_ok && !r->open && !trust))
            return err;
    }
    if (!trust && !r->open && r->chunk_offset == 0 && r->length == r->chunk_length && r->crc != r->chunk_crc)
        return DFS_ECORRUPT;
    return 0;
}
