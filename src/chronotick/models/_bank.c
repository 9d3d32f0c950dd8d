/* What one measurement does to all filters of the bank, in one pass and no temporaries.
 *
 * chronotick.models.arithmetic.InNumpy and chronotick.models.likelihood are the
 * specification, with the sources of every formula; tests hold both to the same numbers.
 * numpy spends half a microsecond on each of some ninety calls, whatever they do with a
 * hundred filters; this spends it on the filters.
 *
 * The GIL is held throughout. There is no state.
 */
#ifndef Py_LIMITED_API
#define Py_LIMITED_API 0x030B0000
#endif
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <math.h>
#include <stdint.h>

/* A digest of this file: which arithmetic made a number (setup.py). */
#ifndef BANK_SOURCE
#define BANK_SOURCE "unknown"
#endif

/* Rows of the matrix: chronotick.models.states. The first three are numpy's scratch, and
 * not touched here. */
enum { INNOVATION, SPREAD, SCALE, X, Y, PYY, PXX, PXY, ONE, Q2, BASE, SLOPE_SQUARED,
       SIDED, WEIGHT, TRUST, ROWS };

/* chronotick.models.grid and chronotick.models.likelihood say why. */
#define ONE_SIDED_SHARE 0.5
#define OUTLIER_SHARE 1e-3
#define OUTLIER_SQUARE 64.0
#define NO_BELIEF 1e-6
#define NARROW 1e-2
#define TWICE_LEAST_MASS 2e-14
/* chronotick.models.arithmetic says why. */
#define BELIEF_GAIN 0.1
#define LEAST_VARIANCE 1e-6

#define PI 3.14159265358979323846
#define ROOT_HALF 0.70710678118654752440
#define ROOT_TWO_PI 2.50662827463100050242

struct told {
    double white_fm, fixed_share, memory_by_count, memory_s; /* the tuning */
    double elapsed_s, value_ns, excess_ns, variance;         /* the measurement */
    double half_width_ns;
};

static double at_least(double value, double least) {
    return value < least ? least : value;
}

struct evidence {
    double density, score, curvature;
};

static struct evidence gaussian(double innovation, double variance) {
    double precision = 1.0 / variance, score = precision * innovation;
    return (struct evidence){
        exp(-0.5 * (score * innovation)) * (sqrt(precision) / ROOT_TWO_PI), score,
        -precision};
}

static struct evidence between(double innovation, double variance, double half_width) {
    double sd = sqrt(variance), center = innovation / sd, reach = half_width / sd;
    if (reach < NARROW)
        return gaussian(innovation, variance + half_width * half_width / 3.0);
    double low = center - reach, high = center + reach;
    double low_point = low * ROOT_HALF, high_point = high * ROOT_HALF;
    double mass = at_least(erf(high_point) - erf(low_point), TWICE_LEAST_MASS);
    double low_peak = exp(-(low_point * low_point));
    double high_peak = exp(-(high_point * high_point));
    double scale = 2.0 / ROOT_TWO_PI / (mass * sd);
    double score = (low_peak - high_peak) * scale;
    double bend = (low_peak * low - high_peak * high) * (scale / sd);
    return (struct evidence){mass * (0.25 / half_width), score, bend - score * score};
}

/* Allow for outliers; return the belief. */
static double contaminate(struct evidence *found, double innovation, double variance) {
    double square = variance * OUTLIER_SQUARE;
    double outlier = sqrt(square) * (OUTLIER_SHARE / PI);
    outlier /= square + innovation * innovation;
    double inlier = found->density * (1.0 - OUTLIER_SHARE), total = inlier + outlier;
    double belief = inlier / total;
    if (belief <= NO_BELIEF) belief = 0.0;
    double believed = belief * found->score;
    double bend = (found->score - believed) * believed + belief * found->curvature;
    *found = (struct evidence){total, believed, bend};
    return belief;
}

/* Carry filter k along, show it the measurement, and return its density. */
static double teach(double *const row[ROWS], Py_ssize_t k, const struct told *told) {
    double t = told->elapsed_s, q2 = row[Q2][k];
    double pyy = row[PYY][k], pxy = row[PXY][k];
    double y = row[Y][k], x = row[X][k] + t * y;
    double pxx = row[PXX][k] + t * t * pyy + 2.0 * t * pxy + told->white_fm * t +
                 q2 * (t * t * t / 3.0);
    pxy += t * pyy + q2 * (t * t / 2.0);
    pyy += t * q2;

    double innovation = told->value_ns - x;
    double spread = pxx + row[BASE][k] + told->variance;
    struct evidence found;
    double belief;
    if (row[SIDED][k] != 0.0) {
        double width = told->half_width_ns;
        found = between(innovation, spread, width);
        belief = contaminate(&found, innovation, spread + width * width);
    } else {
        spread += row[SLOPE_SQUARED][k] * (told->excess_ns * told->excess_ns);
        found = gaussian(innovation, spread);
        belief = contaminate(&found, innovation, spread);
    }

    row[X][k] = x + pxx * found.score;
    row[Y][k] = y + pxy * found.score;
    double cross = pxy * found.curvature;
    row[PYY][k] = at_least(pyy + pxy * cross, LEAST_VARIANCE);
    row[PXY][k] = pxy + cross * pxx;
    row[PXX][k] = at_least(pxx + pxx * found.curvature * pxx, LEAST_VARIANCE);
    row[TRUST][k] += BELIEF_GAIN * (belief - row[TRUST][k]);
    return found.density;
}

/* Teach all of them and weigh them; return the most believed one, or -1 where no density
 * is left to weigh by. */
