/* SPDX-License-Identifier: MIT */
/* The three standard file descriptors of a program. */
#ifndef DFS_BASE_STDFDS_H
#define DFS_BASE_STDFDS_H

/* Fills the places of those the program was started without. Otherwise the next file or socket opened would be, say, standard
 * error, and be written log lines to; libuv aborts when it is told to close such a one. Reading and writing them goes on
 * failing. Called first thing in main. (Model: gnulib's stdopen.) */
void stdfds_fill(void);

#endif
