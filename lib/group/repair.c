/* SPDX-License-Identifier: MIT */
/* What comes of the tasks the leader gave. */
#include "base/log.h"
#include "group/group.h"

void repair_result(struct nm *nm, const struct nm_task *t, const struct wire_task_result *r, struct effects *fx)
{
    if (t->kind == TASK_FENCE || t->kind == TASK_STAMP)
        agree_result(nm, t, r, fx);
    else if (r->error != 0)
        fx_log(fx, LOG_WARN, "nm.task_failed", "server=%u kind=%u chunk=%" PRIu64 " error=%s", t->server, t->kind,
               t->chunk, dfs_errname(-(int)r->error));
}
