/* SPDX-License-Identifier: MIT */
/* What a client finds out about where it is: the NameServers, and the addresses of its machine. The texts keep them, and have to
 * be there as long as the configuration. */
#ifndef DFS_HOST_CLIENT_CONFIG_H
#define DFS_HOST_CLIENT_CONFIG_H

#include "client/client.h"

#define CLIENT_ADDRESS_ROOM 256u

/* list: addresses, with commas between; NULL or empty: the environment's DFS_NM, or this machine. text: for CLIENT_MAX_NAMESERVERS. */
int client_config_nameservers(struct client_config *cfg, const char *list, char text[][CLIENT_ADDRESS_ROOM]) MUST_USE;
/* What addresses of this machine begin with: its network interfaces' numbers, and its name. text: for CLIENT_MAX_HOSTS. */
void client_config_hosts(struct client_config *cfg, char text[][CLIENT_ADDRESS_ROOM]);

#endif
