/* SPDX-License-Identifier: MIT */
#include <sys/resource.h>
#include <unistd.h>

#include "host/host.h"

static uint64_t time_us(struct timeval t) { return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_usec; }

void process_usage(struct msg_process_reply *m, char *name, size_t len)
{
    struct rusage own = {0}, children = {0};
    size_t memory = 0;
    if (uv_os_gethostname(name, &len) != 0)
        name[0] = '\0';
    getrusage(RUSAGE_SELF, &own);
    getrusage(RUSAGE_CHILDREN, &children); /* of a NameServer: its snapshots */
    uv_resident_set_memory(&memory);
    *m = (struct msg_process_reply){
        .host = str_of(name),
        .pid = (uint32_t)getpid(),
        .cores = uv_available_parallelism(),
        .mono_us = now_sample().mono / 1000,
        .cpu_us =
            time_us(own.ru_utime) + time_us(own.ru_stime) + time_us(children.ru_utime) + time_us(children.ru_stime),
        .memory = memory,
        .memory_peak = max_u64((uint64_t)own.ru_maxrss * KIB, memory),
    };
}
