/*
 * Single: one message at a time from Python, as a CPython extension module.
 *
 * By cffi a message costs a Python function, an array to carry it and two calls of 100 ns; here it
 * is one call with bytes (README.md of this directory has the figures). Nothing of the rings is
 * here: every message goes through rb_records_* or rb_lane_*, on the same handles that the Python
 * classes use, of which these types are the bases.
 *
 * What succeeds at once is done here. Everything else (no room, nothing there for longer than a
 * short look, a wrong size, a closed handle, a gap's exception) is the Python class's: it is called
 * as `_send_later` or `_receive_later` with the same arguments, and decides.
 *
 * Who: one thread a handle, as the class says. The interpreter's lock is held throughout, LOOKS
 * bounds for how long: waiting that is longer is done in Python, where signals are seen and the
 * lock is given up. Memory: each call takes the mapping's buffer, which an unmapped one refuses and
 * which cannot be unmapped while it is taken; the C handles are buffers as well, taken from
 * `attach` to `detach`. Crash: as the rings. In a forked child handles are detached, see
 * attachment.py.
 */
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <stddef.h>
#include <structmember.h>

#include "ringbus/idle.h"
#include "ringbus/lane.h"
#include "ringbus/multicast.h"

/* A look for a record takes 2 to 3 ns: 4096 of them are about as long as a waiting core spins
 * (SPIN_DEFAULT_NS of idle.c). Other threads of the interpreter wait so long at most, a five
 * hundredth of what they do anyway. */
enum { LOOKS = 4096 };

typedef struct {
    PyObject_HEAD PyObject *mapping; /* its buffer is the shared memory; NULL: not attached */
    Py_buffer handle;                /* an rb_writer, rb_reader or rb_lane */
    Py_buffer idle;                  /* an rb_idle, or none: obj is NULL */
    size_t payload_bytes;
    unsigned long long moved; /* records published or received, batches included */
    unsigned long long first; /* receiver: sequence of the first record of the last batch */
    char gating;              /* receiver: the publisher waits for it */
    char pending;             /* receiver: gating, and not yet done with the last batch */
} single;

/* Who sent last in this process: it will answer what a receiver waits for. The line that it will
 * write is asked for meanwhile, or the answer waits for it: 0.25 us there and back instead of 0.30
 * near, 0.69 instead of 0.76 far (AMD Zen 5, 2026-11). A hint: the interpreter's lock guards both.
 */
static single *last_publisher;
static single *last_producer;

/* --- attached or not ------------------------------------------------------------------------ */

static void let_go(single *it)
{
    last_publisher = last_publisher == it ? NULL : last_publisher;
    last_producer = last_producer == it ? NULL : last_producer;
    Py_CLEAR(it->mapping);
    PyBuffer_Release(&it->handle);
    PyBuffer_Release(&it->idle);
}

static void single_dealloc(PyObject *self)
{
    let_go((single *)self);
    Py_TYPE(self)->tp_free(self);
}

static int take_struct(PyObject *from, Py_buffer *out, size_t bytes)
{
    if (PyObject_GetBuffer(from, out, PyBUF_WRITABLE) != 0) {
        return -1;
    }
    if (out->len != (Py_ssize_t)bytes) {
        PyBuffer_Release(out);
        PyErr_SetString(PyExc_SystemError, "ringbus extension modules of different builds");
        return -1;
    }
    return 0;
}

/* attach(mapping, handle[, idle, payload_bytes]): `idle` may be None. */
static PyObject *attach(single *it, PyObject *arguments, size_t handle_bytes, size_t payload_bytes)
{
    PyObject *mapping = NULL;
    PyObject *handle = NULL;
    PyObject *idle = Py_None;
    Py_ssize_t payload = (Py_ssize_t)payload_bytes;
    if (!PyArg_ParseTuple(arguments, "OO|On", &mapping, &handle, &idle, &payload)) {
        return NULL;
    }
    let_go(it);
    if (take_struct(handle, &it->handle, handle_bytes) != 0 ||
        (idle != Py_None && take_struct(idle, &it->idle, sizeof(rb_idle)) != 0)) {
        let_go(it);
        return NULL;
    }
    Py_INCREF(mapping);
    it->mapping = mapping;
    it->payload_bytes = (size_t)payload;
    Py_RETURN_NONE;
}

static PyObject *sender_attach(PyObject *self, PyObject *arguments)
{
    return attach((single *)self, arguments, sizeof(rb_writer), 0);
}

static PyObject *receiver_attach(PyObject *self, PyObject *arguments)
{
    return attach((single *)self, arguments, sizeof(rb_reader), 0);
}

static PyObject *lane_attach(PyObject *self, PyObject *arguments)
{
    return attach((single *)self, arguments, sizeof(rb_lane), sizeof(rb_message));
}

