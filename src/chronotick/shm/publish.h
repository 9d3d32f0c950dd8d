/* The writer's side of the protocol, for _hot.c and the tests written in C.
 *
 * Not installed for others: a segment has one writer, and that is a chronotick daemon.
 * The order of the stores is the same as in chronotick.shm.page, which relies on x86
 * to keep it; here fences make it hold on any CPU.
 */
#ifndef CHRONOTICK_PUBLISH_H
#define CHRONOTICK_PUBLISH_H

#include "include/chronotick.h"

/* Stores bytes as 4-byte words, so that none is ever half of two. */
static inline void chronotick__store(char *to, const char *from, size_t size) {
    for (size_t i = 0; i < size; i += 4) {
        uint32_t word;
        memcpy(&word, from + i, 4);
        __atomic_store_n((uint32_t *)(void *)(to + i), word, __ATOMIC_RELAXED);
    }
}

/* Fills the slot that nobody reads, then points to it. */
static inline void chronotick__publish_slot(char *base, const char *slot) {
    uint64_t *sequence = (uint64_t *)(void *)(base + CHRONOTICK_SEQUENCE_AT);
    uint64_t next = __atomic_load_n(sequence, __ATOMIC_RELAXED) + 1;
    if (!next) next = 2; /* never again 0, and not the slot that is live */
    /* release fence: whoever sees a word of what follows sees the last sequence, too;
     * pairs with the reader's acquire fence. */
    __atomic_thread_fence(__ATOMIC_RELEASE);
    chronotick__store(base + CHRONOTICK_SLOT_AT + (next & 1) * CHRONOTICK_SLOT_SIZE, slot,
          CHRONOTICK_SLOT_SIZE);
    /* release: pairs with the reader's acquire load; the slot is complete before it. */
    __atomic_store_n(sequence, next, __ATOMIC_RELEASE);
}

/* An odd number while it is written; a writer that was killed here has left one. */
static inline void chronotick__publish_record(char *base, const char *record) {
    uint32_t *number =
        (uint32_t *)(void *)(base + CHRONOTICK_RECORD_SEQUENCE_NUMBER_AT);
    uint32_t odd = (__atomic_load_n(number, __ATOMIC_RELAXED) + 1) | 1;
    size_t after = CHRONOTICK_RECORD_SEQUENCE_NUMBER_AT + 4;
    __atomic_store_n(number, odd, __ATOMIC_RELAXED);
    __atomic_thread_fence(__ATOMIC_RELEASE);
    chronotick__store(base, record, CHRONOTICK_RECORD_SEQUENCE_NUMBER_AT);
    chronotick__store(base + after, record + after, CHRONOTICK_HEADER_AT - after);
    __atomic_store_n(number, odd + 1, __ATOMIC_RELEASE);
}

/* Its number is 0 while it is written, so readers skip it. */
static inline void chronotick__publish_entry(char *base, const char *entry) {
    uint64_t *count = (uint64_t *)(void *)(base + CHRONOTICK_RING_AT), number;
    memcpy(&number, entry, 8);
    char *at = base + CHRONOTICK_RING_ENTRIES_AT +
               (number - 1) % CHRONOTICK_RING_ENTRIES * CHRONOTICK_RING_ENTRY_SIZE;
    __atomic_store_n((uint64_t *)(void *)at, 0, __ATOMIC_RELAXED);
    __atomic_thread_fence(__ATOMIC_RELEASE);
    chronotick__store(at + 8, entry + 8, CHRONOTICK_RING_ENTRY_SIZE - 8);
    __atomic_store_n((uint64_t *)(void *)at, number, __ATOMIC_RELEASE);
    __atomic_store_n(count, number, __ATOMIC_RELEASE);
}

#endif
