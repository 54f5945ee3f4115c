/*
 * queue/spool_item.c - which items have their oldest record in which segment.
 *
 * The oldest segment can be recycled when nothing in it lives, so what is asked is always: who lives there? Each item
 * is in the list of the segment with its oldest record, and moves to the next when its records in that one were copied
 * or are dead. A record that has gone (a segment that was set aside, or was cut off by a write error) is passed over;
 * an item that has no other is in a list of its own, so that it is still found by spool_items().
 */
#include "queue/spool_private.h"

/* The record's segment if it is older than `oldest`, which may be NULL. */
static struct spool_segment *older(const struct spool *spool, const struct spool_ref *ref, struct spool_segment *oldest)
{
	if (ref->segment == 0 || (oldest && ref->segment >= oldest->sequence))
		return oldest;
	struct spool_segment *segment = spool_segment_find(spool, ref->segment);
	return segment && ref->offset < segment->cut ? segment : oldest;
}

void spool_item_unlist(struct spool_item *item)
{
	if (item->link.next)
		list_remove(&item->link);
	item->link = (struct list){0};
}

void spool_item_list(struct spool *spool, struct spool_item *item)
{
	struct spool_segment *oldest = older(spool, &item->message, NULL);

	oldest = older(spool, &item->state, oldest);
	for (unsigned i = 0; i < item->part_count; i++)
		oldest = older(spool, &item->parts[i], oldest);
	spool_item_unlist(item);
	list_append(oldest ? &oldest->items : &spool->lost, &item->link);
}

void spool_adopt(struct spool *spool, struct spool_item *item)
{
	item->link = (struct list){0};
	item->move = 0;
	spool_item_list(spool, item);
}

static void items_each(struct list *list, void (*fn)(void *context, struct spool_item *item), void *context)
{
	struct list *link, *next;

	for (link = list->next; link != list; link = next) {
		next = link->next;
		fn(context, container_of(link, struct spool_item, link));
	}
}

void spool_items(struct spool *spool, void (*fn)(void *context, struct spool_item *item), void *context)
{
	for (unsigned i = 0; i < spool->log_count; i++)
		items_each(&spool->log[i]->items, fn, context);
	items_each(&spool->compact.moving, fn, context);
	items_each(&spool->compact.broken, fn, context);
	items_each(&spool->lost, fn, context);
}

void spool_items_cut(struct spool *spool)
{
	for (unsigned i = spool->log_count; i-- > 0 && spool->log[i]->sequence >= spool->cut_segment;) {
		struct list all, *link;
		list_init(&all);
		while ((link = list_take_first(&spool->log[i]->items)))
			list_append(&all, link);
		while ((link = list_take_first(&all)))
			spool_item_list(spool, container_of(link, struct spool_item, link));
	}
}