static PyObject *single_detach(PyObject *self, PyObject *unused)
{
    (void)unused;
    let_go((single *)self);
    Py_RETURN_NONE;
}

/* Takes the shared memory for one call; 0: it is detached or was unmapped, and Python says so. The
 * caller runs no Python code until it gives it back. */
static int hold(const single *it, Py_buffer *held)
{
    if (it->mapping == NULL) {
        return 0;
    }
    if (PyObject_GetBuffer(it->mapping, held, PyBUF_WRITABLE) != 0) {
        PyErr_Clear();
        return 0;
    }
    return 1;
}

/* --- arguments ------------------------------------------------------------------------------ */

/* What a call was given: `count` arguments before the timeout are needed. */
typedef enum { STRANGE, AT_ONCE, PATIENT } patience;

/* STRANGE: the Python method says what is wrong, or knows better. */
static patience patience_of(PyObject *const *arguments, Py_ssize_t count, PyObject *names,
                            Py_ssize_t needed)
{
    Py_ssize_t named = names == NULL ? 0 : PyTuple_GET_SIZE(names);
    if (count < needed || count + named > needed + 1) {
        return STRANGE;
    }
    if (count + named == needed) {
        return PATIENT;
    }
    if (named == 1 &&
        PyUnicode_CompareWithASCIIString(PyTuple_GET_ITEM(names, 0), "timeout") != 0) {
        return STRANGE;
    }
    PyObject *timeout = arguments[needed];
    if (timeout == Py_None) {
        return PATIENT;
    }
    if (PyFloat_Check(timeout)) {
        return PyFloat_AS_DOUBLE(timeout) > 0 ? PATIENT : AT_ONCE;
    }
    if (!PyLong_CheckExact(timeout)) {
        return STRANGE;
    }
    return PyObject_IsTrue(timeout) ? PATIENT : AT_ONCE;
}

/* The Python method `name`, with the same arguments. */
static PyObject *later(PyObject *self, const char *name, PyObject *const *arguments,
                       Py_ssize_t count, PyObject *names)
{
    PyObject *method = PyObject_GetAttrString(self, name);
    if (method == NULL) {
        return NULL;
    }
    PyObject *result = PyObject_Vectorcall(method, arguments, (size_t)count, names);
    Py_DECREF(method);
    return result;
}

/* --- ring ----------------------------------------------------------------------------------- */

PyDoc_STRVAR(
    sender_send_doc,
    "send($self, /, data, timeout=0.0)\n--\n\n"
    "Publish one record, given as its bytes.\n\n"
    "Args: data: bytes-like, exactly a record of the ring's dtype; timeout: seconds to wait "
    "for\ngating subscribers, None for ever.\n"
    "Returns: whether it fitted in that time.\n"
    "Raises: UsageError: another size, or the publisher is closed.\n"
    "Thread: the publisher's. Source: rb_records_offer, without cffi.");

static int send_now(single *it, PyObject *what)
{
    Py_buffer data;
    Py_buffer held;
    int sent = 0;
    if (PyObject_GetBuffer(what, &data, PyBUF_SIMPLE) != 0) {
        PyErr_Clear();
        return 0;
    }
    /* Taking the buffer may have run Python code: only now the handle is looked at. */
    if ((size_t)data.len == it->payload_bytes && hold(it, &held)) {
        sent = rb_records_offer(it->handle.buf, data.buf, it->payload_bytes, 1) == 1;
        if (sent) {
            it->moved++;
            last_publisher = it;
            rb_idle_ring(it->idle.buf, 0, 1);
        }
        PyBuffer_Release(&held);
    }
    PyBuffer_Release(&data);
    return sent;
}

static PyObject *sender_send(PyObject *self, PyObject *const *arguments, Py_ssize_t count,
                             PyObject *names)
{
    if (patience_of(arguments, count, names, 1) != STRANGE &&
        send_now((single *)self, arguments[0])) {
        Py_RETURN_TRUE;
    }
    return later(self, "_send_later", arguments, count, names);
}

PyDoc_STRVAR(receiver_receive_doc,
             "receive($self, /, timeout=None)\n--\n\n"
             "Wait for the next record and return its bytes.\n\n"
             "Args: timeout: seconds, None for ever; 0 does not wait.\n"
             "Returns: its bytes, or None when the time was over.\n"
             "Raises: Lapped: as poll; UsageError: the subscriber is closed.\n"
             "Thread: the subscriber's. Source: rb_records_poll, without cffi.");

PyDoc_STRVAR(receiver_receive_into_doc,
             "receive_into($self, buffer, /, timeout=None)\n--\n\n"
             "Wait for the next record and copy it into `buffer`, a numpy record for example.\n\n"
             "Args: buffer: writable, contiguous, exactly a record's size; timeout: as receive.\n"
             "Returns: False when the time was over.\n"
             "Raises: as receive; UsageError: another size.\n"
             "Thread: the subscriber's. Source: rb_records_poll, without cffi.");

