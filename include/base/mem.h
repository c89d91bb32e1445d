/*
 * Memory that is always there: running out of it aborts the process, and the
 * spool makes the restart safe.  Everything is zeroed at birth.  What a peer can
 * make grow is bounded by its owner before it asks here.
 */
#ifndef BASE_MEM_H
#define BASE_MEM_H

#include <stddef.h>

/* Zeroed; never NULL.  count * size may not overflow (aborts). */
void *mem_new(size_t size) __attribute__((malloc, returns_nonnull));
void *mem_array(size_t count, size_t size) __attribute__((malloc, returns_nonnull));

/* Grows or shrinks; bytes beyond the old size are not zeroed. */
void *mem_grow(void *p, size_t count, size_t size) __attribute__((returns_nonnull));

/* A copy of the n bytes at p, with a NUL behind it. */
char *mem_copy(const void *p, size_t n) __attribute__((malloc, returns_nonnull));
char *mem_string(const char *text) __attribute__((malloc, returns_nonnull));

/* Accepts NULL.  Named so that a module's _free can be told from the heap's. */
void mem_free(void *p);

#define MEM_NEW(type) ((type *)mem_new(sizeof(type)))

#endif
