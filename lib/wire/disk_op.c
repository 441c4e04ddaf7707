/* SPDX-License-Identifier: MIT */
#include <stdlib.h>

#include "wire/disk.h"

struct disk_op *disk_op_new(enum disk_kind kind, const char *name, uint32_t n_data)
{
    struct disk_op *op = xcalloc(1, sizeof *op);

    assert(name == NULL || strlen(name) <= DISK_NAME_MAX);
    op->kind = kind;
    if (name != NULL)
        memcpy(op->name, name, strlen(name));
    if (n_data > 0)
        op->data = xcalloc(n_data, sizeof *op->data);
    op->n_data = n_data;
    return op;
}

void disk_op_free(struct disk_op *op)
{
    if (op == NULL)
        return;
    for (uint32_t i = 0; i < op->n_data; i++)
        slice_drop(&op->data[i]);
    free(op->data);
    free(op);
}