/* 1: `out` holds the next record; 0: there is none yet; RB_UNKNOWN: the handle cannot be used;
 * RB_LAPPED. A gating reader is done with the last batch when it asks for the next record, so that
 * its successor, should it die, begins with what it had not finished. */
static int64_t receive_now(single *it, void *out, patience wait)
{
    Py_buffer held;
    if (!hold(it, &held)) {
        return RB_UNKNOWN;
    }
    rb_reader *reader = it->handle.buf;
    uint64_t wanted = rb_multicast_wanted(reader);
    if (it->pending) {
        it->pending = 0;
        rb_multicast_release(reader, wanted - 1);
        rb_idle_ring(it->idle.buf, 1, 0);
    }
    int64_t got = 0;
    int looks = wait == PATIENT ? LOOKS : 1;
    for (int n = 0; n < looks && got == 0; n++) {
        got = rb_records_poll(reader, out, it->payload_bytes, 1);
        if (got == 0 && last_publisher != NULL) {
            rb_multicast_warm(last_publisher->handle.buf);
        }
    }
    if (got == 1) {
        it->first = wanted;
        it->moved++;
        it->pending = it->gating;
    }
    PyBuffer_Release(&held);
    return got;
}

/* The rest of a call that got no record and may not return yet. */
static PyObject *receive_later(PyObject *self, const char *method, int64_t got,
                               PyObject *const *arguments, Py_ssize_t count, PyObject *names)
{
    if (got == RB_LAPPED) {
        PyObject *counted = PyObject_CallMethod(self, "_lapped", "i", RB_LAPPED);
        if (counted == NULL) {
            return NULL;
        }
        Py_DECREF(counted);
    }
    return later(self, method, arguments, count, names);
}

static PyObject *receiver_receive(PyObject *self, PyObject *const *arguments, Py_ssize_t count,
                                  PyObject *names)
{
    single *it = (single *)self;
    patience wait = patience_of(arguments, count, names, 0);
    int64_t got = RB_UNKNOWN;
    if (wait != STRANGE) {
        PyObject *out = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)it->payload_bytes);
        if (out == NULL) {
            return NULL;
        }
        got = receive_now(it, PyBytes_AS_STRING(out), wait);
        if (got == 1) {
            return out;
        }
        Py_DECREF(out);
        if (got == 0 && wait == AT_ONCE) {
            Py_RETURN_NONE;
        }
    }
    return receive_later(self, "_receive_later", got, arguments, count, names);
}

static PyObject *receiver_receive_into(PyObject *self, PyObject *const *arguments, Py_ssize_t count,
                                       PyObject *names)
{
    single *it = (single *)self;
    patience wait = patience_of(arguments, count, names, 1);
    int64_t got = RB_UNKNOWN;
    if (wait != STRANGE) {
        Py_buffer out;
        if (PyObject_GetBuffer(arguments[0], &out, PyBUF_WRITABLE) != 0) {
            PyErr_Clear();
        } else {
            /* As in send_now: only now the handle is looked at. */
            if ((size_t)out.len == it->payload_bytes) {
                got = receive_now(it, out.buf, wait);
            }
            PyBuffer_Release(&out);
        }
        if (got == 1 || (got == 0 && wait == AT_ONCE)) {
            return PyBool_FromLong(got == 1);
        }
    }
    return receive_later(self, "_receive_into_later", got, arguments, count, names);
}

/* --- lane ----------------------------------------------------------------------------------- */

PyDoc_STRVAR(lane_send_doc,
             "send($self, data, /)\n--\n\n"
             "Copy one message in, given as its 64 bytes; the first 8 become its position.\n\n"
             "Returns: False when it does not fit now: try again when the consumer has moved.\n"
             "Raises: UsageError: these are not 64 bytes, or the memory was unmapped.\n"
             "Thread: the producer's. Source: rb_lane_offer, without cffi.");

PyDoc_STRVAR(lane_receive_doc, "receive($self, /)\n--\n\n"
                               "Copy the oldest message out and release it.\n\n"
                               "Returns: its 64 bytes, or None: there is none.\n"
                               "Raises: UsageError: the memory was unmapped.\n"
                               "Thread: the consumer's. Source: rb_lane_take, without cffi.");

