/* The whole of a reader in C: prints the interval that UTC lies in now.
 *
 *     cc -std=c11 -I"$(python -m chronotick.shm --include-dir)" read_time.c -o read_time
 *     ./read_time [PATH [COUNT]]
 */
#include <chronotick.h>
#include <inttypes.h>

int main(int argc, char **argv) {
    struct chronotick_reader reader;
    struct chronotick_interval now;
    int error = chronotick_open(&reader, argc > 1 ? argv[1] : NULL);
    for (int i = argc > 2 ? atoi(argv[2]) : 1; !error && i > 0; i--) {
        error = chronotick_interval_now(&reader, &now);
        if (!error)
            printf("%" PRId64 " %" PRId64 " %d %d\n", now.earliest_ns, now.latest_ns,
                   now.status, now.reasons);
    }
    if (error) fprintf(stderr, "read_time: %s\n", chronotick_strerror(error));
    chronotick_close(&reader);
    return error;
}
