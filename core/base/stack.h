/*
 * core/base/stack.h - what other threads hand to one, without a lock: each pushes, one takes all of it at once.
 *
 * Intrusive, and nothing is owned: a link is its giver's until it is pushed, and the taker's from then on. All zero is
 * an empty stack. Nobody takes a single one, so there is no link that comes back while another is looked at.
 */
#ifndef POSTRIDER_BASE_STACK_H
#define POSTRIDER_BASE_STACK_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

struct stack_link {
	struct stack_link *next;
};

struct stack {
	_Atomic(struct stack_link *) newest;
};

static inline void stack_init(struct stack *stack)
{
	atomic_init(&stack->newest, NULL);
}

/* True: it was empty, so whoever takes is to be woken. Release: he sees what was written before. */
static inline bool stack_push(struct stack *stack, struct stack_link *link)
{
	struct stack_link *first = atomic_load_explicit(&stack->newest, memory_order_relaxed);

	do {
		link->next = first;
	} while (!atomic_compare_exchange_weak_explicit(&stack->newest, &first, link, memory_order_release,
							memory_order_relaxed));
	return first == NULL;
}

/* All of it, the newest first. */
static inline struct stack_link *stack_take(struct stack *stack)
{
	return atomic_exchange_explicit(&stack->newest, NULL, memory_order_acquire);
}

/* All of it, the oldest first. */
static inline struct stack_link *stack_take_in_order(struct stack *stack)
{
	struct stack_link *newest = stack_take(stack), *oldest = NULL;

	while (newest) {
		struct stack_link *next = newest->next;
		newest->next = oldest;
		oldest = newest;
		newest = next;
	}
	return oldest;
}

static inline bool stack_empty(const struct stack *stack)
{
	return atomic_load_explicit(&stack->newest, memory_order_relaxed) == NULL;
}

#endif
