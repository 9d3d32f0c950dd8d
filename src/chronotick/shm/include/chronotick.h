/* chronotick.h - bounded UTC from the shared memory of a chronotick daemon.
 *
 * One header, no library, no dependency but the C library; C11 or C++17, Linux.
 *
 *     struct chronotick_reader reader;
 *     struct chronotick_interval now;
 *     int error = chronotick_open(&reader, NULL);
 *     if (!error) error = chronotick_interval_now(&reader, &now);
 *     if (error) fprintf(stderr, "%s\n", chronotick_strerror(error));
 *     else printf("%jd..%jd\n", (intmax_t)now.earliest_ns, (intmax_t)now.latest_ns);
 *     chronotick_close(&reader);
 *
 * UTC at the call lies in [earliest_ns, latest_ns], Unix nanoseconds. The midpoint is a
 * convenience: it is not "the time". A happened before B only if
 * a.latest_ns < b.earliest_ns. Every function returns 0 or an error; on an error nothing
 * was stored, and no time is known: do not fall back to another clock.
 *
 * Threads: a reader belongs to one thread at a time, since a call may replace what it has
 * mapped; keep one a thread (a page of memory). After fork the child may go on with the
 * parent's; in another time namespace (unshare(CLONE_NEWTIME), setns) it must open one
 * anew, for its clocks are others. A reader whose opening failed attaches at a later
 * call, once there is a daemon, and follows daemons that are restarted.
 *
 * The protocol and every field: docs/reference/shm-protocol.md. SPDX: MIT.
 */
#ifndef CHRONOTICK_H
#define CHRONOTICK_H

/* For the names below under -std=c11; where a system header came first, give it to the
 * compiler, or use -std=gnu11. */
