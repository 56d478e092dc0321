/*
 * Calls: one message a call from Python, as a CPython extension module.
 *
 * In an array and through cffi a message costs the array that carries it, one for the answer and
 * the call; here it is one call with numbers, and the answer is a tuple of named tuples
 * (engine/event.py). Small arrays go this way too, as bytes. Nothing of the book is here: every
 * message goes through eng_book_apply_batch, on the same handle that the Python class uses, of
 * which the type `Calls` is the base.
 *
 * A call has three parts, in this order. Arguments become the lines of a proposal; that may run
 * Python code (__index__) and fails without a trace. The book answers into memory of this call,
 * however long the answer is; no Python object is made meanwhile, so that nobody can come between
 * two parts of an answer. Then the lines become events.
 *
 * What a client may do wrong (no such order, quantity 0, side 3) is answered by an event, as in a
 * batch. What has no place in a message (too large for its field, no whole number) is an exception,
 * and the book has not seen it.
 *
 * Who: the book's thread. The interpreter's lock is held throughout: most answers take less than
 * giving it up and taking it again. Memory: the object keeps the cffi handle, `_detach` forgets it.
 */
#include <string.h>

#include "engine/arguments.h"
#include "engine/book.h"
#include "engine/event.h"

typedef struct {
    PyObject_HEAD PyObject *handle; /* keeps the book alive; NULL: not attached */
    eng_book *book;
} calls;

/* --- attached or not ------------------------------------------------------------------------ */

static void let_go(calls *it)
{
    it->book = NULL;
    Py_CLEAR(it->handle);
}

static void calls_dealloc(PyObject *self)
{
    let_go((calls *)self);
    Py_TYPE(self)->tp_free(self);
}

/* _attach(handle, address): the cffi handle and where the book is that it owns. */
static PyObject *calls_attach(PyObject *self, PyObject *arguments)
{
    calls *it = (calls *)self;
    PyObject *handle = NULL;
    unsigned long long address = 0;
    if (!PyArg_ParseTuple(arguments, "OK", &handle, &address)) {
        return NULL;
    }
    let_go(it);
    Py_INCREF(handle);
    it->handle = handle;
    it->book = (eng_book *)(uintptr_t)address;
    Py_RETURN_NONE;
}

static PyObject *calls_detach(PyObject *self, PyObject *unused)
{
    (void)unused;
    let_go((calls *)self);
    Py_RETURN_NONE;
}

/* --- answers -------------------------------------------------------------------------------- */

/* Lines of an answer for which no memory is asked for. */
enum { FEW = 64 };
_Static_assert(FEW >= ENG_GROUP_LINES_MAX, "room for any message");

typedef struct {
    rb_message few[FEW];
    rb_message *lines; /* few, or memory that is the answer's own */
    int64_t count;
    int64_t room;
} answer;

static void answer_done(answer *it)
{
    if (it->lines != it->few) {
        PyMem_RawFree(it->lines);
    }
}

/* Twice the room; 0: there is no memory. */
static int grow(answer *it)
{
    size_t bytes = (size_t)it->room * sizeof(rb_message);
    rb_message *lines = PyMem_RawRealloc(it->lines == it->few ? NULL : it->lines, 2 * bytes);
    if (lines == NULL) {
        return 0;
    }
    if (it->lines == it->few) {
        memcpy(lines, it->few, bytes);
    }
    it->lines = lines;
    it->room *= 2;
    return 1;
}

/* All of the book's answer to some lines. RB_OK; RB_SYSTEM: it was said, but there was no memory to
 * keep it; RB_USAGE; RB_CORRUPT. */
static int32_t ask(eng_book *book, const rb_message *lines, int64_t count, answer *out)
{
    int64_t used = 0;
    int64_t got = 0;
    int lost = 0;
    out->lines = out->few;
    out->room = FEW;
    out->count = 0;
    int32_t status = eng_book_apply_batch(book, lines, count, out->lines, out->room, &used, &got);
    while (status == RB_FULL) {
        lines += used;
        count -= used;
        out->count += got;
        /* The book has to say all of it, whether there is room to keep it or not. */
        if (lost || (out->room - out->count < (int64_t)ENG_GROUP_LINES_MAX && !grow(out))) {
            lost = 1;
            out->count = 0;
        }
        status = eng_book_apply_batch(book, lines, count, &out->lines[out->count],
                                      out->room - out->count, &used, &got);
    }
    out->count += got;
    return status == RB_OK && lost ? RB_SYSTEM : status;
}

