/* The header as a shared library, for tests that call it from Python. */
#include <chronotick.h>

int64_t midpoint(const struct chronotick_slot *slot, int64_t raw_ns) {
    return chronotick__midpoint(slot, raw_ns);
}

int64_t half_width(const struct chronotick_slot *slot, int64_t raw_ns) {
    return chronotick__half_width(slot, raw_ns);
}

double variance(const struct chronotick_slot *slot, int64_t raw_ns) {
    return chronotick__variance(slot, raw_ns);
}

int64_t silent_from(const struct chronotick_slot *slot) {
    return chronotick__silent_from(slot);
}

int is_possible(const struct chronotick_slot *slot) {
    return chronotick__is_possible(slot);
}

struct chronotick_reader *open_reader(const char *path) {
    struct chronotick_reader *reader = malloc(sizeof *reader);
    chronotick_open(reader, path);
    return reader;
}

/* Returns the error; earliest, latest, status and reasons in `out`. */
int read_interval(struct chronotick_reader *reader, int64_t out[4]) {
    struct chronotick_interval now;
    int error = chronotick_interval_now(reader, &now);
    if (error) return error;
    out[0] = now.earliest_ns;
    out[1] = now.latest_ns;
    out[2] = now.status;
    out[3] = now.reasons;
    return 0;
}

/* Returns the error of a reading after chronotick_close. */
int read_closed(const char *path) {
    struct chronotick_reader reader;
    struct chronotick_interval now;
    int error = chronotick_open(&reader, path);
    if (error) return error;
    chronotick_close(&reader);
    return chronotick_interval_now(&reader, &now);
}

/* Returns what is said by a reader that has no boot id of its own: of a reading, and
 * of opening the path again. */
const char *read_without_boot_id(const char *path, int is_attached) {
    struct chronotick_reader reader;
    struct chronotick_interval now;
    int error = chronotick_open(&reader, path);
    if (error) return chronotick_strerror(error);
    memset(reader.boot_id, 0, sizeof reader.boot_id);
    error = is_attached ? chronotick_interval_now(&reader, &now)
                        : chronotick_reopen(&reader);
    chronotick_close(&reader);
    return chronotick_strerror(error);
}

void close_reader(struct chronotick_reader *reader) {
    chronotick_close(reader);
    free(reader);
}