static Py_ssize_t teach_all(double *const row[ROWS], Py_ssize_t count,
                            const struct told *told) {
    double memory = at_least(exp(-told->elapsed_s / told->memory_s), told->memory_by_count);
    double *weight = row[WEIGHT], total = 0.0;
    for (Py_ssize_t k = 0; k < count; k++) {
        double density = teach(row, k, told);
        weight[k] = pow(weight[k], memory) * density;
        total += weight[k];
    }
    if (!(total > 0.0)) return -1;
    Py_ssize_t best = 0;
    for (Py_ssize_t k = 0; k < count; k++) {
        weight[k] *= (1.0 - told->fixed_share) / total;
        weight[k] += told->fixed_share / (double)count;
        if (weight[k] > weight[best]) best = k;
    }
    return best;
}

struct moments {
    double x, y, pxx, pxy, pyy, q2;
};

static struct moments mix_heard(double *const row[ROWS], Py_ssize_t count, double heard) {
    struct moments all = {0};
    double total = 0.0;
    for (Py_ssize_t k = 0; k < count; k++) {
        double weight = row[WEIGHT][k];
        if (weight < heard) continue;
        total += weight;
        all.x += weight * row[X][k];
        all.y += weight * row[Y][k];
        all.q2 += weight * row[Q2][k];
    }
    all.x /= total, all.y /= total, all.q2 /= total;
    /* From the mean: of large squares that cancel, little would be left. */
    for (Py_ssize_t k = 0; k < count; k++) {
        double weight = row[WEIGHT][k];
        if (weight < heard) continue;
        double dx = row[X][k] - all.x, dy = row[Y][k] - all.y;
        all.pxx += weight * (row[PXX][k] + dx * dx);
        all.pxy += weight * (row[PXY][k] + dx * dy);
        all.pyy += weight * (row[PYY][k] + dy * dy);
    }
    all.pxx /= total, all.pxy /= total, all.pyy /= total;
    return all;
}

/* ── For Python ──────────────────────────────────────────────────────────────────── */

/* Return how many filters there are, or -1 with an exception. That its numbers are
 * doubles is the caller's word: the stable interface of 3.11 hands out octets. */
static Py_ssize_t rows_of(const Py_buffer *matrix, double *row[ROWS]) {
    Py_ssize_t stride = matrix->len / ROWS, count = stride / (Py_ssize_t)sizeof(double);
    if (count < 1 || count * (Py_ssize_t)sizeof(double) * ROWS != matrix->len ||
        (uintptr_t)matrix->buf % _Alignof(double)) {
        PyErr_Format(PyExc_ValueError, "%zd bytes at %p are no matrix of %d rows",
                     matrix->len, matrix->buf, (int)ROWS);
        return -1;
    }
    for (int k = 0; k < ROWS; k++) row[k] = (double *)((char *)matrix->buf + k * stride);
    return count;
}

static PyObject *learn(PyObject *Py_UNUSED(module), PyObject *args) {
    Py_buffer matrix;
    struct told told;
    if (!PyArg_ParseTuple(args, "w*dddddddd:learn", &matrix, &told.white_fm,
                          &told.fixed_share, &told.memory_by_count, &told.memory_s,
                          &told.elapsed_s, &told.value_ns, &told.excess_ns,
                          &told.variance))
        return NULL;
    told.half_width_ns = at_least(ONE_SIDED_SHARE * told.excess_ns, 1.0);
    PyObject *result = NULL;
    double *row[ROWS];
    Py_ssize_t count = rows_of(&matrix, row);
    if (count > 0) {
        Py_ssize_t best = teach_all(row, count, &told), least = 0;
        for (Py_ssize_t k = 1; k < count; k++)
            if (row[TRUST][k] < row[TRUST][least]) least = k;
        if (best < 0)
            PyErr_SetString(PyExc_ZeroDivisionError, "no filter can have seen this");
        else
            result = Py_BuildValue("nd", best, row[TRUST][least]);
    }
    PyBuffer_Release(&matrix);
    return result;
}

static PyObject *mix(PyObject *Py_UNUSED(module), PyObject *args) {
    Py_buffer matrix;
    double heard;
    if (!PyArg_ParseTuple(args, "w*d:mix", &matrix, &heard)) return NULL;
    PyObject *result = NULL;
    double *row[ROWS];
    Py_ssize_t count = rows_of(&matrix, row);
    if (count > 0) {
        struct moments all = mix_heard(row, count, heard);
        result = Py_BuildValue("dddddd", all.x, all.y, all.pxx, all.pxy, all.pyy, all.q2);
    }
    PyBuffer_Release(&matrix);
    return result;
}

static PyMethodDef methods[] = {
    {"learn", learn, METH_VARARGS, "Carry all filters to a measurement and teach them."},
    {"mix", mix, METH_VARARGS, "Return what the filters that are heard say together."},
    {NULL, NULL, 0, NULL}};

static int module_exec(PyObject *module) {
    if (PyModule_AddIntConstant(module, "ROWS", ROWS)) return -1;
    return PyModule_AddStringConstant(module, "SOURCE", BANK_SOURCE);
}

/* The second slot is Py_mod_multiple_interpreters: each interpreter with a GIL of its
 * own may load this. Python 3.11 does not know it, so it is left out there. */
static PyModuleDef_Slot slots_311[] = {{Py_mod_exec, module_exec}, {0, NULL}};
static PyModuleDef_Slot slots_312[] = {
    {Py_mod_exec, module_exec}, {3, (void *)2}, {0, NULL}};

static PyModuleDef definition = {
    PyModuleDef_HEAD_INIT, "_bank", "The bank's arithmetic; see chronotick.models.", 0,
    methods, slots_311, NULL, NULL, NULL};

PyMODINIT_FUNC PyInit__bank(void) {
    if (Py_Version >= 0x030C0000) definition.m_slots = slots_312;
    return PyModuleDef_Init(&definition);
}