#ifndef _DEFAULT_SOURCE
#define _DEFAULT_SOURCE 1
#endif

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#ifdef __cplusplus
#define CHRONOTICK_ASSERT(what) static_assert(what, #what)
extern "C" {
#else
#define CHRONOTICK_ASSERT(what) _Static_assert(what, #what)
#endif

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "the segment is little-endian, and so must be its readers"
#endif

#ifndef __SIZEOF_INT128__
#error "products of times need 128 bits, which compilers have for 64-bit machines"
#endif

/* layout table: begin (generated: python -m chronotick.shm --write) */
#define CHRONOTICK_MAGIC UINT64_C(0x4b544f4e4f524843)
#define CHRONOTICK_LAYOUT_VERSION 1
#define CHRONOTICK_SEGMENT_SIZE 4096
#define CHRONOTICK_HEADER_AT 128
#define CHRONOTICK_SEQUENCE_AT 192
#define CHRONOTICK_SLOT_AT 256
#define CHRONOTICK_SLOT_SIZE 128
#define CHRONOTICK_RING_AT 512
#define CHRONOTICK_RING_ENTRIES_AT 576
#define CHRONOTICK_RING_ENTRY_SIZE 80
#define CHRONOTICK_RING_ENTRIES 44
#define CHRONOTICK_STATE_LIVE 1
#define CHRONOTICK_STATE_RETIRED 2

/* A slot that carries a time keeps within [-limit, limit). */
#define CHRONOTICK_LIMIT_ANCHOR_RAW_NS INT64_C(576460752303423488)
#define CHRONOTICK_LIMIT_ANCHOR_UTC_NS INT64_C(6917529027641081856)
#define CHRONOTICK_LIMIT_RATE_FS_PER_S INT64_C(70368744177664)
#define CHRONOTICK_LIMIT_BOUND_NS INT64_C(576460752303423488)
#define CHRONOTICK_LIMIT_BOUND_GROWTH_PPB INT64_C(268435456)
#define CHRONOTICK_LIMIT_AS_OF_RAW_NS INT64_C(576460752303423488)
#define CHRONOTICK_LIMIT_SUSPEND_NS INT64_C(576460752303423488)

/* The packed compatibility record: copy from these, do not cast. */
#define CHRONOTICK_RECORD_CORRECTED_TIMESTAMP_AT 0 /* f64 s */
#define CHRONOTICK_RECORD_SYSTEM_TIMESTAMP_AT 8 /* f64 s */
#define CHRONOTICK_RECORD_OFFSET_CORRECTION_AT 16 /* f64 s */
#define CHRONOTICK_RECORD_DRIFT_RATE_AT 24 /* f64 s/s */
#define CHRONOTICK_RECORD_OFFSET_UNCERTAINTY_AT 32 /* f64 s */
#define CHRONOTICK_RECORD_DRIFT_UNCERTAINTY_AT 40 /* f64 s/s */
#define CHRONOTICK_RECORD_PREDICTION_TIME_AT 48 /* f64 s */
#define CHRONOTICK_RECORD_VALID_UNTIL_AT 56 /* f64 s */
#define CHRONOTICK_RECORD_CONFIDENCE_AT 64 /* f32 1 */
#define CHRONOTICK_RECORD_SEQUENCE_NUMBER_AT 68 /* u32 1 */
#define CHRONOTICK_RECORD_FLAGS_AT 72 /* u32 bits */
#define CHRONOTICK_RECORD_SOURCE_AT 76 /* u32 enum */
#define CHRONOTICK_RECORD_MEASUREMENT_COUNT_AT 80 /* u32 1 */
#define CHRONOTICK_RECORD_LAST_NTP_SYNC_AT 84 /* f64 s */
#define CHRONOTICK_RECORD_DAEMON_UPTIME_AT 92 /* f64 s */
#define CHRONOTICK_RECORD_TOTAL_CORRECTIONS_AT 100 /* u32 1 */
#define CHRONOTICK_RECORD_RESERVED_AT 104 /* u32  */
#define CHRONOTICK_RECORD_AVERAGE_LATENCY_MS_AT 108 /* f32 ms */
#define CHRONOTICK_RECORD_RESERVED_TAIL_AT 112 /* 16 B  */

struct chronotick_header {
    uint64_t magic; /* the bytes CHRONOTK */
    uint16_t version; /* 1: layout that was written */
    uint16_t version_min; /* 1: oldest layout a reader of which may go on */
    uint32_t total_size; /* B: 4096 */
    uint8_t boot_id[16]; /* of the kernel; all zero where there is none */
    uint64_t start_id; /* random, one per start of a daemon */
    uint32_t writer_pid; /* in the daemon's own pid namespace */
    uint32_t state; /* enum: BLANK 0, LIVE 1, RETIRED 2 */
    uint64_t time_namespace; /* inode of the daemon's; 0 = not known */
    int64_t started_raw_ns; /* ns RAW: when the daemon started */
};
CHRONOTICK_ASSERT(sizeof(struct chronotick_header) == 64);
CHRONOTICK_ASSERT(offsetof(struct chronotick_header, magic) == 0);
CHRONOTICK_ASSERT(offsetof(struct chronotick_header, version) == 8);
CHRONOTICK_ASSERT(offsetof(struct chronotick_header, version_min) == 10);
CHRONOTICK_ASSERT(offsetof(struct chronotick_header, total_size) == 12);
CHRONOTICK_ASSERT(offsetof(struct chronotick_header, boot_id) == 16);
CHRONOTICK_ASSERT(offsetof(struct chronotick_header, start_id) == 32);
CHRONOTICK_ASSERT(offsetof(struct chronotick_header, writer_pid) == 40);
CHRONOTICK_ASSERT(offsetof(struct chronotick_header, state) == 44);
CHRONOTICK_ASSERT(offsetof(struct chronotick_header, time_namespace) == 48);
CHRONOTICK_ASSERT(offsetof(struct chronotick_header, started_raw_ns) == 56);

struct chronotick_slot {
    int64_t anchor_raw_ns; /* ns RAW: instant at which anchor_utc_ns holds */
    int64_t anchor_utc_ns; /* ns Unix: UTC at the anchor */
    int64_t rate_fs_per_s; /* fs/s: d(UTC - RAW)/dRAW; 1e6 = 1 ppb */
    uint64_t bound_ns; /* ns: hard half width at the anchor */
    uint32_t bound_growth_ppb; /* ppb: growth of bound_ns per unit of age */
    uint32_t heartbeat_us; /* us: longest regular gap between frames */
    int64_t as_of_raw_ns; /* ns RAW: instant of the publication */
    int64_t void_after_raw_ns; /* ns RAW: refuse from here on */
    int64_t as_of_realtime_ns; /* ns REALTIME: read with as_of_raw_ns */
    int64_t suspend_ns; /* ns: CLOCK_BOOTTIME - CLOCK_MONOTONIC then */
    float variance_v0; /* ns2: variance(t) = v0 + v1 t + v2 t2 + v3 t3 */
    float variance_v1; /* ns2/s: t: age in s since the anchor */
    float variance_v2; /* ns2/s2:  */
    float variance_v3; /* ns2/s3:  */
    uint16_t coverage_99; /* 1/100: sigmas that cover 99 %; 0 = unearned */
    uint16_t coverage_999; /* 1/100: sigmas that cover 99.9 %; 0 = unearned */
    uint16_t realtime_error_ns; /* ns: of the pair; 65535 = no usable pair */
    int16_t tai_minus_utc_s; /* s: -32768 = not known */
    uint8_t status; /* enum: UNKNOWN 0: the slot carries no time */
    uint8_t source; /* enum: as in the compatibility record */
    uint8_t leap; /* enum: RFC 5905 figure 9 */
    uint8_t smear; /* enum: UNKNOWN 0, NONE 1, SMEARED 2 */
    uint16_t reasons; /* bits: why the status is what it is */
    uint8_t confidence; /* 1/255: share of servers that agree */
    uint8_t slot_flags; /* bits: 1: disruption_marker is meant */
    uint32_t measurement_count; /* 1: modulo 2**32 */
    uint32_t correction_count; /* 1: modulo 2**32 */
    uint32_t last_sync_age_ms; /* ms: at as_of; 2**32-1 = longer, never */
    uint32_t delay_ns; /* ns: round trip to the server in use; saturates */
    uint64_t disruption_marker; /* of vmclock, at the publication */
};
CHRONOTICK_ASSERT(sizeof(struct chronotick_slot) == 128);
CHRONOTICK_ASSERT(offsetof(struct chronotick_slot, anchor_raw_ns) == 0);
CHRONOTICK_ASSERT(offsetof(struct chronotick_slot, anchor_utc_ns) == 8);
CHRONOTICK_ASSERT(offsetof(struct chronotick_slot, rate_fs_per_s) == 16);
CHRONOTICK_ASSERT(offsetof(struct chronotick_slot, bound_ns) == 24);
CHRONOTICK_ASSERT(offsetof(struct chronotick_slot, bound_growth_ppb) == 32);
CHRONOTICK_ASSERT(offsetof(struct chronotick_slot, heartbeat_us) == 36);
CHRONOTICK_ASSERT(offsetof(struct chronotick_slot, as_of_raw_ns) == 40);
CHRONOTICK_ASSERT(offsetof(struct chronotick_slot, void_after_raw_ns) == 48);
CHRONOTICK_ASSERT(offsetof(struct chronotick_slot, as_of_realtime_ns) == 56);
CHRONOTICK_ASSERT(offsetof(struct chronotick_slot, suspend_ns) == 64);
CHRONOTICK_ASSERT(offsetof(struct chronotick_slot, variance_v0) == 72);
CHRONOTICK_ASSERT(offsetof(struct chronotick_slot, variance_v1) == 76);
CHRONOTICK_ASSERT(offsetof(struct chronotick_slot, variance_v2) == 80);
CHRONOTICK_ASSERT(offsetof(struct chronotick_slot, variance_v3) == 84);
CHRONOTICK_ASSERT(offsetof(struct chronotick_slot, coverage_99) == 88);
CHRONOTICK_ASSERT(offsetof(struct chronotick_slot, coverage_999) == 90);
CHRONOTICK_ASSERT(offsetof(struct chronotick_slot, realtime_error_ns) == 92);
CHRONOTICK_ASSERT(offsetof(struct chronotick_slot, tai_minus_utc_s) == 94);
CHRONOTICK_ASSERT(offsetof(struct chronotick_slot, status) == 96);
CHRONOTICK_ASSERT(offsetof(struct chronotick_slot, source) == 97);
CHRONOTICK_ASSERT(offsetof(struct chronotick_slot, leap) == 98);
CHRONOTICK_ASSERT(offsetof(struct chronotick_slot, smear) == 99);
CHRONOTICK_ASSERT(offsetof(struct chronotick_slot, reasons) == 100);
CHRONOTICK_ASSERT(offsetof(struct chronotick_slot, confidence) == 102);
CHRONOTICK_ASSERT(offsetof(struct chronotick_slot, slot_flags) == 103);
CHRONOTICK_ASSERT(offsetof(struct chronotick_slot, measurement_count) == 104);
CHRONOTICK_ASSERT(offsetof(struct chronotick_slot, correction_count) == 108);
CHRONOTICK_ASSERT(offsetof(struct chronotick_slot, last_sync_age_ms) == 112);
CHRONOTICK_ASSERT(offsetof(struct chronotick_slot, delay_ns) == 116);
CHRONOTICK_ASSERT(offsetof(struct chronotick_slot, disruption_marker) == 120);

struct chronotick_ring_entry {
    uint64_t number; /* 1: count at its writing; 0 while it is written */
    int64_t anchor_raw_ns; /* ns RAW: as in the slot */
    int64_t anchor_utc_ns; /* ns Unix: as in the slot */
    int64_t rate_fs_per_s; /* fs/s: as in the slot */
    uint64_t bound_ns; /* ns: as in the slot */
    uint32_t bound_growth_ppb; /* ppb: as in the slot */
    float variance_v0; /* ns2: as in the slot */
    int64_t as_of_raw_ns; /* ns RAW: first publication of this correction */
    int64_t as_of_realtime_ns; /* ns REALTIME: read with as_of_raw_ns */
    int64_t suspend_ns; /* ns: as in the slot */
    uint16_t realtime_error_ns; /* ns: as in the slot */
    uint8_t status; /* enum: as in the slot */
    uint8_t source; /* enum: as in the slot */
    uint16_t reasons; /* bits: as in the slot */
    uint16_t reserved; /* 0 */
};
CHRONOTICK_ASSERT(sizeof(struct chronotick_ring_entry) == 80);
CHRONOTICK_ASSERT(offsetof(struct chronotick_ring_entry, number) == 0);
CHRONOTICK_ASSERT(offsetof(struct chronotick_ring_entry, anchor_raw_ns) == 8);
CHRONOTICK_ASSERT(offsetof(struct chronotick_ring_entry, anchor_utc_ns) == 16);
CHRONOTICK_ASSERT(offsetof(struct chronotick_ring_entry, rate_fs_per_s) == 24);
CHRONOTICK_ASSERT(offsetof(struct chronotick_ring_entry, bound_ns) == 32);
CHRONOTICK_ASSERT(offsetof(struct chronotick_ring_entry, bound_growth_ppb) == 40);
CHRONOTICK_ASSERT(offsetof(struct chronotick_ring_entry, variance_v0) == 44);
CHRONOTICK_ASSERT(offsetof(struct chronotick_ring_entry, as_of_raw_ns) == 48);
CHRONOTICK_ASSERT(offsetof(struct chronotick_ring_entry, as_of_realtime_ns) == 56);
CHRONOTICK_ASSERT(offsetof(struct chronotick_ring_entry, suspend_ns) == 64);
CHRONOTICK_ASSERT(offsetof(struct chronotick_ring_entry, realtime_error_ns) == 72);
CHRONOTICK_ASSERT(offsetof(struct chronotick_ring_entry, status) == 74);
CHRONOTICK_ASSERT(offsetof(struct chronotick_ring_entry, source) == 75);
CHRONOTICK_ASSERT(offsetof(struct chronotick_ring_entry, reasons) == 76);
CHRONOTICK_ASSERT(offsetof(struct chronotick_ring_entry, reserved) == 78);
/* layout table: end */

CHRONOTICK_ASSERT(CHRONOTICK_SEQUENCE_AT % 64 == 0);

enum chronotick_error {
    CHRONOTICK_OK = 0,
    CHRONOTICK_NO_DAEMON,        /* nothing lies at the path */
    CHRONOTICK_UNREADABLE,       /* the operating system refuses; see errno */
    CHRONOTICK_CORRUPT,          /* not a segment, truncated, or impossible values */
    CHRONOTICK_VERSION_MISMATCH, /* a layout that this header does not speak */
    CHRONOTICK_NOT_SYNCHRONIZED, /* the daemon has no trustworthy time (yet) */
    CHRONOTICK_STALE,            /* void_after has passed: is the daemon running? */
    CHRONOTICK_FUTURE,           /* the anchor is ahead: the clocks were set back */
    CHRONOTICK_REBOOTED,         /* published on another boot of this host */
    CHRONOTICK_NAMESPACE,        /* published in another time namespace */
    CHRONOTICK_SLEPT,            /* the host slept since */
    CHRONOTICK_MOVED,            /* the virtual machine was moved or restored since */
    CHRONOTICK_TORN,             /* the segment never held still: two writers? */
    CHRONOTICK_SILENT,           /* internal: a silent daemon; look for a new one */
    CHRONOTICK_NO_BOOT_ID        /* without /proc this boot cannot be told from others */
};

enum chronotick_status { /* what an interval is worth; 0 never reaches a caller */
    CHRONOTICK_UNKNOWN = 0,
    CHRONOTICK_WARMUP = 1,
    CHRONOTICK_SYNCHRONIZED = 2,
    CHRONOTICK_HOLDOVER = 3
};
#define CHRONOTICK_WRITER_SILENT 64 /* reason bit set by readers */

struct chronotick_interval {
    int64_t earliest_ns, latest_ns;
    double variance_ns2; /* of the model, at this instant; no bound by itself */
    uint16_t coverage_99, coverage_999; /* sigmas / 100; 0 = unearned */
    uint16_t reasons;
    uint8_t status, source;
};

struct chronotick_reader {
    const uint64_t *words;  /* the mapped segment */
    const uint64_t *marker; /* vmclock's disruption marker, NULL where there is none */
    uint64_t boot_id[2];    /* this boot */
    uint64_t time_namespace;
    int64_t realtime_less_boottime; /* see chronotick__has_slept */
    int64_t awake_until; /* RAW: the host cannot have slept before this */
    int64_t quiet_until; /* RAW: a silent daemon need not be looked for before this */
    uint64_t device, inode;
    uint64_t possible; /* sequence of what was found to have no impossible value */
    char path[4096];
};

/* What readers add to the half width for their own rounding: the floor of the midpoint,
 * the rate's resolution of 1 fs/s (enough for 11 days), the floor of the growth. */
#define CHRONOTICK_ROUNDING_NS 3
/* RAW is the same on all CPUs to within this; what is further ahead is the future. */
#define CHRONOTICK_AHEAD_NS 1000
#define CHRONOTICK_SUSPEND_SLACK_NS 1000000
/* A host that was awake at some RAW has not slept until this much later: before the
 * clocks stop the kernel freezes every process, suspends devices and takes CPUs offline,
 * and undoes it before it thaws them, all of which takes RAW time. */
#define CHRONOTICK_AWAKE_NS 100000
#define CHRONOTICK_MISSED_HEARTBEATS 5
#define CHRONOTICK_SILENCE_NS INT64_C(1000000000)
#define CHRONOTICK_LOOK_AGAIN_NS 10000000
/* A copy takes nanoseconds, a publication at least a few: this many changes in a row
 * do not happen. */
#define CHRONOTICK_ATTEMPTS 10000
/* 2**110 / 1e15 and 2**60 / 1e9 rounded up: rates and growths in units of 2**-60, by
 * integer products alone, so that every language computes the same nanosecond. */
#define CHRONOTICK_Q110_PER_FS_PER_S INT64_C(1298074214633706907)
#define CHRONOTICK_Q60_PER_PPB UINT64_C(1152921505)

__extension__ typedef __int128 chronotick__wide;

static inline int64_t chronotick__clock(clockid_t which) {
    struct timespec t;
    clock_gettime(which, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* Whose RAW a slot counts, as the header says. */
struct chronotick__origin {
    uint64_t boot_id[2], time_namespace;
};

/* The reader's side of the protocol: a slot, and the origin that belongs to it.
 *
 * The writer makes the slot's words visible before the sequence that points to it, and
 * touches the slot `s & 1` again only after the sequence s + 1 is visible. Hence:
 *   acquire: pairs with the writer's release store of the sequence; the words of that
 *     publication are loaded after it.
 *   relaxed loads: a word is never torn; words that the writer is replacing may mix.
 *   fence(acquire), then the sequence again: pairs with the writer's release fence
 *     before it touches the slot. Had any load seen a newer word, this load would see
 *     a newer sequence.
 * The words are copied by 8-byte atomics and not by memcpy: a race is no bug only if
 * both sides are atomic. Returns the sequence, 0 where nothing is published, and sets
 * *torn where it never held still.
 *
 * The origin is loaded between the two looks at the sequence, too. A daemon that finds
 * another one's header voids both slots, under sequences of their own, before it changes
 * it, and changes it before its first frame. So whoever sees s before and after has seen
 * the header that s was published under; before or after the two alone, a takeover in
 * between would lend the slot of one daemon the header of the other. */
static inline uint64_t chronotick__copy(
    const uint64_t *words, struct chronotick_slot *slot,
    struct chronotick__origin *origin, int *torn) {
    const uint64_t *sequence = words + CHRONOTICK_SEQUENCE_AT / 8;
    const uint64_t *boot_id =
        words +
        (CHRONOTICK_HEADER_AT + offsetof(struct chronotick_header, boot_id)) / 8;
    const uint64_t *time_namespace =
        words +
        (CHRONOTICK_HEADER_AT + offsetof(struct chronotick_header, time_namespace)) / 8;
    *torn = 0;
    for (int attempt = 0; attempt < CHRONOTICK_ATTEMPTS; attempt++) {
        uint64_t s = __atomic_load_n(sequence, __ATOMIC_ACQUIRE);
        const uint64_t *from =
            words + (CHRONOTICK_SLOT_AT + (s & 1) * CHRONOTICK_SLOT_SIZE) / 8;
        for (int i = 0; i < CHRONOTICK_SLOT_SIZE / 8; i++) {
            uint64_t word = __atomic_load_n(from + i, __ATOMIC_RELAXED);
            memcpy((char *)slot + 8 * i, &word, 8);
        }
        origin->boot_id[0] = __atomic_load_n(boot_id, __ATOMIC_RELAXED);
        origin->boot_id[1] = __atomic_load_n(boot_id + 1, __ATOMIC_RELAXED);
        origin->time_namespace = __atomic_load_n(time_namespace, __ATOMIC_RELAXED);
        __atomic_thread_fence(__ATOMIC_ACQUIRE);
        if (__atomic_load_n(sequence, __ATOMIC_RELAXED) == s) return s;
    }
    *torn = 1;
    return 0;
}

/* Whether the host has slept since `suspend_ns` (BOOTTIME - MONOTONIC) was published.
 *
 * REALTIME - MONOTONIC and BOOTTIME - MONOTONIC grow together, by the sleep. Their
 * difference changes only when somebody sets the clock, so it is kept; the coarse
 * clocks, which cost a quarter of a precise one, then tell the suspend time. Whenever
 * that does not match, for whichever reason, the exact comparison decides. */
static inline int chronotick__has_slept(
    struct chronotick_reader *reader, int64_t suspend_ns) {
    int64_t wall = chronotick__clock(CLOCK_REALTIME_COARSE) -
                   chronotick__clock(CLOCK_MONOTONIC_COARSE);
    int64_t kept = reader->realtime_less_boottime;
    int64_t slept = wall - kept - suspend_ns;
    if (slept <= CHRONOTICK_SUSPEND_SLACK_NS && slept >= -CHRONOTICK_SUSPEND_SLACK_NS)
        return 0;
    int64_t before = chronotick__clock(CLOCK_MONOTONIC);
    int64_t boot = chronotick__clock(CLOCK_BOOTTIME);
    int64_t after = chronotick__clock(CLOCK_MONOTONIC);
    /* The suspend time lies in [boot - after, boot - before], wherever we were
     * preempted. Less than published means: not the clocks that were published. */
    if (boot - after - suspend_ns > CHRONOTICK_SUSPEND_SLACK_NS) return 1;
    if (boot - before - suspend_ns < -CHRONOTICK_SUSPEND_SLACK_NS) return 1;
    reader->realtime_less_boottime = wall - suspend_ns;
    return 0;
}

static inline int chronotick__is_finite(float value) {
    uint32_t bits; /* as integers: their latency is a third of the floats' */
    memcpy(&bits, &value, 4);
    return (bits & UINT32_C(0x7f800000)) != UINT32_C(0x7f800000);
}

/* Whether what carries a time keeps within the limits, so that no sum passes 64 bits. */
#define CHRONOTICK__WITHIN(field, limit) \
    ((uint64_t)slot->field + (uint64_t)(limit) < 2 * (uint64_t)(limit))
static inline int chronotick__is_moderate(const struct chronotick_slot *slot) {
    return CHRONOTICK__WITHIN(anchor_raw_ns, CHRONOTICK_LIMIT_ANCHOR_RAW_NS) &
           CHRONOTICK__WITHIN(anchor_utc_ns, CHRONOTICK_LIMIT_ANCHOR_UTC_NS) &
           CHRONOTICK__WITHIN(rate_fs_per_s, CHRONOTICK_LIMIT_RATE_FS_PER_S) &
           (slot->bound_ns < (uint64_t)CHRONOTICK_LIMIT_BOUND_NS) &
           (slot->bound_growth_ppb < CHRONOTICK_LIMIT_BOUND_GROWTH_PPB) &
           CHRONOTICK__WITHIN(as_of_raw_ns, CHRONOTICK_LIMIT_AS_OF_RAW_NS) &
           CHRONOTICK__WITHIN(suspend_ns, CHRONOTICK_LIMIT_SUSPEND_NS);
}
#undef CHRONOTICK__WITHIN

/* Whether every enumeration has a meaning, the variance is finite, and nothing extreme. */
static inline int chronotick__is_possible(const struct chronotick_slot *slot) {
    return ((slot->status == CHRONOTICK_UNKNOWN) | chronotick__is_moderate(slot)) &
           (slot->status <= CHRONOTICK_HOLDOVER) & (slot->source <= 4) &
           (slot->leap <= 3) & (slot->smear <= 2) &
           chronotick__is_finite(slot->variance_v0) &
           chronotick__is_finite(slot->variance_v1) &
           chronotick__is_finite(slot->variance_v2) &
           chronotick__is_finite(slot->variance_v3);
}

/* What a boot id that is not the reader's says: nothing, where the reader has none. */
static inline int chronotick__other_boot(const struct chronotick_reader *reader) {
    return reader->boot_id[0] | reader->boot_id[1] ? CHRONOTICK_REBOOTED
                                                   : CHRONOTICK_NO_BOOT_ID;
}

/* Whether RAW is another one there: by a constant, so wrong and plausible. 0: unknown. */
static inline int chronotick__is_foreign(
    const struct chronotick_reader *reader, uint64_t time_namespace) {
    return time_namespace != reader->time_namespace && time_namespace &&
           reader->time_namespace;
}

/* The RAW from which on its daemon counts as silent. */
static inline int64_t chronotick__silent_from(const struct chronotick_slot *slot) {
    int64_t patience =
        (int64_t)slot->heartbeat_us * (1000 * CHRONOTICK_MISSED_HEARTBEATS);
    if (patience < CHRONOTICK_SILENCE_NS) patience = CHRONOTICK_SILENCE_NS;
    return slot->as_of_raw_ns + patience;
}

/* Copies what is published, reads RAW, and decides whether the one holds for the other.
 * Returns 0, an error, or CHRONOTICK_SILENT (it holds, the daemon is silent). */
static inline int chronotick__look(
    struct chronotick_reader *reader, struct chronotick_slot *slot, int64_t *raw_ns) {
    struct chronotick__origin origin;
    int torn;
    uint64_t sequence = chronotick__copy(reader->words, slot, &origin, &torn);
    if (!sequence) return torn ? CHRONOTICK_TORN : CHRONOTICK_NOT_SYNCHRONIZED;
    /* At each look and not only when attaching: a daemon takes a file over with all that
     * are attached to it. */
    if (origin.boot_id[0] != reader->boot_id[0] ||
        origin.boot_id[1] != reader->boot_id[1])
        return chronotick__other_boot(reader);
    if (chronotick__is_foreign(reader, origin.time_namespace))
        return CHRONOTICK_NAMESPACE;
    if (slot->status == CHRONOTICK_UNKNOWN) return CHRONOTICK_NOT_SYNCHRONIZED;
    if (sequence != reader->possible) {
        if (!chronotick__is_possible(slot)) return CHRONOTICK_CORRUPT;
        reader->possible = sequence;
    }
    /* After the slot, so that its anchor is in the past. */
    int64_t raw = *raw_ns = chronotick__clock(CLOCK_MONOTONIC_RAW);
    if (raw < slot->anchor_raw_ns - CHRONOTICK_AHEAD_NS ||
        raw < slot->as_of_raw_ns - CHRONOTICK_AHEAD_NS)
        return CHRONOTICK_FUTURE;
    /* After RAW: a sleep that came later does not concern this instant. */
    if (raw >= reader->awake_until) {
        if (chronotick__has_slept(reader, slot->suspend_ns)) return CHRONOTICK_SLEPT;
        reader->awake_until = raw + CHRONOTICK_AWAKE_NS;
    }
    if (reader->marker && (slot->slot_flags & 1) &&
        __atomic_load_n(reader->marker, __ATOMIC_RELAXED) != slot->disruption_marker)
        return CHRONOTICK_MOVED;
    if (raw >= slot->void_after_raw_ns) return CHRONOTICK_STALE;
    if (raw < chronotick__silent_from(slot)) return CHRONOTICK_OK;
    slot->status = CHRONOTICK_HOLDOVER;
    slot->reasons |= CHRONOTICK_WRITER_SILENT;
    return raw < reader->quiet_until ? CHRONOTICK_OK : CHRONOTICK_SILENT;
}

/* Predicted UTC at `raw_ns`. */
static inline int64_t chronotick__midpoint(
    const struct chronotick_slot *slot, int64_t raw_ns) {
    int64_t age = raw_ns - slot->anchor_raw_ns;
    int64_t skew = (int64_t)(
        ((chronotick__wide)slot->rate_fs_per_s * CHRONOTICK_Q110_PER_FS_PER_S) >> 50);
    return slot->anchor_utc_ns + age + (int64_t)(((chronotick__wide)age * skew) >> 60);
}

/* Hard half width at `raw_ns`, rounded outwards. */
static inline int64_t chronotick__half_width(
    const struct chronotick_slot *slot, int64_t raw_ns) {
    int64_t age = raw_ns - slot->anchor_raw_ns;
    uint64_t length = (uint64_t)(age < 0 ? -age : age);
    uint64_t growth = slot->bound_growth_ppb * CHRONOTICK_Q60_PER_PPB;
    return (int64_t)slot->bound_ns + CHRONOTICK_ROUNDING_NS +
           (int64_t)(((chronotick__wide)length * (chronotick__wide)growth) >> 60);
}

/* Variance that the model claims at `raw_ns`, in ns². */
static inline double chronotick__variance(
    const struct chronotick_slot *slot, int64_t raw_ns) {
    int64_t age = raw_ns - slot->anchor_raw_ns;
    double t = age > 0 ? (double)age * 1e-9 : 0.0;
    double v = slot->variance_v0 +
               t * (slot->variance_v1 + t * (slot->variance_v2 + t * slot->variance_v3));
    return v > 0.0 ? v : 0.0;
}

static inline void chronotick__fill(
    const struct chronotick_slot *slot, int64_t raw_ns, struct chronotick_interval *now) {
    int64_t middle = chronotick__midpoint(slot, raw_ns);
    int64_t half = chronotick__half_width(slot, raw_ns);
    now->earliest_ns = middle - half;
    now->latest_ns = middle + half;
    now->variance_ns2 = chronotick__variance(slot, raw_ns);
    now->coverage_99 = slot->coverage_99;
    now->coverage_999 = slot->coverage_999;
    now->reasons = slot->reasons;
    now->status = slot->status;
    now->source = slot->source;
}

/* This host's boot id and time namespace; zero where there is none to be had. */
static inline void chronotick__host(struct chronotick_reader *reader) {
    char text[40];
    uint8_t id[16] = {0};
    struct stat namespace_;
    int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
    ssize_t got = fd < 0 ? -1 : read(fd, text, sizeof text);
    if (fd >= 0) close(fd);
    for (int i = 0, n = 0; i + 1 < got && n < 16;) {
        unsigned byte;
        if (text[i] == '-') {
            i++;
            continue;
        }
        char pair[3] = {text[i], text[i + 1], 0};
        if (sscanf(pair, "%2x", &byte) != 1) break;
        id[n++] = (uint8_t)byte;
        i += 2;
    }
    memcpy(reader->boot_id, id, sizeof id);
    reader->time_namespace =
        stat("/proc/self/ns/time", &namespace_) ? 0 : (uint64_t)namespace_.st_ino;
}

static inline int chronotick__check(
    const struct chronotick_reader *reader, const struct chronotick_header *header) {
    if (header->magic != CHRONOTICK_MAGIC) return CHRONOTICK_CORRUPT;
    if (header->version_min > CHRONOTICK_LAYOUT_VERSION ||
        header->version < CHRONOTICK_LAYOUT_VERSION)
        return CHRONOTICK_VERSION_MISMATCH;
    if (header->total_size != CHRONOTICK_SEGMENT_SIZE) return CHRONOTICK_CORRUPT;
    if (header->state != CHRONOTICK_STATE_LIVE) return CHRONOTICK_NO_DAEMON;
    if (memcmp(header->boot_id, reader->boot_id, 16))
        return chronotick__other_boot(reader);
    if (chronotick__is_foreign(reader, header->time_namespace))
        return CHRONOTICK_NAMESPACE;
    return CHRONOTICK_OK;
}

/* Maps `size` bytes of the file, read-only. NULL with *error where it cannot. */
static inline const uint64_t *chronotick__map(
    const char *path, size_t size, struct stat *status, int *error) {
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    void *at = MAP_FAILED;
    *error = errno == ENOENT ? CHRONOTICK_NO_DAEMON : CHRONOTICK_UNREADABLE;
    if (fd < 0) return NULL;
    *error = CHRONOTICK_UNREADABLE;
    if (!fstat(fd, status)) {
        *error = CHRONOTICK_CORRUPT;
        /* Before mapping: touching a page past the end of a file is SIGBUS. */
        if (!S_ISREG(status->st_mode) || status->st_size >= (off_t)size)
            at = mmap(NULL, size, PROT_READ, MAP_SHARED, fd, 0);
    }
    close(fd);
    return at == MAP_FAILED ? NULL : (const uint64_t *)at;
}

/* Opens the path again and keeps the new file if it is a good one. What was attached
 * before stays attached otherwise. */
static inline int chronotick_reopen(struct chronotick_reader *reader) {
    struct stat status;
    int error;
    const uint64_t *words =
        chronotick__map(reader->path, CHRONOTICK_SEGMENT_SIZE, &status, &error);
    if (!words) return error;
    error = S_ISREG(status.st_mode)
                ? chronotick__check(
                      reader, (const struct chronotick_header *)(
                                  words + CHRONOTICK_HEADER_AT / 8))
                : CHRONOTICK_CORRUPT;
    if (error) {
        munmap((void *)(uintptr_t)words, CHRONOTICK_SEGMENT_SIZE);
        return error;
    }
    if (reader->words)
        munmap((void *)(uintptr_t)reader->words, CHRONOTICK_SEGMENT_SIZE);
    reader->words = words;
    reader->possible = 0;
    reader->device = (uint64_t)status.st_dev;
    reader->inode = (uint64_t)status.st_ino;
    return CHRONOTICK_OK;
}

/* Attaches to the segment at `path`; NULL: $CHRONOTICK_SEGMENT, else the default. */
static inline int chronotick_open(struct chronotick_reader *reader, const char *path) {
    struct stat status;
    int error;
    memset(reader, 0, sizeof *reader);
    if (!path) path = getenv("CHRONOTICK_SEGMENT");
    if (!path || !*path) path = "/dev/shm/chronotick_shm";
    if (strlen(path) >= sizeof reader->path) return CHRONOTICK_UNREADABLE;
    strcpy(reader->path, path);
    chronotick__host(reader);
    const uint64_t *page = chronotick__map("/dev/vmclock0", 4096, &status, &error);
    if (page && (uint32_t)page[0] == UINT32_C(0x4b4c4356)) reader->marker = page + 2;
    return chronotick_reopen(reader);
}

/* Detaches; a reader that is closed finds no daemon. */
static inline void chronotick_close(struct chronotick_reader *reader) {
    if (reader->words)
        munmap((void *)(uintptr_t)reader->words, CHRONOTICK_SEGMENT_SIZE);
    if (reader->marker) munmap((void *)(uintptr_t)(reader->marker - 2), 4096);
    reader->words = reader->marker = NULL;
    reader->path[0] = 0;
}

/* Whether a new daemon's file has taken the path. */
static inline int chronotick__is_replaced(const struct chronotick_reader *reader) {
    struct stat status;
    const struct chronotick_header *header =
        (const struct chronotick_header *)(reader->words + CHRONOTICK_HEADER_AT / 8);
    return stat(reader->path, &status) || (uint64_t)status.st_dev != reader->device ||
           (uint64_t)status.st_ino != reader->inode ||
           header->state != CHRONOTICK_STATE_LIVE;
}

/* A look that failed or found a silent daemon: perhaps a new one has made a new file. */
static inline int chronotick__look_again(
    struct chronotick_reader *reader, struct chronotick_slot *slot, int64_t *raw_ns,
    int code) {
    if (chronotick__is_replaced(reader)) {
        int error = chronotick_reopen(reader);
        if (!error) code = chronotick__look(reader, slot, raw_ns);
        else if (code != CHRONOTICK_SILENT) return error;
    }
    if (code != CHRONOTICK_SILENT) return code;
    reader->quiet_until = *raw_ns + CHRONOTICK_LOOK_AGAIN_NS;
    return CHRONOTICK_OK;
}

static inline int chronotick__read(
    struct chronotick_reader *reader, struct chronotick_slot *slot, int64_t *raw_ns) {
    int code = reader->words ? CHRONOTICK_OK : chronotick_reopen(reader);
    if (code) return code;
    code = chronotick__look(reader, slot, raw_ns);
    if (__builtin_expect(code != CHRONOTICK_OK, 0))
        code = chronotick__look_again(reader, slot, raw_ns, code);
    return code;
}

/* The interval that UTC lies in now. */
static inline int chronotick_interval_now(
    struct chronotick_reader *reader, struct chronotick_interval *now) {
    struct chronotick_slot slot;
    int64_t raw_ns;
    int code = chronotick__read(reader, &slot, &raw_ns);
    if (code) return code;
    chronotick__fill(&slot, raw_ns, now);
    return CHRONOTICK_OK;
}

/* Its midpoint: a convenience, not "the time". */
static inline int chronotick_now_ns(struct chronotick_reader *reader, int64_t *now_ns) {
    struct chronotick_slot slot;
    int64_t raw_ns;
    int code = chronotick__read(reader, &slot, &raw_ns);
    if (code) return code;
    *now_ns = chronotick__midpoint(&slot, raw_ns);
    return CHRONOTICK_OK;
}

static inline const char *chronotick_strerror(int error) {
    switch (error) {
    case CHRONOTICK_OK: return "no error";
    case CHRONOTICK_NO_DAEMON: return "no daemon is publishing: start `chronotick daemon`";
    case CHRONOTICK_UNREADABLE: return "the segment cannot be read";
    case CHRONOTICK_CORRUPT: return "the file is not a usable segment";
    case CHRONOTICK_VERSION_MISMATCH: return "the segment has another layout version";
    case CHRONOTICK_NOT_SYNCHRONIZED: return "the daemon has no trustworthy time";
    case CHRONOTICK_STALE: return "the correction has expired: is the daemon running?";
    case CHRONOTICK_FUTURE: return "the correction was made in the future";
    case CHRONOTICK_REBOOTED: return "the host has rebooted since";
    case CHRONOTICK_NAMESPACE: return "the segment is of another time namespace";
    case CHRONOTICK_SLEPT: return "the host slept since";
    case CHRONOTICK_MOVED: return "the virtual machine was moved or restored since";
    case CHRONOTICK_TORN: return "the segment never held still: more than one writer?";
    case CHRONOTICK_NO_BOOT_ID:
        return "without /proc nobody knows whether it is of this boot: mount /proc";
    default: return "unknown error";
    }
}

#ifdef __cplusplus
}
#endif
#endif
