/* SPDX-License-Identifier: MIT */
/* The streaming frame parser.
 *
 * The happy path: a read lands in a receive buffer (p->in), which holds many small frames; each frame that is complete
 * leaves as slices of that buffer. A payload that does not fit behind its head gets a buffer of its own, of exactly
 * its missing size, and the following reads land there. Only the bytes of a head that straddles two receive buffers
 * are ever copied. Possible failures: a header that is not ours, a length over its limit, a wrong CRC, no memory. All
 * end the stream, since nothing behind them can be trusted to be a header.
 *
 *   between frames: in = bytes not yet parsed                                   cur empty, in_payload false
 *   payload in the receive buffer: in = the payload so far, and what follows it cur.head set, part[0].len the length
 *   payload in its own buffer: in empty                                         cur.head and cur.payload set */
#include "wire/frame.h"

#include "base/crc.h"

#define RECEIVE_MIN (4u * 1024)
#define RECEIVE_MAX (64u * 1024)

struct header {
    uint16_t type;
    uint64_t request;
    uint32_t head_len, payload_len, head_crc;
};

void frame_drop(struct frame *f)
{
    slice_drop(&f->head);
    payload_drop(&f->payload);
}

void frame_put_header(uint8_t out[FRAME_HEADER], uint16_t type, uint64_t request, const void *head, uint32_t head_len,
                      uint32_t payload_len)
{
    put_u32(out, FRAME_MAGIC);
    out[4] = FRAME_MAJOR;
    out[5] = 0;
    put_u16(out + 6, type);
    put_u64(out + 8, request);
    put_u32(out + 16, head_len);
    put_u32(out + 20, payload_len);
    put_u32(out + 24, crc32c(0, head, head_len));
    put_u32(out + 28, crc32c(0, out, 28));
}

void frame_parser_init(struct frame_parser *p, uint32_t max_head, uint32_t max_payload)
{
    *p = (struct frame_parser){
        .max_head = (uint32_t)min_u64(max_head, WIRE_HEAD_MAX),
        .max_payload = (uint32_t)min_u64(max_payload, WIRE_PAYLOAD_MAX),
    };
}

void frame_parser_close(struct frame_parser *p)
{
    slice_drop(&p->in);
    frame_drop(&p->cur);
    frame_parser_init(p, p->max_head, p->max_payload);
}

const char *frame_error_text(const struct frame_parser *p)
{
    switch (p->error) {
    case 0:
        return "no error";
    case DFS_EVERSION:
        return "frame of another major version";
    case DFS_ETOOBIG:
        return "frame announces a length over its limit";
    case DFS_ENOMEM:
        return "out of memory while receiving";
    default:
        return "bytes that are not a frame, or damaged";
    }
}

static int fail(struct frame_parser *p, int err)
{
    p->error = err;
    slice_drop(&p->in);
    frame_drop(&p->cur);
    p->in_space = 0;
    p->in_payload = false;
    return err;
}

/* --- where to read to --- */

/* The payload's own buffer, if it has one. */
static struct slice *own_buffer(struct frame_parser *p)
{
    if (p->cur.payload.part[1].buf != NULL)
        return &p->cur.payload.part[1];
    return p->cur.payload.part[0].buf != NULL ? &p->cur.payload.part[0] : NULL;
}

/* How many bytes, from the start of p->in, the frame that has begun there needs before anything can leave. */
static uint32_t bytes_wanted(const struct frame_parser *p)
{
    if (p->in_payload)
        return p->in.len + p->payload_missing;
    if (p->in.len < FRAME_HEADER)
        return FRAME_HEADER;
    /* frame_parser_next has checked the header; the limit stands here for a caller who did not ask it. */
    return FRAME_HEADER + (uint32_t)min_u64(get_u32(slice_data(p->in) + 16), p->max_head);
}

/* Moves what has arrived of a frame to a new buffer that has room for the rest. */
static int replace_buffer(struct frame_parser *p, uint32_t hint)
{
    uint32_t len = p->in.len;
    uint32_t wanted = (uint32_t)max_u64(bytes_wanted(p), len + 1);
    uint32_t cap = (uint32_t)max_u64(min_u64(max_u64(hint, RECEIVE_MIN), RECEIVE_MAX), wanted);
    struct buf *b = buf_new(cap);

    if (b == NULL)
        return fail(p, DFS_ENOMEM);
    if (len > 0)
        memcpy(b->data, slice_data(p->in), len);
    slice_drop(&p->in);
    p->in = slice_take(b, 0, len);
    p->in_space = cap - len;
    return 0;
}

