/* How a line becomes an event. */
#include "engine/event.h"

#include <stddef.h>

static PyTypeObject *event_type;
static PyObject *templates[256]; /* members of the enum Template, by value */

enum { EVENT_FIELDS = 9 };

static uint32_t remaining_of(const rb_message *line)
{
    switch (line->header.template_id) {
    case RB_TEMPLATE_NEW_ORDER:
    case RB_TEMPLATE_REPLACE:
        return line->new_order.quantity;
    case RB_TEMPLATE_REJECTED:
        return 0;
    default:
        return line->executed.remaining;
    }
}

static uint16_t reason_of(const rb_message *line)
{
    switch (line->header.template_id) {
    case RB_TEMPLATE_CANCEL:
    case RB_TEMPLATE_CANCELED:
        return line->canceled.reason;
    case RB_TEMPLATE_REJECTED:
        return line->rejected.reason;
    default:
        return 0;
    }
}

/* What is read through one line's type is at the same place in all of them. */
#define SAME_PLACE(one, other, field)                                                              \
    _Static_assert(offsetof(rb_message, one.field) == offsetof(rb_message, other.field), #field)
#define SAME_ORDER(other)                                                                          \
    SAME_PLACE(new_order, other, client_order_id);                                                 \
    SAME_PLACE(new_order, other, side);                                                            \
    SAME_PLACE(new_order, other, price_ticks);                                                     \
    SAME_PLACE(new_order, other, quantity);                                                        \
    SAME_PLACE(new_order, other, locate)
SAME_ORDER(cancel);
SAME_ORDER(replace);
SAME_ORDER(executed);
SAME_ORDER(canceled);
SAME_ORDER(replenished);
SAME_ORDER(rejected);
SAME_PLACE(executed, cancel, remaining);
SAME_PLACE(executed, canceled, remaining);
SAME_PLACE(executed, replenished, remaining);
SAME_PLACE(canceled, cancel, reason);

/* Numbers and members of an enum lead nowhere: the collector of cycles need not look at an event,
 * which for a program that keeps its events is most of what they cost. */
static PyObject *event_of(const rb_message *line)
{
    PyObject *event = event_type->tp_alloc(event_type, EVENT_FIELDS);
    if (event == NULL) {
        return NULL;
    }
    PyObject_GC_UnTrack(event);
#if PY_VERSION_HEX >= 0x030e0000
    ((PyTupleObject *)event)->ob_hash = -1; /* Not yet known: tuples keep theirs from 3.14 on. */
#endif
    const rb_new_order *order = &line->new_order;
    uint32_t remaining = remaining_of(line);
    PyObject *template = templates[line->header.template_id];
    PyObject *quantity = PyLong_FromUnsignedLong(order->quantity);
    PyObject *fields[EVENT_FIELDS] = {
        Py_NewRef(template != NULL ? template : Py_None),
        PyLong_FromUnsignedLong(order->client_order_id),
        PyLong_FromLong(order->side),
        PyLong_FromLong(order->price_ticks),
        quantity,
        remaining == order->quantity ? Py_XNewRef(quantity) : PyLong_FromUnsignedLong(remaining),
        PyLong_FromUnsignedLong(order->locate),
        PyLong_FromLong(reason_of(line)),
        PyLong_FromLong(line->header.topic),
    };
    int whole = 1;
    for (Py_ssize_t n = 0; n < EVENT_FIELDS; n++) {
        whole &= fields[n] != NULL;
        PyTuple_SET_ITEM(event, n, fields[n]);
    }
    if (!whole) {
        Py_CLEAR(event);
    }
    return event;
}

static int is_event(const rb_message *line)
{
    return line->header.template_id != RB_TEMPLATE_ORDER_TERMS;
}

PyObject *eng_events(const rb_message *lines, int64_t count)
{
    Py_ssize_t size = 0;
    for (int64_t n = 0; n < count; n++) {
        size += is_event(&lines[n]);
    }
    PyObject *events = PyTuple_New(size);
    Py_ssize_t at = 0;
    for (int64_t n = 0; n < count && events != NULL; n++) {
        if (!is_event(&lines[n])) {
            continue;
        }
        PyObject *event = event_of(&lines[n]);
        if (event == NULL) {
            Py_CLEAR(events);
        } else {
            PyTuple_SET_ITEM(events, at++, event);
        }
    }
    if (events != NULL) {
        PyObject_GC_UnTrack(events);
    }
    return events;
}

/* --- what is taken from Python ---------------------------------------------------------------- */

/* An attribute of a Python module. */
static PyObject *attribute(const char *module_name, const char *name)
{
    PyObject *from = PyImport_ImportModule(module_name);
    PyObject *found = from == NULL ? NULL : PyObject_GetAttrString(from, name);
    Py_XDECREF(from);
    return found;
}

/* The type of events: a tuple and nothing else, of as many fields as are written. */
static int take_event_type(void)
{
    PyObject *found = attribute("engine.event", "Event");
    PyObject *fields = found == NULL ? NULL : PyObject_GetAttrString(found, "_fields");
    Py_ssize_t count = fields == NULL ? -1 : PyObject_Size(fields);
    Py_XDECREF(fields);
    if (count != EVENT_FIELDS || !PyType_Check(found) ||
        !PyType_IsSubtype((PyTypeObject *)found, &PyTuple_Type) ||
        ((PyTypeObject *)found)->tp_basicsize != PyTuple_Type.tp_basicsize) {
        Py_XDECREF(found);
        if (PyErr_Occurred() == NULL) {
            PyErr_SetString(PyExc_SystemError,
                            "engine.event and engine._calls of different builds");
        }
        return -1;
    }
    event_type = (PyTypeObject *)found;
    return 0;
}

static int take_templates(void)
{
    PyObject *kind = attribute("ringbus.messages", "Template");
    PyObject *members = kind == NULL ? NULL : PySequence_List(kind);
    Py_XDECREF(kind);
    if (members == NULL) {
        return -1;
    }
    for (Py_ssize_t n = 0; n < PyList_GET_SIZE(members) && PyErr_Occurred() == NULL; n++) {
        PyObject *member = PyList_GET_ITEM(members, n);
        long value = PyLong_AsLong(member);
        if (value >= 0 && value < 256) {
            templates[value] = Py_NewRef(member);
        }
    }
    Py_DECREF(members);
    return PyErr_Occurred() == NULL ? 0 : -1;
}

int eng_event_begin(void)
{
    return take_event_type() == 0 ? take_templates() : -1;
}
