/* SPDX-License-Identifier: MIT */
#include "host/client_config.h"

#include <ifaddrs.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <uv.h>

#include "base/flags.h"

#define DEFAULT_PORT 4610
#define DEFAULT_NAMESERVER "127.0.0.1:4610"

/* "a:1,b:2" */
static int parse_nameservers(const char *list, struct client_config *cfg, char text[][CLIENT_ADDRESS_ROOM])
{
    while (*list) {
        size_t len = strcspn(list, ",");
        char one[CLIENT_ADDRESS_ROOM];
        if (cfg->n_nameservers == CLIENT_MAX_NAMESERVERS || len == 0 || len >= sizeof one)
            return DFS_EINVAL;
        memcpy(one, list, len);
        one[len] = 0;
        int err = parse_address(one, DEFAULT_PORT, text[cfg->n_nameservers], sizeof one);
        if (err)
            return err;
        cfg->nameservers[cfg->n_nameservers] = text[cfg->n_nameservers];
        cfg->n_nameservers++;
        list += len + (list[len] == ',');
    }
    return cfg->n_nameservers ? 0 : DFS_EINVAL;
}

int client_config_nameservers(struct client_config *cfg, const char *list, char text[][CLIENT_ADDRESS_ROOM])
{
    if (!list || !*list)
        list = getenv("DFS_NM");
    return parse_nameservers(list && *list ? list : DEFAULT_NAMESERVER, cfg, text);
}

/* (uv_interface_addresses does not survive a want of memory.) */
void client_config_hosts(struct client_config *cfg, char text[][CLIENT_ADDRESS_ROOM])
{
    struct ifaddrs *found;
    size_t len = CLIENT_ADDRESS_ROOM;
    if (uv_os_gethostname(text[0], &len) == 0)
        cfg->hosts[cfg->n_hosts++] = text[0];
    if (getifaddrs(&found) != 0)
        return;
    for (const struct ifaddrs *i = found; i && cfg->n_hosts < CLIENT_MAX_HOSTS; i = i->ifa_next) {
        char *to = text[cfg->n_hosts], ip[64] = "";
        if (!i->ifa_addr || !(i->ifa_flags & IFF_UP) || !(i->ifa_flags & IFF_RUNNING))
            continue;
        if (i->ifa_addr->sa_family == AF_INET6)
            uv_ip6_name((const struct sockaddr_in6 *)i->ifa_addr, ip, sizeof ip);
        else if (i->ifa_addr->sa_family == AF_INET)
            uv_ip4_name((const struct sockaddr_in *)i->ifa_addr, ip, sizeof ip);
        else
            continue;
        snprintf(to, CLIENT_ADDRESS_ROOM, i->ifa_addr->sa_family == AF_INET6 ? "[%s]" : "%s", ip);
        cfg->hosts[cfg->n_hosts++] = to;
    }
    freeifaddrs(found);
}