static PyObject *lane_send(PyObject *self, PyObject *what)
{
    single *it = (single *)self;
    Py_buffer data;
    Py_buffer held;
    int64_t sent = RB_USAGE;
    if (PyObject_GetBuffer(what, &data, PyBUF_SIMPLE) == 0) {
        if ((size_t)data.len == it->payload_bytes && hold(it, &held)) {
            rb_message message;
            memcpy(&message, data.buf, sizeof message);
            sent = rb_lane_offer(it->handle.buf, &message, 1);
            last_producer = it;
            PyBuffer_Release(&held);
        }
        PyBuffer_Release(&data);
    } else {
        PyErr_Clear();
    }
    return sent >= 0 ? PyBool_FromLong(sent == 1) : later(self, "_send_later", &what, 1, NULL);
}

static PyObject *lane_receive(PyObject *self, PyObject *unused)
{
    (void)unused;
    single *it = (single *)self;
    Py_buffer held;
    if (!hold(it, &held)) {
        return later(self, "_receive_later", NULL, 0, NULL);
    }
    rb_message message;
    int64_t got = rb_lane_take(it->handle.buf, &message, 1);
    PyBuffer_Release(&held);
    if (got != 1) {
        if (last_producer != NULL) {
            rb_lane_warm(last_producer->handle.buf);
        }
        Py_RETURN_NONE;
    }
    return PyBytes_FromStringAndSize((const char *)&message, sizeof message);
}

/* --- the module ----------------------------------------------------------------------------- */

/* The table of methods knows one kind of function; the flags beside each say what it is. */
#define FAST(function) (PyCFunction)(void (*)(void))(function)

static PyMethodDef sender_methods[] = {
    {"send", FAST(sender_send), METH_FASTCALL | METH_KEYWORDS, sender_send_doc},
    {"_attach", sender_attach, METH_VARARGS, NULL},
    {"_detach", single_detach, METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL},
};

static PyMethodDef receiver_methods[] = {
    {"receive", FAST(receiver_receive), METH_FASTCALL | METH_KEYWORDS, receiver_receive_doc},
    {"receive_into", FAST(receiver_receive_into), METH_FASTCALL | METH_KEYWORDS,
     receiver_receive_into_doc},
    {"_attach", receiver_attach, METH_VARARGS, NULL},
    {"_detach", single_detach, METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL},
};

static PyMethodDef lane_methods[] = {
    {"send", lane_send, METH_O, lane_send_doc},
    {"receive", lane_receive, METH_NOARGS, lane_receive_doc},
    {"_attach", lane_attach, METH_VARARGS, NULL},
    {NULL, NULL, 0, NULL},
};

static PyMemberDef sender_members[] = {
    {"_published", T_ULONGLONG, offsetof(single, moved), 0, NULL},
    {NULL, 0, 0, 0, NULL},
};

static PyMemberDef receiver_members[] = {
    {"_received", T_ULONGLONG, offsetof(single, moved), 0, NULL},
    {"_first", T_ULONGLONG, offsetof(single, first), 0, NULL},
    {"_gating", T_BOOL, offsetof(single, gating), 0, NULL},
    {"_pending", T_BOOL, offsetof(single, pending), 0, NULL},
    {NULL, 0, 0, 0, NULL},
};

/* Bases only: what they leave to Python is in the classes that are made of them. */
static PyTypeObject sender_type = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "ringbus._single.Sender",
    .tp_basicsize = sizeof(single),
    .tp_dealloc = single_dealloc,
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE,
    .tp_doc = "Sends one record at a time: the base of Publisher.",
    .tp_methods = sender_methods,
    .tp_members = sender_members,
    .tp_new = PyType_GenericNew,
};

static PyTypeObject receiver_type = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "ringbus._single.Receiver",
    .tp_basicsize = sizeof(single),
    .tp_dealloc = single_dealloc,
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE,
    .tp_doc = "Receives one record at a time: the base of Subscriber.",
    .tp_methods = receiver_methods,
    .tp_members = receiver_members,
    .tp_new = PyType_GenericNew,
};

static PyTypeObject lane_type = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "ringbus._single.LaneEnd",
    .tp_basicsize = sizeof(single),
    .tp_dealloc = single_dealloc,
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE,
    .tp_doc = "Sends and takes one message at a time: the base of Lane.",
    .tp_methods = lane_methods,
    .tp_new = PyType_GenericNew,
};

static struct PyModuleDef module = {
    PyModuleDef_HEAD_INIT,
    .m_name = "ringbus._single",
    .m_doc = "One message at a time; see ringbus/single.c.",
    .m_size = -1,
};

PyMODINIT_FUNC PyInit__single(void);

PyMODINIT_FUNC PyInit__single(void)
{
    PyObject *made = PyModule_Create(&module);
    if (made == NULL) {
        return NULL;
    }
    if (PyModule_AddType(made, &sender_type) != 0 || PyModule_AddType(made, &receiver_type) != 0 ||
        PyModule_AddType(made, &lane_type) != 0) {
        Py_DECREF(made);
        return NULL;
    }
    return made;
}
