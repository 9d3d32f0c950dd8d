/* One writer at full speed, many readers, a checksum in every slot.
 *
 *     stress READERS READS_EACH
 *
 * The segment is anonymous memory; writer and readers are threads. Prints reads, torn
 * reads accepted, reads that gave up, and publications; fails if any was torn.
 */
#include <pthread.h>
#include <stdatomic.h>

#include "publish.h"

static char *segment;
static long reads_each;
static atomic_int stop;
static atomic_long torn, gave_up, done, published;

/* Every word of the slot is a function of the first one. */
static void fill(char *slot, uint64_t n) {
    for (int i = 0; i < CHRONOTICK_SLOT_SIZE / 8; i++) {
        uint64_t word = n * UINT64_C(0x9e3779b97f4a7c15) + (uint64_t)i * n;
        memcpy(slot + 8 * i, i ? &word : &n, 8);
    }
}

static void *write_on(void *unused) {
    char slot[CHRONOTICK_SLOT_SIZE];
    (void)unused;
    for (uint64_t n = 1; !atomic_load_explicit(&stop, memory_order_relaxed); n++) {
        fill(slot, n);
        chronotick__publish_slot(segment, slot);
        atomic_fetch_add_explicit(&published, 1, memory_order_relaxed);
    }
    return NULL;
}

#ifdef CHRONOTICK_TEST_NO_SECOND_LOOK
/* A reader that does not look twice: what the checksums are there to find. */
static uint64_t copy(
    const uint64_t *words, struct chronotick_slot *slot,
    struct chronotick__origin *origin, int *failed) {
    (void)origin;
    uint64_t s = __atomic_load_n(words + CHRONOTICK_SEQUENCE_AT / 8, __ATOMIC_ACQUIRE);
    const uint64_t *from =
        words + (CHRONOTICK_SLOT_AT + (s & 1) * CHRONOTICK_SLOT_SIZE) / 8;
    for (int i = 0; i < CHRONOTICK_SLOT_SIZE / 8; i++) {
        uint64_t word = __atomic_load_n(from + i, __ATOMIC_RELAXED);
        memcpy((char *)slot + 8 * i, &word, 8);
    }
    *failed = 0;
    return s;
}
#else
#define copy chronotick__copy
#endif

static void *read_on(void *unused) {
    char expected[CHRONOTICK_SLOT_SIZE];
    struct chronotick_slot slot;
    struct chronotick__origin origin;
    uint64_t last = 0, n;
    (void)unused;
    for (long i = 0; i < reads_each; i++) {
        int failed;
        uint64_t sequence = copy((const uint64_t *)(void *)segment, &slot, &origin, &failed);
        if (failed) {
            atomic_fetch_add(&gave_up, 1);
            continue;
        }
        if (!sequence) continue;
        memcpy(&n, &slot, 8);
        fill(expected, n);
        /* Whole, and never older than what this reader has seen before. */
        if (memcmp(expected, &slot, sizeof slot) || sequence < last)
            atomic_fetch_add(&torn, 1);
        last = sequence;
    }
    atomic_fetch_add(&done, reads_each);
    return NULL;
}

int main(int argc, char **argv) {
    pthread_t threads[64], writer;
    int readers = argc > 1 ? atoi(argv[1]) : 2;
    reads_each = argc > 2 ? atol(argv[2]) : 1000000;
    segment = (char *)mmap(NULL, CHRONOTICK_SEGMENT_SIZE, PROT_READ | PROT_WRITE,
                           MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (segment == (char *)MAP_FAILED || readers < 1 || readers > 64) return 2;
    pthread_create(&writer, NULL, write_on, NULL);
    for (int i = 0; i < readers; i++) pthread_create(&threads[i], NULL, read_on, NULL);
    for (int i = 0; i < readers; i++) pthread_join(threads[i], NULL);
    atomic_store(&stop, 1);
    pthread_join(writer, NULL);
    printf("reads %ld torn %ld gave_up %ld published %ld\n", atomic_load(&done),
           atomic_load(&torn), atomic_load(&gave_up), atomic_load(&published));
    return atomic_load(&torn) ? 1 : 0;
}