/* --- the methods ---------------------------------------------------------------------------- */

/* What this call cannot do is said by the Python class. */
static PyObject *failed(PyObject *self, int32_t status)
{
    if (status == RB_SYSTEM) {
        return PyErr_NoMemory();
    }
    PyObject *never = PyObject_CallMethod(self, "_failed", "is", (int)status, rb_check_text());
    Py_XDECREF(never);
    if (never != NULL) {
        PyErr_SetString(PyExc_SystemError, "Book._failed has returned");
    }
    return NULL;
}

static PyObject *answer_to(PyObject *self, enum eng_method which, PyObject *const *arguments,
                           Py_ssize_t count, PyObject *names)
{
    eng_proposal said;
    if (eng_arguments_take(which, arguments, count, names, &said) != 0) {
        return NULL;
    }
    /* Only now: arguments may have run Python code. */
    eng_book *book = ((calls *)self)->book;
    if (book == NULL) {
        return failed(self, RB_USAGE);
    }
    if (which == ENG_CANCEL) {
        rb_cancel *cancel = &said.lines[ENG_FIRST].cancel;
        cancel->quantity = eng_book_open(book, cancel->locate);
    }
    answer told;
    int32_t status = ask(book, said.lines, said.count, &told);
    PyObject *events = status == RB_OK ? eng_events(told.lines, told.count) : failed(self, status);
    answer_done(&told);
    return events;
}

/* _apply(lines): what Book.submit does with a few messages, given as their bytes. */
static PyObject *calls_apply(PyObject *self, PyObject *what)
{
    Py_buffer lines;
    if (PyObject_GetBuffer(what, &lines, PyBUF_SIMPLE) != 0) {
        return NULL;
    }
    eng_book *book = ((calls *)self)->book;
    answer told;
    int32_t status = RB_USAGE;
    told.lines = told.few;
    if (book != NULL && lines.len % (Py_ssize_t)sizeof(rb_message) == 0) {
        status = ask(book, lines.buf, lines.len / (Py_ssize_t)sizeof(rb_message), &told);
    }
    PyBuffer_Release(&lines);
    /* The book leaves this word alone, so that a line can be written into a ring. */
    for (int64_t n = 0; status == RB_OK && n < told.count; n++) {
        told.lines[n].header.sequence = 0;
    }
    PyObject *out =
        status != RB_OK
            ? failed(self, status)
            : PyByteArray_FromStringAndSize((const char *)told.lines,
                                            told.count * (Py_ssize_t)sizeof(rb_message));
    answer_done(&told);
    return out;
}

#define DEFINE_METHOD(name, which)                                                                 \
    static PyObject *calls_##name(PyObject *self, PyObject *const *arguments, Py_ssize_t count,    \
                                  PyObject *names)                                                 \
    {                                                                                              \
        return answer_to(self, which, arguments, count, names);                                    \
    }

DEFINE_METHOD(new, ENG_NEW)
DEFINE_METHOD(cancel, ENG_CANCEL)
DEFINE_METHOD(reduce, ENG_REDUCE)
DEFINE_METHOD(replace, ENG_REPLACE)

#define ERRORS                                                                                     \
    "Raises: OverflowError: a number has no place in its field; the book has not seen the "        \
    "message.\nTypeError: it is no whole number, missing or unknown. UsageError: the book is "     \
    "closed.\nCorruptionError.\n"                                                                  \
    "Thread: the book's. Source: eng_book_apply_batch, without cffi."

