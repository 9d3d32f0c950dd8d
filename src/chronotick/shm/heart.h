/* Heartbeats without an event loop: a thread that restamps what was published last.
 *
 * A heartbeat says that the daemon lives and where the system clock is now; the correction
 * in it is the same. Waking Python for that is most of what a daemon costs, so it is done
 * here. The thread knows no Python and never waits for it. It decides nothing: what is
 * published, and for how long it may be repeated, comes from the event loop.
 *
 * One writer. A segment has one, and the protocol's argument needs one. Here it is whoever
 * holds `lock`: both the loop's publications and the beats happen under it. Unlocking is a
 * release and locking an acquire, so everything that one holder stored happens before
 * everything that the next one stores; the next one's sequence is therefore the last one's
 * plus 1, and its release fence orders the last one's sequence before its own words, as
 * chronotick__publish_slot needs. Readers take no lock.
 *
 * Clocks. A beat reads its own under the lock, the loop reads a frame's before it takes the
 * lock. So a beat may come between, and `as_of` step back: each is a true reading.
 *
 * Dead or hung, it must look so. The thread dies with the process, at any instruction, as
 * any writer may. It beats only while a lease runs that each publication renews: a loop
 * that hangs, or a stage that stopped, falls silent once it has run out.
 *
 * Fork: the child has the memory and not the thread; heart_publish and heart_stop in it
 * say so and touch nothing.
 */
#ifndef CHRONOTICK_HEART_H
#define CHRONOTICK_HEART_H

#include <pthread.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/types.h>

#include "publish.h"

/* As chronotick.daemon.clocks: such a pair of reads was not preempted, and how often a
 * tighter one is tried for. */
#define HEART_TIGHT_NS 2000
#define HEART_ATTEMPTS 4
/* A beat takes a hundredth of it at most, so the lock is there for the loop. */
#define HEART_LEAST_PERIOD_NS 100000
#define HEART_NO_PAIR 65535 /* of realtime_error_ns */
#define HEART_NO_SYNC UINT32_MAX /* of last_sync_age_ms: none, or too long ago to say */

struct heart {
    char *base; /* the mapped segment; must stay mapped until heart_stop has returned */
    pid_t owner; /* the process that has the thread */
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t wake; /* on CLOCK_MONOTONIC */
    /* Under `lock` alone: */
    struct chronotick_slot slot; /* what is live, once there was a publication */
    int64_t last_sync_raw_ns;
    int64_t period_ns;
    int64_t lease_until_ns; /* MONOTONIC; it stands while the host sleeps, as RAW does */
    int is_parked; /* the thread waits for a lease, and nothing but `wake` ends that */
    int is_stopped;
};

/* RAW and REALTIME read together, like HostClock.pair(): REALTIME is credited to the
 * middle of its bracket, with half of it as error. 0 where RAW ran backwards. */
static inline int heart__pair(int64_t *raw_ns, int64_t *realtime_ns, int64_t *error_ns) {
    int64_t best_ns = INT64_MAX;
    for (int i = 0; i < HEART_ATTEMPTS && best_ns > HEART_TIGHT_NS; i++) {
        int64_t before_ns = chronotick__clock(CLOCK_MONOTONIC_RAW);
        int64_t between_ns = chronotick__clock(CLOCK_REALTIME);
        int64_t width_ns = chronotick__clock(CLOCK_MONOTONIC_RAW) - before_ns;
        if (width_ns < 0) return 0;
        if (width_ns >= best_ns) continue;
        best_ns = width_ns;
        *raw_ns = before_ns + width_ns / 2;
        *realtime_ns = between_ns;
    }
    *error_ns = (best_ns + 1) / 2;
    return 1;
}

/* Whether BOOTTIME - MONOTONIC is not what it was at the publication, to what readers
 * allow; their test, in chronotick__has_slept. */
static inline int heart__has_slept(int64_t suspend_ns) {
    int64_t before_ns = chronotick__clock(CLOCK_MONOTONIC);
    int64_t boot_ns = chronotick__clock(CLOCK_BOOTTIME);
    int64_t after_ns = chronotick__clock(CLOCK_MONOTONIC);
    return boot_ns - after_ns - suspend_ns > CHRONOTICK_SUSPEND_SLACK_NS ||
           boot_ns - before_ns - suspend_ns < -CHRONOTICK_SUSPEND_SLACK_NS;
}

/* Carries a slot on to now, as codec.restamp_slot does, but for two fields: suspend_ns
 * and disruption_marker stay as the loop stamped them. RAW stood still or jumped where
 * they change, and the correction with it; only the loop can tell which corrections are
 * from before, and voids them. Renewing the two here would hide that from readers, who
 * refuse for as long as these do not match. 0, and nothing is changed, where the clocks
 * do not follow from those of the slot. */
