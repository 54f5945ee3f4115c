/* core/base/list.h - an intrusive doubly linked list with a sentinel head. Nothing is owned by the list. */
#ifndef POSTRIDER_BASE_LIST_H
#define POSTRIDER_BASE_LIST_H

#include <stdbool.h>
#include <stddef.h>

#define container_of(pointer, type, member) ((type *)((char *)(pointer)-offsetof(type, member)))

struct list {
	struct list *next, *prev;
};

static inline void list_init(struct list *head)
{
	head->next = head->prev = head;
}

static inline bool list_empty(const struct list *head)
{
	return head->next == head;
}

/* Linked into some list? An item is list_init()ed before its first use and after list_remove(). */
static inline bool list_linked(const struct list *item)
{
	return item->next != item;
}

static inline void list_append(struct list *head, struct list *item)
{
	item->prev = head->prev;
	item->next = head;
	head->prev->next = item;
	head->prev = item;
}

static inline void list_prepend(struct list *head, struct list *item)
{
	item->next = head->next;
	item->prev = head;
	head->next->prev = item;
	head->next = item;
}

static inline void list_remove(struct list *item)
{
	item->prev->next = item->next;
	item->next->prev = item->prev;
	item->next = item->prev = item;
}

static inline struct list *list_take_first(struct list *head)
{
	struct list *item = head->next;
	if (item == head)
		return NULL;
	list_remove(item);
	return item;
}

/* All of `from`, in its order, becomes `to`, which is not initialized before. */
static inline void list_take_all(struct list *from, struct list *to)
{
	list_init(to);
	if (list_empty(from))
		return;
	to->next = from->next;
	to->prev = from->prev;
	to->next->prev = to;
	to->prev->next = to;
	list_init(from);
}

#endif
