/* The quick paths of reading and publishing; what they mean is decided in Python.
 *
 * chronotick.client.clock and chronotick.shm.{reader,writer} are the specification: one
 * battery of tests runs over both. This file only answers when everything is as it was
 * last time, or can be found to be in order by chronotick.h; in every other case it
 * calls the Python methods `_settled_*`, which look again and raise the named errors.
 *
 * Threads: the GIL is held throughout, so a cached view is read and replaced as a whole;
 * setup.py does not build this for interpreters without one. Sub-interpreters: all state
 * is the module's or an object's. Fork: nothing is locked.
 */
#ifndef Py_LIMITED_API
#define Py_LIMITED_API 0x030B0000
#endif
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <structmember.h>

#include <math.h>

#include "publish.h"

/* Of _heart.c: */
extern PyType_Spec chronotick__heart_spec;
extern int chronotick__hold(
    PyObject *from, Py_buffer *into, int flags, Py_ssize_t least, const char *what);

#define HOLD_SEGMENT(from, into, flags) \
    chronotick__hold(from, into, flags, CHRONOTICK_SEGMENT_SIZE, "a segment")

typedef struct {
    PyTypeObject *interval;  /* ours: numbers inline, objects made when asked for */
    PyObject *core_interval; /* chronotick.core.reading.Interval */
    PyObject *statuses[4], *sources[5], *reason;
} State;

/* ── Interval ────────────────────────────────────────────────────────────────────── */

/* The ends are made at once, as objects: reading such a member is what the interpreter
 * does quickest. The rest is made when asked for. What a tuple can do besides, and is
 * asked rarely, chronotick.shm.native adds in Python. */
typedef struct {
    PyObject_HEAD
    PyObject *earliest, *latest;
    struct chronotick_interval value;
} Interval;

#define VALUE(self) (((Interval *)(self))->value)
#define GETTER(name, expression)                                            \
    static PyObject *get_##name(PyObject *self, void *Py_UNUSED(closure)) { \
        return expression;                                                  \
    }

static State *state_of(PyObject *interval) {
    return (State *)PyType_GetModuleState(Py_TYPE(interval));
}

GETTER(width, PyLong_FromLongLong(VALUE(self).latest_ns - VALUE(self).earliest_ns))
/* >> rounds down, as // does in Python, and the width is never negative. */
GETTER(midpoint,
       PyLong_FromLongLong(VALUE(self).earliest_ns +
                           ((VALUE(self).latest_ns - VALUE(self).earliest_ns) >> 1)))
GETTER(sigma, PyFloat_FromDouble(sqrt(VALUE(self).variance_ns2)))
GETTER(status, Py_NewRef(state_of(self)->statuses[VALUE(self).status]))
GETTER(source, Py_NewRef(state_of(self)->sources[VALUE(self).source]))
GETTER(reasons,
       PyObject_CallFunction(state_of(self)->reason, "i", VALUE(self).reasons))
/* isinstance(x, chronotick.Interval) holds, whichever reader made x. */
GETTER(class, Py_NewRef(state_of(self)->core_interval))

static PyObject *interval_make(
    State *state, const struct chronotick_slot *slot, int64_t raw_ns) {
    Interval *made = PyObject_New(Interval, state->interval);
    if (!made) return NULL;
    chronotick__fill(slot, raw_ns, &made->value);
    made->earliest = PyLong_FromLongLong(made->value.earliest_ns);
    made->latest = PyLong_FromLongLong(made->value.latest_ns);
    if (made->earliest && made->latest) return (PyObject *)made;
    Py_DECREF(made);
    return NULL;
}

static void interval_dealloc(PyObject *self) {
    PyTypeObject *type = Py_TYPE(self);
    Py_XDECREF(((Interval *)self)->earliest);
    Py_XDECREF(((Interval *)self)->latest);
    PyObject_Free(self);
    Py_DECREF(type);
}

