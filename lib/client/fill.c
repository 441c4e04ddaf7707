/* SPDX-License-Identifier: MIT */
/* The content of a file that is open and empty, all at once: chunks are granted and written as a put's are (put.c), and one
 * change maps them, where a write in place takes one to open the chunk and one for the size. */
#include "client/file.h"

static int read_value(void *arg, uint64_t offset, void *buf, size_t len, size_t *got)
{
    const struct op *op = arg;
    *got = min_u64(len, offset < op->req.value_len ? op->req.value_len - offset : 0);
    if (*got > 0) /* a file without bytes has no value */
        memcpy(buf, (const uint8_t *)op->req.value + offset, *got);
    return 0;
}

void put_value_begin(struct op *op, uint8_t goal, struct effects *fx)
{
    op->req.source = (struct dfs_source){.read = read_value, .size = op->req.value_len, .seekable = true, .arg = op};
    op->req.put = (struct dfs_put_options){.goal = goal};
    put_begin(op, fx);
}

void file_fill_begin(struct op *op, struct effects *fx)
{
    const struct file *f = file_to_write(op);
    if (!f)
        return;
    if (op->req.value_len == 0) {
        op_end_ok(op);
        return;
    }
    put_value_begin(op, f->goal, fx);
}

void file_fill_build(struct rpc *r, struct msg *m, struct wire_published *chunks, uint32_t n, uint64_t size)
{
    const struct file *f = file_find(r->t.c, r->t.op->req.file);
    m->type = MSG_TYPE_fill;
    m->fill = (struct msg_fill){
        .id = rpc_id(r), .handle = f ? f->handle : 0, .size = size, .chunks = chunks, .n_chunks = n};
}
