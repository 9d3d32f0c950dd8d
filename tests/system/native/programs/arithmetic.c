/* The header's arithmetic as a shared library, to be compared with the reference. */
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

int is_possible(const struct chronotick_slot *slot) {
    return chronotick__is_possible(slot);
}
