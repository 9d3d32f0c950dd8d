/* `_hot.Heart`: the thread of heart.h as a Python object; decides nothing else.
 *
 * The GIL is released while the heart's lock is waited for: its thread may have been
 * preempted with it. The thread itself never takes the GIL, so that joining it with the
 * GIL held, as a deallocation does, cannot deadlock.
 */
#ifndef Py_LIMITED_API
#define Py_LIMITED_API 0x030B0000
#endif
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "heart.h"

/* Holds the memory of `from`, where it is no shorter than what is read or stored there:
 * behind it lies somebody else's. 0; or -1 with an exception, and nothing is held. */
int chronotick__hold(
    PyObject *from, Py_buffer *into, int flags, Py_ssize_t least, const char *what) {
    if (PyObject_GetBuffer(from, into, flags)) return -1;
    if (into->len >= least) return 0;
    PyBuffer_Release(into);
    PyErr_Format(PyExc_ValueError, "a buffer shorter than %s", what);
    return -1;
}

typedef struct {
    PyObject_HEAD
    Py_buffer segment; /* keeps it mapped */
    int is_running;    /* under the GIL: started, and nobody has begun to stop it */
    struct heart heart;
} Heart;

#define HEART(self) (&((Heart *)(self))->heart)

static PyObject *heart_new(PyTypeObject *type, PyObject *args, PyObject *named) {
    PyObject *segment;
    if (named && PyDict_Size(named))
        return PyErr_Format(PyExc_TypeError, "Heart(segment) takes no names");
    if (!PyArg_ParseTuple(args, "O:Heart", &segment)) return NULL;
    Heart *self = (Heart *)((allocfunc)PyType_GetSlot(type, Py_tp_alloc))(type, 0);
    if (!self) return NULL;
    if (!chronotick__hold(
            segment, &self->segment, PyBUF_WRITABLE, CHRONOTICK_SEGMENT_SIZE,
            "a segment")) {
        if (!(errno = heart_start(&self->heart, (char *)self->segment.buf))) {
            self->is_running = 1;
            return (PyObject *)self;
        }
        PyErr_SetFromErrno(PyExc_OSError);
        PyBuffer_Release(&self->segment);
    }
    Py_DECREF(self);
    return NULL;
}

static PyObject *heart_object_publish(PyObject *self, PyObject *args) {
    const char *slot;
    Py_ssize_t size;
    long long period_ns, lease_ns, last_sync_raw_ns;
    uint64_t sequence;
    if (!PyArg_ParseTuple(
            args, "y#LLL:publish", &slot, &size, &period_ns, &lease_ns, &last_sync_raw_ns)) {
        if (PyErr_ExceptionMatches(PyExc_OverflowError))
            PyErr_SetString(PyExc_ValueError, "a time that is no 64-bit number");
        return NULL;
    }
    if (size != CHRONOTICK_SLOT_SIZE) {
        PyErr_SetString(PyExc_ValueError, "no slot of a segment");
        return NULL;
    }
    /* As long as readers are patient, or longer, a lease would hide that the loop hangs,
     * and a period of it is none. Without a lease no period is used. */
    if (period_ns < HEART_LEAST_PERIOD_NS || lease_ns < 0 ||
        lease_ns >= CHRONOTICK_SILENCE_NS ||
        (lease_ns && period_ns >= CHRONOTICK_SILENCE_NS)) {
        PyErr_SetString(PyExc_ValueError, "no such period or lease");
        return NULL;
    }
    Py_BEGIN_ALLOW_THREADS
    sequence =
        heart_publish(HEART(self), slot, period_ns, lease_ns, last_sync_raw_ns);
    Py_END_ALLOW_THREADS
    if (sequence) return PyLong_FromUnsignedLongLong(sequence);
    PyErr_SetString(PyExc_RuntimeError, "a heart that was stopped, or was left by fork");
    return NULL;
}

static PyObject *heart_object_is_beating(PyObject *self, PyObject *Py_UNUSED(ignored)) {
    int is_beating;
    Py_BEGIN_ALLOW_THREADS
    is_beating = heart_is_beating(HEART(self));
    Py_END_ALLOW_THREADS
    return PyBool_FromLong(is_beating);
}

/* Once, and the mapping is let go only after the thread's end. */
static PyObject *heart_object_stop(PyObject *self, PyObject *Py_UNUSED(ignored)) {
    if (!((Heart *)self)->is_running) Py_RETURN_NONE;
    ((Heart *)self)->is_running = 0;
    Py_BEGIN_ALLOW_THREADS
    heart_stop(HEART(self));
    Py_END_ALLOW_THREADS
    PyBuffer_Release(&((Heart *)self)->segment);
    Py_RETURN_NONE;
}

static void heart_object_dealloc(PyObject *self) {
    PyTypeObject *type = Py_TYPE(self);
    if (((Heart *)self)->is_running) {
        heart_stop(HEART(self));
        PyBuffer_Release(&((Heart *)self)->segment);
    }
    ((freefunc)PyType_GetSlot(type, Py_tp_free))(self);
    Py_DECREF(type);
}

static PyMethodDef heart_methods[] = {
    {"publish", heart_object_publish, METH_VARARGS,
     "publish(slot, period_ns, lease_ns, last_sync_raw_ns): store a slot, repeat it every "
     "period until the lease is over; return its sequence."},
    {"is_beating", heart_object_is_beating, METH_NOARGS,
     "is_beating(): whether the lease still runs; nothing is repeated afterwards."},
    {"stop", heart_object_stop, METH_NOARGS,
     "stop(): end the thread; nothing is stored any more. Idempotent."},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot heart_slots[] = {
    {Py_tp_doc, "Heart(segment): a thread that repeats what is published, see heart.h."},
    {Py_tp_new, heart_new},
    {Py_tp_methods, heart_methods},
    {Py_tp_dealloc, heart_object_dealloc},
    {0, NULL},
};

PyType_Spec chronotick__heart_spec = {
    "chronotick.shm._hot.Heart", sizeof(Heart), 0, Py_TPFLAGS_DEFAULT, heart_slots};
