/* A heart that beats as fast as it can beside a loop that publishes; many readers.
 *
 *     heart READERS PUBLICATIONS
 *
 * The segment is anonymous memory; all are threads. What a beat leaves alone has a
 * checksum. Prints publications, beats, reads, mixtures accepted, and steps: how often
 * the sequence moved. Fails if a mixture was accepted, if a step has two stores, or if
 * anything was stored after the heart had been stopped.
 */
#include <pthread.h>
#include <stdatomic.h>

#include "publish.h"

static atomic_long stores;

static void counted(char *base, const char *slot) {
    atomic_fetch_add(&stores, 1);
    chronotick__publish_slot(base, slot);
}
#define chronotick__publish_slot counted
#include "heart.h"

static char *segment;
static struct heart heart;
static int64_t suspend_ns, skew_ns;
static atomic_int stop;
static atomic_long mixtures, reads;

static uint64_t mix(uint64_t n, uint64_t i) {
    return n * UINT64_C(0x9e3779b97f4a7c15) + i * n;
}

/* Slot `n`: what a beat leaves alone is a function of n, the rest the clocks'. */
static void fill(struct chronotick_slot *slot, uint64_t n) {
    memset(slot, 0, sizeof *slot);
    slot->anchor_raw_ns = (int64_t)n;
    slot->anchor_utc_ns = (int64_t)mix(n, 1);
    slot->rate_fs_per_s = (int64_t)mix(n, 2);
    slot->bound_ns = mix(n, 3);
    slot->bound_growth_ppb = (uint32_t)mix(n, 4);
    slot->heartbeat_us = (uint32_t)mix(n, 5);
    slot->void_after_raw_ns = (int64_t)mix(n, 7);
    slot->suspend_ns = suspend_ns;
    slot->coverage_99 = (uint16_t)mix(n, 11);
    slot->reasons = (uint16_t)mix(n, 12);
    slot->measurement_count = (uint32_t)mix(n, 13);
    slot->correction_count = (uint32_t)mix(n, 14);
    slot->delay_ns = (uint32_t)mix(n, 15);
    slot->disruption_marker = mix(n, 16);
}

static void *read_on(void *unused) {
    struct chronotick_slot got, expected;
    struct chronotick__origin origin;
    uint64_t last = 0;
    int64_t last_n = 0;
    (void)unused;
    while (!atomic_load_explicit(&stop, memory_order_relaxed)) {
        int torn;
        uint64_t sequence =
            chronotick__copy((const uint64_t *)(void *)segment, &got, &origin, &torn);
        if (torn || !sequence) continue;
        fill(&expected, (uint64_t)got.anchor_raw_ns);
        expected.as_of_raw_ns = got.as_of_raw_ns;
        expected.as_of_realtime_ns = got.as_of_realtime_ns;
        expected.realtime_error_ns = got.realtime_error_ns;
        expected.last_sync_age_ms = got.last_sync_age_ms;
        /* Whole, of one reading of the clocks, and never older than what was seen. */
        int64_t skew = got.as_of_realtime_ns - got.as_of_raw_ns - skew_ns;
        if (memcmp(&expected, &got, sizeof got) || sequence < last ||
            got.anchor_raw_ns < last_n || skew > 1000000000 || skew < -1000000000)
            atomic_fetch_add(&mixtures, 1);
        last = sequence;
        last_n = got.anchor_raw_ns;
        atomic_fetch_add_explicit(&reads, 1, memory_order_relaxed);
    }
    return NULL;
}

/* Whether publication `n` got a sequence of its own that is later than `*last`. */
static int publish(uint64_t n, uint64_t *last) {
    struct chronotick_slot slot;
    int64_t error_ns;
    fill(&slot, n);
    if (!heart__pair(&slot.as_of_raw_ns, &slot.as_of_realtime_ns, &error_ns)) return 0;
#ifdef CHRONOTICK_TEST_NO_LOCK
    if (n > 1) { /* a second writer beside the heart */
        counted(segment, (const char *)&slot);
        heart.slot = slot;
        heart.lease_until_ns = chronotick__clock(CLOCK_MONOTONIC) + 900000000;
        return 1;
    }
#endif
    uint64_t sequence =
        heart_publish(&heart, (const char *)&slot, 20000, 900000000, slot.as_of_raw_ns);
    int is_later = sequence > *last;
    *last = sequence;
    return is_later;
}

int main(int argc, char **argv) {
    pthread_t threads[64];
    int readers = argc > 1 ? atoi(argv[1]) : 2, failed = 0;
    long publications = argc > 2 ? atol(argv[2]) : 10000;
    uint64_t last = 0;
    segment = (char *)mmap(NULL, CHRONOTICK_SEGMENT_SIZE, PROT_READ | PROT_WRITE,
                           MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (segment == (char *)MAP_FAILED || readers < 1 || readers > 64) return 2;
    suspend_ns = chronotick__clock(CLOCK_BOOTTIME) - chronotick__clock(CLOCK_MONOTONIC);
    skew_ns = chronotick__clock(CLOCK_REALTIME) - chronotick__clock(CLOCK_MONOTONIC_RAW);
    if (heart_start(&heart, segment)) return 2;
    for (int i = 0; i < readers; i++) pthread_create(&threads[i], NULL, read_on, NULL);
    for (long n = 1; n <= publications; n++) {
        failed |= !publish((uint64_t)n, &last);
        /* Now and then the heart has a while to itself. */
        if (n % 100 == 0) usleep(500);
    }
    heart_stop(&heart);
    uint64_t sequence = *(uint64_t *)(void *)(segment + CHRONOTICK_SEQUENCE_AT);
    failed |= heart_publish(&heart, segment, 20000, 0, 0) != 0;
    atomic_store(&stop, 1);
    for (int i = 0; i < readers; i++) pthread_join(threads[i], NULL);
    failed |= *(uint64_t *)(void *)(segment + CHRONOTICK_SEQUENCE_AT) != sequence;
    printf("publications %ld beats %ld reads %ld mixtures %ld steps %ld\n", publications,
           atomic_load(&stores) - publications, atomic_load(&reads),
           atomic_load(&mixtures), (long)sequence);
    failed |= (long)sequence != atomic_load(&stores) || atomic_load(&mixtures);
    return failed ? 1 : 0;
}
