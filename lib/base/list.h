/* SPDX-License-Identifier: MIT */
/* An intrusive, circular, doubly linked list. An entry that is in no list points to itself. */
#ifndef DFS_LIST_H
#define DFS_LIST_H

#include "base/base.h"

struct list {
    struct list *next, *prev;
};

static inline void list_init(struct list *l) { l->next = l->prev = l; }
static inline bool list_empty(const struct list *l) { return l->next == l; }
static inline void list_push(struct list *head, struct list *e) /* at the tail */
{
    e->prev = head->prev;
    e->next = head;
    head->prev->next = e;
    head->prev = e;
}
static inline void list_remove(struct list *e)
{
    e->prev->next = e->next;
    e->next->prev = e->prev;
    list_init(e);
}
static inline struct list *list_first(const struct list *head) { return list_empty(head) ? NULL : head->next; }

/* The loop body may remove e. */
#define LIST_FOR_EACH(e, head)                                                                                         \
    for (struct list *e = (head)->next, *e##_next = e->next; e != (head); e = e##_next, e##_next = e->next)

#endif