static inline int heart__restamp(struct chronotick_slot *slot, int64_t last_sync_raw_ns) {
    int64_t raw_ns = 0, realtime_ns = 0, error_ns;
    if (!heart__pair(&raw_ns, &realtime_ns, &error_ns)) return 0;
    /* RAW ran back, or the slot is of other clocks: never before what it repeats. */
    if (raw_ns < slot->as_of_raw_ns) return 0;
    /* After the pair: the suspend count only grows, so a count that still matches here
     * matched there, and the three are of one stretch without sleep. */
    if (heart__has_slept(slot->suspend_ns)) return 0;
    slot->as_of_raw_ns = raw_ns;
    slot->as_of_realtime_ns = realtime_ns;
    slot->realtime_error_ns =
        (uint16_t)(error_ns < HEART_NO_PAIR ? error_ns : HEART_NO_PAIR);
    if (slot->last_sync_age_ms != HEART_NO_SYNC) { /* none yet: none now */
        uint64_t age_ns =
            raw_ns > last_sync_raw_ns ? (uint64_t)raw_ns - (uint64_t)last_sync_raw_ns : 0;
        /* Rounded up: never told younger than it is. */
        uint64_t age_ms = age_ns ? (age_ns - 1) / 1000000 + 1 : 0;
        slot->last_sync_age_ms =
            age_ms < HEART_NO_SYNC ? (uint32_t)age_ms : HEART_NO_SYNC;
    }
    return 1;
}

static inline void *heart__run(void *given) {
    struct heart *heart = (struct heart *)given;
    int64_t next_ns = INT64_MAX; /* MONOTONIC: the next beat */
    prctl(PR_SET_NAME, "heartbeat"); /* as ps and top show it */
    pthread_mutex_lock(&heart->lock);
    while (!heart->is_stopped) {
        int64_t now_ns = chronotick__clock(CLOCK_MONOTONIC);
        if (now_ns >= heart->lease_until_ns) {
            /* No wake-up at all until the loop is back. */
            next_ns = INT64_MAX;
            heart->is_parked = 1;
            pthread_cond_wait(&heart->wake, &heart->lock);
            heart->is_parked = 0;
            continue;
        }
        /* The first one, or the period has become shorter. */
        if (next_ns > now_ns + heart->period_ns) next_ns = now_ns + heart->period_ns;
        if (now_ns < next_ns) {
            /* To an instant and not for a while: lateness does not add up. */
            struct timespec until = {next_ns / 1000000000, next_ns % 1000000000};
            pthread_cond_timedwait(&heart->wake, &heart->lock, &until);
            continue;
        }
        /* The loop's publication since our last beat is the one that is repeated. */
        if (heart__restamp(&heart->slot, heart->last_sync_raw_ns))
            chronotick__publish_slot(heart->base, (const char *)&heart->slot);
        /* What was missed (stopped, starved) is not made up for. */
        next_ns += ((now_ns - next_ns) / heart->period_ns + 1) * heart->period_ns;
    }
    pthread_mutex_unlock(&heart->lock);
    return NULL;
}

/* Starts the thread, parked. 0, or an errno and nothing was started. */
static inline int heart_start(struct heart *heart, char *base) {
    pthread_condattr_t monotonic;
    sigset_t all, before;
    memset(heart, 0, sizeof *heart);
    heart->base = base;
    heart->owner = getpid();
    pthread_mutex_init(&heart->lock, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&heart->wake, &monotonic);
    pthread_condattr_destroy(&monotonic);
    /* Signals are the process's own business: none is delivered to this thread, which
     * inherits the mask. */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int error = pthread_create(&heart->thread, NULL, heart__run, heart);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return error;
}

/* Publishes a slot, and has it repeated every `period_ns` until `lease_ns` from now (0:
 * not at all, whatever the period). With a lease, the period is HEART_LEAST_PERIOD_NS or
 * more, and both are less than CHRONOTICK_SILENCE_NS, so that no sum with a clock passes
 * 64 bits. Returns its sequence; 0 where the heart is stopped or the process is a fork of
 * its owner, and nothing was published. */
static inline uint64_t heart_publish(
    struct heart *heart, const char *slot, int64_t period_ns, int64_t lease_ns,
    int64_t last_sync_raw_ns) {
    uint64_t sequence = 0;
    if (heart->owner != getpid()) return 0;
    pthread_mutex_lock(&heart->lock);
    if (!heart->is_stopped) {
        memcpy(&heart->slot, slot, sizeof heart->slot);
        chronotick__publish_slot(heart->base, slot);
        sequence = __atomic_load_n(
            (uint64_t *)(void *)(heart->base + CHRONOTICK_SEQUENCE_AT), __ATOMIC_RELAXED);
        heart->last_sync_raw_ns = last_sync_raw_ns;
        /* Otherwise it wakes up by itself, soon enough: signals cost wake-ups. */
        if (heart->is_parked || period_ns < heart->period_ns)
            pthread_cond_signal(&heart->wake);
        heart->period_ns = period_ns;
        heart->lease_until_ns = chronotick__clock(CLOCK_MONOTONIC) + lease_ns;
    }
    pthread_mutex_unlock(&heart->lock);
    return sequence;
}

/* Whether the lease still runs; nothing is repeated once it does not. */
static inline int heart_is_beating(struct heart *heart) {
    if (heart->owner != getpid()) return 0;
    pthread_mutex_lock(&heart->lock);
    int is_beating = !heart->is_stopped &&
                     chronotick__clock(CLOCK_MONOTONIC) < heart->lease_until_ns;
    pthread_mutex_unlock(&heart->lock);
    return is_beating;
}

/* Ends the thread and waits for its end; call it once. When it has returned nothing
 * stores into the segment any more, nor will a heart_publish that comes late. */
static inline void heart_stop(struct heart *heart) {
    if (heart->owner != getpid()) return; /* waiting for no thread would be for ever */
    pthread_mutex_lock(&heart->lock);
    heart->is_stopped = 1;
    pthread_cond_signal(&heart->wake);
    pthread_mutex_unlock(&heart->lock);
    pthread_join(heart->thread, NULL);
}

#endif