static PyMemberDef interval_members[] = {
    {"earliest_ns", T_OBJECT_EX, offsetof(Interval, earliest), READONLY, NULL},
    {"latest_ns", T_OBJECT_EX, offsetof(Interval, latest), READONLY, NULL},
    {NULL, 0, 0, 0, NULL},
};

static PyGetSetDef interval_getset[] = {
    {"status", get_status, NULL, NULL, NULL},
    {"source", get_source, NULL, NULL, NULL},
    {"reasons", get_reasons, NULL, NULL, NULL},
    {"sigma_ns", get_sigma, NULL, NULL, NULL},
    {"midpoint_ns", get_midpoint, NULL, NULL, NULL},
    {"width_ns", get_width, NULL, NULL, NULL},
    {"__class__", get_class, NULL, NULL, NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot interval_slots[] = {
    {Py_tp_doc, "What `chronotick.core.reading.Interval` is, made by the C reader."},
    {Py_tp_members, interval_members},
    {Py_tp_getset, interval_getset},
    {Py_tp_dealloc, interval_dealloc},
    {0, NULL},
};

static PyType_Spec interval_spec = {
    "chronotick.shm._hot.Interval", sizeof(Interval), 0,
    Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION, interval_slots};

/* ── Readings: the base class of the native clock ────────────────────────────────── */

typedef struct {
    PyObject_HEAD
    State *state;
    Py_buffer segment, marker; /* .obj is NULL where there is none */
    struct chronotick_reader reader;
    int knows_host; /* the reader's boot id and time namespace are this process's */
    /* What was published with `sequence`, found to hold for RAW in [.., last) as long as
     * the host has not slept. 0: nothing was. */
    uint64_t sequence;
    int64_t last;
    struct chronotick_slot slot;
} Readings;

/* Finds RAW and a slot that holds for it. 0: found; otherwise ask Python. */
static inline int readings_look(Readings *self, int64_t *raw_ns) {
    const uint64_t *words = self->reader.words;
    if (!words) return CHRONOTICK_NO_DAEMON;
    /* acquire: pairs with the writer's release, so that RAW is read after it. */
    uint64_t sequence =
        __atomic_load_n(words + CHRONOTICK_SEQUENCE_AT / 8, __ATOMIC_ACQUIRE);
    if (sequence == self->sequence && sequence) {
        /* Of this boot and time namespace: what a daemon of another one finds or makes
         * comes under a new sequence. */
        int64_t raw = *raw_ns = chronotick__clock(CLOCK_MONOTONIC_RAW);
        if (raw < self->last && raw >= self->slot.as_of_raw_ns - CHRONOTICK_AHEAD_NS &&
            raw >= self->slot.anchor_raw_ns - CHRONOTICK_AHEAD_NS &&
            (!self->reader.marker || !(self->slot.slot_flags & 1) ||
             __atomic_load_n(self->reader.marker, __ATOMIC_RELAXED) ==
                 self->slot.disruption_marker) &&
            (raw < self->reader.awake_until ||
             !chronotick__has_slept(&self->reader, self->slot.suspend_ns))) {
            if (raw >= self->reader.awake_until)
                self->reader.awake_until = raw + CHRONOTICK_AWAKE_NS;
            return CHRONOTICK_OK;
        }
    }
    self->sequence = 0;
    self->reader.awake_until = 0;
    int code = chronotick__look(&self->reader, &self->slot, raw_ns);
    if (code) return code;
    self->last = chronotick__silent_from(&self->slot);
    if (*raw_ns >= self->last) self->last = self->reader.quiet_until;
    if (self->last > self->slot.void_after_raw_ns)
        self->last = self->slot.void_after_raw_ns;
    /* Cached only if nothing was published meanwhile, so that both belong together. */
    if (__atomic_load_n(words + CHRONOTICK_SEQUENCE_AT / 8, __ATOMIC_RELAXED) == sequence)
        self->sequence = sequence;
    return CHRONOTICK_OK;
}

static PyObject *readings_now(PyObject *self, PyObject *Py_UNUSED(ignored)) {
    int64_t raw_ns, now_ns;
    if (readings_look((Readings *)self, &raw_ns))
        return PyObject_CallMethod(self, "_settled_now", NULL);
    now_ns = chronotick__midpoint(&((Readings *)self)->slot, raw_ns);
    /* The seconds are exact, and the rest is to 1e-16: what is rounded is the sum. */
    return PyFloat_FromDouble(
        (double)(now_ns / 1000000000) + (double)(now_ns % 1000000000) * 1e-9);
}

static PyObject *readings_now_ns(PyObject *self, PyObject *Py_UNUSED(ignored)) {
    int64_t raw_ns;
    if (readings_look((Readings *)self, &raw_ns))
        return PyObject_CallMethod(self, "_settled_now_ns", NULL);
    return PyLong_FromLongLong(
        chronotick__midpoint(&((Readings *)self)->slot, raw_ns));
}

/* One that Python has settled, as ours, so that what works with one reading works with
 * the next. `core` is taken over, and given on if it is not what we can hold. */
static PyObject *interval_of(Readings *self, PyObject *core) {
    State *state = self->state;
    struct chronotick_interval value = {0, 0, 0, 0, 0, 0, 0, 0};
    long long ints[5];
    if (!core || !state || Py_TYPE(core) != (PyTypeObject *)state->core_interval)
        return core;
    for (int i = 0; i < 5; i++) ints[i] = PyLong_AsLongLong(PyTuple_GetItem(core, i));
    double sigma = PyFloat_AsDouble(PyTuple_GetItem(core, 5));
    if (PyErr_Occurred() || ints[2] < 0 || ints[2] > CHRONOTICK_HOLDOVER || ints[3] < 0 ||
        ints[3] > 4 || ints[4] < 0 || ints[4] > UINT16_MAX) {
        PyErr_Clear();
        return core;
    }
    value.earliest_ns = ints[0];
    value.latest_ns = ints[1];
    value.status = (uint8_t)ints[2];
    value.source = (uint8_t)ints[3];
    value.reasons = (uint16_t)ints[4];
    value.variance_ns2 = sigma * sigma; /* whose root is sigma again, to the last bit */
    Interval *made = PyObject_New(Interval, state->interval);
    if (made) {
        made->value = value;
        made->earliest = Py_NewRef(PyTuple_GetItem(core, 0));
        made->latest = Py_NewRef(PyTuple_GetItem(core, 1));
    }
    Py_DECREF(core);
    return (PyObject *)made;
}

static PyObject *readings_interval(
    PyObject *op, PyObject *const *args, Py_ssize_t count, PyObject *names) {
    Readings *self = (Readings *)op;
    int64_t raw_ns;
    Py_ssize_t all = count + (names ? PyTuple_Size(names) : 0);
    PyObject *name = names ? PyTuple_GetItem(names, 0) : NULL;
    if (all == 1 && !(name && PyUnicode_CompareWithASCIIString(name, "coverage")))
        return interval_of(self, PyObject_CallMethod(op, "_covered", "O", *args));
    if (all) return PyErr_Format(PyExc_TypeError, "interval(coverage) and no more");
    if (readings_look(self, &raw_ns))
        return interval_of(self, PyObject_CallMethod(op, "_settled_interval", NULL));
    return interval_make(self->state, &self->slot, raw_ns);
}

static void readings_release(Readings *self) {
    self->reader.words = self->reader.marker = NULL;
    self->sequence = 0;
    if (self->segment.obj) PyBuffer_Release(&self->segment);
    if (self->marker.obj) PyBuffer_Release(&self->marker);
}

static PyObject *readings_arm(
    PyObject *op, PyTypeObject *defining, PyObject *const *args, Py_ssize_t count,
    PyObject *names) {
    Readings *self = (Readings *)op;
    if (count != 3 || names) return PyErr_Format(PyExc_TypeError, "_arm takes three");
    PyObject *segment = args[0], *marker = args[2];
    int64_t quiet_until = PyLong_AsLongLong(args[1]);
    if (quiet_until == -1 && PyErr_Occurred()) return NULL;
    self->state = (State *)PyType_GetModuleState(defining);
    readings_release(self);
    if (segment == Py_None) {
        /* Perhaps at a fork into another time namespace, where the parent's would lend
         * its RAW to ours; reading from nowhere is rare enough to ask anew. */
        self->knows_host = 0;
        Py_RETURN_NONE;
    }
    if (HOLD_SEGMENT(segment, &self->segment, PyBUF_SIMPLE)) return NULL;
    if (marker != Py_None) {
        if (chronotick__hold(
                marker, &self->marker, PyBUF_SIMPLE, 3 * sizeof(uint64_t),
                "a marker's page")) {
            readings_release(self);
            return NULL;
        }
        self->reader.marker = (const uint64_t *)self->marker.buf + 2;
    }
    if (!self->knows_host) chronotick__host(&self->reader);
    self->knows_host = 1;
    self->reader.quiet_until = quiet_until;
    self->reader.awake_until = 0;
    self->reader.possible = 0;
    self->reader.words = (const uint64_t *)self->segment.buf;
    Py_RETURN_NONE;
}

static void readings_dealloc(PyObject *self) {
    PyTypeObject *type = Py_TYPE(self);
    readings_release((Readings *)self);
    ((freefunc)PyType_GetSlot(type, Py_tp_free))(self);
    Py_DECREF(type);
}

static PyMethodDef readings_methods[] = {
    {"now", readings_now, METH_NOARGS,
     "Return the interval's midpoint in Unix seconds, to 240 ns (a float)."},
    {"now_ns", readings_now_ns, METH_NOARGS,
     "Return the interval's midpoint in Unix ns. It is not \"the time\"."},
    {"interval", (PyCFunction)(void (*)(void))readings_interval,
     METH_FASTCALL | METH_KEYWORDS,
     "Return the interval that UTC lies in now; see PythonClock.interval."},
    {"_arm", (PyCFunction)(void (*)(void))readings_arm,
     METH_METHOD | METH_FASTCALL | METH_KEYWORDS,
     "_arm(segment, quiet_until_raw_ns, marker_page): read from here; None: from nowhere."},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot readings_slots[] = {
    {Py_tp_doc, "The quick paths of `chronotick.client.native.NativeClock`."},
    {Py_tp_methods, readings_methods},
    {Py_tp_dealloc, readings_dealloc},
    {0, NULL},
};

static PyType_Spec readings_spec = {
    "chronotick.shm._hot.Readings", sizeof(Readings), 0,
    Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE, readings_slots};

/* ── The protocol, for chronotick.shm.reader and .writer ─────────────────────────── */

static PyObject *copy_slot(PyObject *Py_UNUSED(module), PyObject *segment) {
    struct chronotick_slot slot;
    struct chronotick__origin origin;
    Py_buffer view;
    int torn;
    if (HOLD_SEGMENT(segment, &view, PyBUF_SIMPLE)) return NULL;
    uint64_t sequence =
        chronotick__copy((const uint64_t *)view.buf, &slot, &origin, &torn);
    PyBuffer_Release(&view);
    if (torn) Py_RETURN_NONE;
    return Py_BuildValue(
        "Ky#y#", (unsigned long long)sequence, (const char *)&slot,
        (Py_ssize_t)sizeof slot, (const char *)&origin, (Py_ssize_t)sizeof origin);
}

static PyObject *publish(PyObject *Py_UNUSED(module), PyObject *args) {
    static const struct {
        Py_ssize_t size;
        void (*store)(char *, const char *);
    } kinds[] = {
        {CHRONOTICK_SLOT_SIZE, chronotick__publish_slot},
        {CHRONOTICK_HEADER_AT, chronotick__publish_record},
        {CHRONOTICK_RING_ENTRY_SIZE, chronotick__publish_entry},
    };
    PyObject *segment;
    const char *data;
    Py_ssize_t size;
    Py_buffer view;
    int kind;
    if (!PyArg_ParseTuple(args, "Oiy#:publish", &segment, &kind, &data, &size)) return NULL;
    if (kind < 0 || kind > 2 || size != kinds[kind].size) {
        PyErr_SetString(PyExc_ValueError, "no such part of a segment");
        return NULL;
    }
    if (HOLD_SEGMENT(segment, &view, PyBUF_WRITABLE)) return NULL;
    kinds[kind].store((char *)view.buf, data);
    PyBuffer_Release(&view);
    Py_RETURN_NONE;
}

static PyMethodDef module_methods[] = {
    {"copy_slot", copy_slot, METH_O,
     "copy_slot(segment): the sequence, the live slot's bytes, and those of boot id and "
     "time namespace it was published under; None if torn."},
    {"publish", publish, METH_VARARGS,
     "publish(segment, kind, data): a slot (0), a record (1) or a ring entry (2)."},
    {NULL, NULL, 0, NULL},
};

/* ── The module ──────────────────────────────────────────────────────────────────── */

static int take(PyObject *from, const char *name, int count, PyObject **into) {
    PyObject *type = PyObject_GetAttrString(from, name);
    for (int i = 0; type && i < count; i++)
        if (!(into[i] = PyObject_CallFunction(type, "i", i))) break;
    Py_XDECREF(type);
    return type && into[count - 1] ? 0 : -1;
}

static int module_exec(PyObject *module) {
    State *state = (State *)PyModule_GetState(module);
    PyObject *names = PyImport_ImportModule("chronotick.core.status");
    PyObject *reading = PyImport_ImportModule("chronotick.core.reading");
    int failed = !names || !reading || take(names, "Status", 4, state->statuses) ||
                 take(names, "Source", 5, state->sources) ||
                 !(state->reason = PyObject_GetAttrString(names, "Reason")) ||
                 !(state->core_interval = PyObject_GetAttrString(reading, "Interval"));
    Py_XDECREF(names);
    Py_XDECREF(reading);
    if (failed) return -1;
    state->interval =
        (PyTypeObject *)PyType_FromModuleAndSpec(module, &interval_spec, NULL);
    if (!state->interval || PyModule_AddType(module, state->interval)) return -1;
    PyType_Spec *others[] = {&readings_spec, &chronotick__heart_spec};
    for (int i = 0; i < 2 && !failed; i++) {
        PyObject *type = PyType_FromModuleAndSpec(module, others[i], NULL);
        failed = !type || PyModule_AddType(module, (PyTypeObject *)type);
        Py_XDECREF(type);
    }
    return failed ? -1 : 0;
}

static int module_traverse(PyObject *module, visitproc visit, void *arg) {
    State *state = (State *)PyModule_GetState(module);
    Py_VISIT(state->interval);
    Py_VISIT(state->core_interval);
    Py_VISIT(state->reason);
    return 0;
}

static int module_clear(PyObject *module) {
    State *state = (State *)PyModule_GetState(module);
    for (int i = 0; i < 4; i++) Py_CLEAR(state->statuses[i]);
    for (int i = 0; i < 5; i++) Py_CLEAR(state->sources[i]);
    Py_CLEAR(state->interval);
    Py_CLEAR(state->core_interval);
    Py_CLEAR(state->reason);
    return 0;
}

static void module_free(void *module) { module_clear((PyObject *)module); }

/* The second slot is Py_mod_multiple_interpreters: each interpreter with a GIL of its
 * own may load this. Python 3.11 does not know it, so it is left out there. */
static PyModuleDef_Slot slots_311[] = {{Py_mod_exec, module_exec}, {0, NULL}};
static PyModuleDef_Slot slots_312[] = {
    {Py_mod_exec, module_exec}, {3, (void *)2}, {0, NULL}};

static PyModuleDef definition = {
    PyModuleDef_HEAD_INIT, "_hot", "Quick paths; see chronotick.shm.", sizeof(State),
    module_methods, slots_311, module_traverse, module_clear, module_free};

PyMODINIT_FUNC PyInit__hot(void) {
    if (Py_Version >= 0x030C0000) definition.m_slots = slots_312;
    return PyModuleDef_Init(&definition);
}
