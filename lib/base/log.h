/* SPDX-License-Identifier: MIT */
/* A levelled logger: one line per event, "time level event key=value …" or JSON.
 *
 * log_info(lg, "conn.closed", "peer=%s reason=%s", peer, why): the event is a dotted lower-case name, the rest is
 * key=value pairs. Values with spaces are written as key="…" by the caller's format; control bytes are escaped.
 * A NULL logger discards. Core modules do not log: they emit events in their effects, and the host logs. */
#ifndef DFS_LOG_H
#define DFS_LOG_H

#include <stdio.h>

#include "base/base.h"

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };

struct logger {
    FILE *out;
    enum log_level level; /* less than this is discarded */
    bool json;
    const char *who; /* such as "nm" or "ss-3"; borrowed */
};

void log_event(const struct logger *lg, enum log_level level, const char *event, const char *fmt, ...)
    PRINTF_LIKE(4, 5);

#define log_debug(lg, event, ...) log_event((lg), LOG_DEBUG, (event), __VA_ARGS__)
#define log_info(lg, event, ...) log_event((lg), LOG_INFO, (event), __VA_ARGS__)
#define log_warn(lg, event, ...) log_event((lg), LOG_WARN, (event), __VA_ARGS__)
#define log_error(lg, event, ...) log_event((lg), LOG_ERROR, (event), __VA_ARGS__)

/* "debug", "info", "warn", "error"; DFS_EINVAL for another word. */
int log_level_parse(const char *word, enum log_level *out) MUST_USE;

#endif