uint8_t *frame_parser_space(struct frame_parser *p, uint32_t hint, uint32_t *len)
{
    struct slice *own = own_buffer(p);

    *len = 0;
    if (p->error != 0)
        return NULL;
    if (own != NULL) {
        *len = p->payload_missing;
        return slice_data(*own) + own->len;
    }
    if (p->in.buf == NULL || p->in_space == 0 || p->in.len + p->in_space < bytes_wanted(p)) {
        if (replace_buffer(p, hint) != 0)
            return NULL;
    }
    *len = p->in_space;
    return slice_data(p->in) + p->in.len;
}

static void release_if_idle(struct frame_parser *p)
{
    if (p->in.len == 0 && !p->in_payload) {
        slice_drop(&p->in);
        p->in_space = 0;
    }
}

void frame_parser_fed(struct frame_parser *p, uint32_t n)
{
    struct slice *own = own_buffer(p);

    if (p->error != 0)
        return;
    if (own != NULL) {
        assert(n <= p->payload_missing);
        own->len += n;
        p->payload_missing -= n;
        return;
    }
    assert(n <= p->in_space);
    p->in.len += n;
    p->in_space -= n;
    if (p->in_payload)
        p->payload_missing -= (uint32_t)min_u64(n, p->payload_missing);
    release_if_idle(p);
}

/* --- what has arrived --- */

/* Takes n bytes from the front of what was received. */
static struct slice take_front(struct frame_parser *p, uint32_t n)
{
    struct slice s = slice_sub(p->in, 0, n);

    p->in.off += n;
    p->in.len -= n;
    return s;
}

static int parse_header(const struct frame_parser *p, const uint8_t *at, struct header *h)
{
    if (get_u32(at) != FRAME_MAGIC)
        return DFS_EPROTO;
    if (at[4] != FRAME_MAJOR)
        return DFS_EVERSION;
    if (get_u32(at + 28) != crc32c(0, at, 28) || at[5] != 0)
        return DFS_EPROTO;
    *h = (struct header){
        .type = get_u16(at + 6),
        .request = get_u64(at + 8),
        .head_len = get_u32(at + 16),
        .payload_len = get_u32(at + 20),
        .head_crc = get_u32(at + 24),
    };
    return h->head_len > p->max_head || h->payload_len > p->max_payload ? DFS_ETOOBIG : 0;
}

/* The head is complete, the payload is not: decides where the rest of it is read to. */
static int begin_payload(struct frame_parser *p, uint32_t payload_len)
{
    struct slice first = p->in;
    struct buf *own;

    p->in_payload = true;
    p->payload_missing = payload_len - p->in.len;
    if (p->payload_missing <= p->in_space) {
        p->cur.payload.part[0].len = payload_len;
        return 0;
    }
    own = buf_new(p->payload_missing);
    if (own == NULL)
        return fail(p, DFS_ENOMEM);
    p->in = (struct slice){NULL, 0, 0};
    p->in_space = 0;
    if (first.len == 0) {
        slice_drop(&first);
        p->cur.payload = payload_of(slice_take(own, 0, 0));
    } else {
        p->cur.payload = (struct payload){{first, slice_take(own, 0, 0)}};
    }
    return 0;
}

static int emit(struct frame_parser *p, struct frame *out)
{
    *out = p->cur;
    p->cur = (struct frame){0};
    p->in_payload = false;
    return 1;
}

static int continue_payload(struct frame_parser *p, struct frame *out)
{
    if (p->payload_missing > 0)
        return 0;
    if (own_buffer(p) == NULL)
        p->cur.payload = payload_of(take_front(p, p->cur.payload.part[0].len));
    return emit(p, out);
}

int frame_parser_next(struct frame_parser *p, struct frame *out)
{
    struct header h;
    int rc;

    if (p->error != 0)
        return p->error;
    if (p->in_payload)
        return continue_payload(p, out);
    if (p->in.len < FRAME_HEADER) {
        release_if_idle(p);
        return 0;
    }
    rc = parse_header(p, slice_data(p->in), &h);
    if (rc != 0)
        return fail(p, rc);
    if (p->in.len - FRAME_HEADER < h.head_len)
        return 0;
    if (crc32c(0, slice_data(p->in) + FRAME_HEADER, h.head_len) != h.head_crc)
        return fail(p, DFS_EPROTO);
    p->in.off += FRAME_HEADER;
    p->in.len -= FRAME_HEADER;
    p->cur = (struct frame){.type = h.type, .request = h.request, .head = take_front(p, h.head_len)};
    if (p->in.len < h.payload_len)
        return begin_payload(p, h.payload_len);
    p->cur.payload = payload_of(take_front(p, h.payload_len));
    return emit(p, out);
}