PyDoc_STRVAR(
    new_doc,
    "new($self, /, client_order_id, side, price_ticks, quantity, time_in_force=0, options=0, *, "
    "instrument=0, topic=0, account=0, firm=0, display_quantity=0, minimum_quantity=0, auction=0)"
    "\n--\n\n"
    "Enter one order and return what happened.\n\n"
    "Args: client_order_id: 0..2^32-1, the caller's; side: a Side; price_ticks: 1..2^30-1, of a\n"
    "market order the worst; quantity: lots, 1..2^32-1; time_in_force: a TimeInForce, 0 is Day;\n"
    "options: OrderOption, or-ed; topic: 0..65535, the order's session, which its cancels and\n"
    "replaces have to name; account, firm: 0..65535, for self-trade prevention; display_quantity:\n"
    "lots shown at a time, 0: all; minimum_quantity: lots to trade at once or none; auction:\n"
    "AuctionOption.\n"
    "Returns: events, the order first with its locate, or one REJECTED "
    "(engine/README.md).\n" ERRORS);

PyDoc_STRVAR(
    cancel_doc,
    "cancel($self, /, locate, client_order_id, *, instrument=0, topic=0)\n--\n\n"
    "Take an order out, all that is open of it, reserve included.\n\n"
    "Args: locate: of the order's first event; client_order_id, instrument, topic: its own.\n"
    "Returns: one event, CANCEL with the quantity, or REJECTED.\n" ERRORS);

PyDoc_STRVAR(reduce_doc,
             "reduce($self, /, locate, client_order_id, quantity, *, instrument=0, topic=0)\n--\n\n"
             "Take quantity off an order, which keeps its place in the queue.\n\n"
             "Args: quantity: lots to take off, 1 to what is open, which takes it out; else: as "
             "cancel.\n"
             "Returns: one event, CANCEL with what remains, or REJECTED.\n" ERRORS);

PyDoc_STRVAR(
    replace_doc,
    "replace($self, /, locate, original_client_order_id, client_order_id, price_ticks, quantity, "
    "time_in_force=0, *, instrument=0, topic=0, account=0, firm=0, options=None, "
    "display_quantity=None, minimum_quantity=None, auction=None)\n--\n\n"
    "Take an order out and enter another in its locate.\n\n"
    "It keeps its place where only its quantity falls (engine/README.md, Replace).\n\n"
    "Args: locate, original_client_order_id, instrument, topic: the order's own; client_order_id,\n"
    "price_ticks, quantity (open from now on), account, firm: the new one's; options to auction:\n"
    "given none of the four, it keeps its own; given one, those that are not given are 0.\n"
    "Returns: events, REPLACE first, or one REJECTED: the order stays as it was.\n" ERRORS);

/* The table of methods knows one kind of function; the flags beside each say what it is. */
#define FAST(function) (PyCFunction)(void (*)(void))(function), METH_FASTCALL | METH_KEYWORDS

static PyMethodDef calls_methods[] = {
    {"new", FAST(calls_new), new_doc},
    {"cancel", FAST(calls_cancel), cancel_doc},
    {"reduce", FAST(calls_reduce), reduce_doc},
    {"replace", FAST(calls_replace), replace_doc},
    {"_apply", calls_apply, METH_O, NULL},
    {"_attach", calls_attach, METH_VARARGS, NULL},
    {"_detach", calls_detach, METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL},
};

/* A base only: what it leaves to Python is in the class that is made of it. */
static PyTypeObject calls_type = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "engine._calls.Calls",
    .tp_basicsize = sizeof(calls),
    .tp_dealloc = calls_dealloc,
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE,
    .tp_doc = "Takes one message a call: the base of Book.",
    .tp_methods = calls_methods,
    .tp_new = PyType_GenericNew,
};

static struct PyModuleDef module = {
    PyModuleDef_HEAD_INIT,
    .m_name = "engine._calls",
    .m_doc = "One message a call; see engine/calls.c.",
    .m_size = -1,
};

/* --- the module ----------------------------------------------------------------------------- */

PyMODINIT_FUNC PyInit__calls(void);

PyMODINIT_FUNC PyInit__calls(void)
{
    if (eng_event_begin() != 0 || eng_arguments_begin() != 0) {
        return NULL;
    }
    PyObject *made = PyModule_Create(&module);
    if (made != NULL && PyModule_AddType(made, &calls_type) != 0) {
        Py_CLEAR(made);
    }
    return made;
}
