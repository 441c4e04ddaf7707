/* SPDX-License-Identifier: MIT */
#include "base/stdfds.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

void stdfds_fill(void)
{
    /* The lowest free number is given out, so going upwards each gap is filled by its own. The wrong direction on
     * purpose: what is written to a closed standard output must be an error, as it was. */
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
        if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY) != fd)
            abort();
}
