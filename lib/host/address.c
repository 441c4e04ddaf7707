/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <stdlib.h>

#include "base/flags.h"
#include "host/host.h"

static struct str host_part(const char *address)
{
    const char *colon = strrchr(address, ':');
    return (struct str){address, colon ? (uint32_t)(colon - address) : (uint32_t)strlen(address)};
}

bool address_is_loopback(const char *address)
{
    struct str host = host_part(address);
    struct in_addr in4;
    char copy[64];
    if (str_eq(host, STR("localhost")) || str_eq(host, STR("[::1]")))
        return true;
    snprintf(copy, sizeof copy, "%.*s", STR_ARG(host));
    return uv_inet_pton(AF_INET, copy, &in4) == 0 && strncmp(copy, "127.", 4) == 0;
}

bool address_is_wildcard(const char *address)
{
    struct str host = host_part(address);
    return host.len == 0 || str_eq(host, STR("0.0.0.0")) || str_eq(host, STR("[::]"));
}

int address_advertised(const char *advertise, const char *bound, char *out, size_t len)
{
    const char *colon = strrchr(bound, ':');
    if (!advertise) {
        int n = snprintf(out, len, "%s", bound);
        return n >= 0 && (size_t)n < len ? 0 : DFS_EINVAL;
    }
    return parse_address(advertise, colon ? (uint16_t)atoi(colon + 1) : 0, out, len);
}
