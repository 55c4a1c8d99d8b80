/* list - an intrusive doubly linked ring; the head is a node of its own. A node that is in no list
 * points at itself. */
#pragma once

#include <stdbool.h>

struct list {
    struct list *prev;
    struct list *next;
};

static inline void list_init(struct list *head) { head->prev = head->next = head; }
static inline bool list_is_empty(const struct list *head) { return head->next == head; }

static inline void list_insert_before(struct list *at, struct list *node)
{
    node->prev = at->prev;
    node->next = at;
    at->prev->next = node;
    at->prev = node;
}
static inline void list_push_back(struct list *head, struct list *node)
{
    list_insert_before(head, node);
}
static inline void list_push_front(struct list *head, struct list *node)
{
    list_insert_before(head->next, node);
}

static inline void list_remove(struct list *node)
{
    node->prev->next = node->next;
    node->next->prev = node->prev;
    list_init(node);
}

/* Moves all of `from` to the end of `to`; `from` is empty afterwards. */
static inline void list_splice_back(struct list *to, struct list *from)
{
    if (list_is_empty(from)) return;
    from->next->prev = to->prev;
    to->prev->next = from->next;
    from->prev->next = to;
    to->prev = from->prev;
    list_init(from);
}

#define LIST_EACH(var, head) for (struct list *var = (head)->next; var != (head); var = var->next)
/* Safe against removing `var` inside the loop. */
#define LIST_EACH_SAFE(var, head)                                                 \
    for (struct list *var = (head)->next, *var##_next = var->next; var != (head); \
         var = var##_next, var##_next = var->next)
