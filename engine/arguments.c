/* Where the numbers of a call go: a table for each method, and what is wrong with a number. */
#include "engine/arguments.h"

#include <stddef.h>
#include <string.h>

typedef struct {
    const char *name;
    size_t offset; /* in its line */
    uint8_t line;
    uint8_t bytes;
    uint8_t is_signed;
    PyObject *interned; /* the name as callers' code has it: one object for all */
} parameter;

#define PARAMETER(of_line, message, field, of_sign)                                                \
    {.name = #field,                                                                               \
     .offset = offsetof(rb_message, message.field),                                                \
     .line = of_line,                                                                              \
     .bytes = sizeof(((rb_message *)0)->message.field),                                            \
     .is_signed = of_sign}

enum { PARAMETERS_MAX = 14 };

typedef struct {
    const char *name;
    Py_ssize_t needed;     /* the first so many must be given */
    Py_ssize_t positional; /* the first so many may be given without their names */
    Py_ssize_t count;
    uint8_t template_id;
    parameter parameters[PARAMETERS_MAX];
} method;

/* Written once, by the module's beginning: the names. */
static method
    methods[ENG_METHODS] =
        {
            [ENG_NEW] = {.name = "new",
                         .needed = 4,
                         .positional = 6,
                         .count = 13,
                         .template_id = RB_TEMPLATE_NEW_ORDER,
                         .parameters =
                             {
                                 PARAMETER(ENG_FIRST, new_order, client_order_id, 0),
                                 PARAMETER(ENG_FIRST, new_order, side, 0),
                                 PARAMETER(ENG_FIRST, new_order, price_ticks, 1),
                                 PARAMETER(ENG_FIRST, new_order, quantity, 0),
                                 PARAMETER(ENG_FIRST, new_order, time_in_force, 0),
                                 PARAMETER(ENG_FIRST, new_order, options, 0),
                                 PARAMETER(ENG_FIRST, new_order, instrument, 0),
                                 PARAMETER(ENG_FIRST, header, topic, 0),
                                 PARAMETER(ENG_FIRST, new_order, account, 0),
                                 PARAMETER(ENG_FIRST, new_order, firm, 0),
                                 PARAMETER(ENG_TERMS, order_terms, display_quantity, 0),
                                 PARAMETER(ENG_TERMS, order_terms, minimum_quantity, 0),
                                 PARAMETER(ENG_TERMS, order_terms, auction, 0),
                             }},
            [ENG_CANCEL] = {.name = "cancel",
                            .needed = 2,
                            .positional = 2,
                            .count = 4,
                            .template_id = RB_TEMPLATE_CANCEL,
                            .parameters =
                                {
                                    PARAMETER(ENG_FIRST, cancel, locate, 0),
                                    PARAMETER(ENG_FIRST, cancel, client_order_id, 0),
                                    PARAMETER(ENG_FIRST, cancel, instrument, 0),
                                    PARAMETER(ENG_FIRST, header, topic, 0),
                                }},
            [ENG_REDUCE] = {.name = "reduce",
                            .needed = 3,
                            .positional = 3,
                            .count = 5,
                            .template_id = RB_TEMPLATE_CANCEL,
                            .parameters =
                                {
                                    PARAMETER(ENG_FIRST, cancel, locate, 0),
                                    PARAMETER(ENG_FIRST, cancel, client_order_id, 0),
                                    PARAMETER(ENG_FIRST, cancel, quantity, 0),
                                    PARAMETER(ENG_FIRST, cancel, instrument, 0),
                                    PARAMETER(ENG_FIRST, header, topic, 0),
                                }},
            [ENG_REPLACE] = {.name = "replace",
                             .needed = 5,
                             .positional = 6,
                             .count = 14,
                             .template_id = RB_TEMPLATE_REPLACE,
                             .parameters =
                                 {
                                     PARAMETER(ENG_FIRST, replace, locate, 0),
                                     PARAMETER(ENG_FIRST, replace, original_client_order_id, 0),
                                     PARAMETER(ENG_FIRST, replace, client_order_id, 0),
                                     PARAMETER(ENG_FIRST, replace, price_ticks, 1),
                                     PARAMETER(ENG_FIRST, replace, quantity, 0),
                                     PARAMETER(ENG_FIRST, replace, time_in_force, 0),
                                     PARAMETER(ENG_FIRST, replace, instrument, 0),
                                     PARAMETER(ENG_FIRST, header, topic, 0),
                                     PARAMETER(ENG_FIRST, replace, account, 0),
                                     PARAMETER(ENG_FIRST, replace, firm, 0),
                                     PARAMETER(ENG_TERMS, order_terms, options, 0),
                                     PARAMETER(ENG_TERMS, order_terms, display_quantity, 0),
                                     PARAMETER(ENG_TERMS, order_terms, minimum_quantity, 0),
                                     PARAMETER(ENG_TERMS, order_terms, auction, 0),
                                 }},
};

/* Writes one argument where it belongs; -1: it cannot be, and the exception says which it is. */
static int take(const method *of, Py_ssize_t n, PyObject *value, eng_proposal *out)
{
    const parameter *it = &of->parameters[n];
    if ((out->given >> n & 1) != 0) {
        PyErr_Format(PyExc_TypeError, "Book.%s: %s is given twice", of->name, it->name);
        return -1;
    }
    out->given |= UINT32_C(1) << n;
    if (value == Py_None && of->template_id == RB_TEMPLATE_REPLACE && it->line == ENG_TERMS) {
        return 0;
    }
    if (!PyLong_Check(value) && !PyIndex_Check(value)) {
        PyErr_Format(PyExc_TypeError, "Book.%s: %s is a %.100s, not a whole number", of->name,
                     it->name, Py_TYPE(value)->tp_name);
        return -1;
    }
    int overflow = 0;
    long long number = PyLong_AsLongLongAndOverflow(value, &overflow);
    if (number == -1 && PyErr_Occurred() != NULL) {
        return -1;
    }
    int bits = 8 * it->bytes - it->is_signed;
    long long highest = (1LL << bits) - 1;
    long long lowest = it->is_signed != 0 ? -highest - 1 : 0;
    if (overflow != 0 || number < lowest || number > highest) {
        PyErr_Format(PyExc_OverflowError, "Book.%s: %s is %S, not %lld to %lld", of->name, it->name,
                     value, lowest, highest);
        return -1;
    }
    /* Messages are little-endian, and so are all machines that this is built for. */
    memcpy((char *)&out->lines[it->line] + it->offset, &number, it->bytes);
    out->count = it->line == ENG_TERMS ? ENG_LINES : out->count;
    return 0;
}

/* The place of a parameter, by name; `count`: there is none. */
static Py_ssize_t place_of(const method *of, PyObject *name)
{
    for (Py_ssize_t n = 0; n < of->count; n++) {
        if (of->parameters[n].interned == name) {
            return n;
        }
    }
    /* A name that was put together while the program ran is another object. */
    for (Py_ssize_t n = 0; n < of->count; n++) {
        if (PyUnicode_Compare(of->parameters[n].interned, name) == 0) {
            return n;
        }
    }
    return of->count;
}

/* What no argument says. */
static void finish(const method *of, eng_proposal *out)
{
    rb_message *first = &out->lines[ENG_FIRST];
    first->header.template_id = of->template_id;
    if (of->template_id == RB_TEMPLATE_CANCEL) {
        first->cancel.reason = RB_CANCEL_REASON_USER;
    }
    if (out->count == 1) {
        return;
    }
    rb_message *terms = &out->lines[ENG_TERMS];
    first->header.flags = RB_FLAG_CONTINUED;
    terms->header.template_id = RB_TEMPLATE_ORDER_TERMS;
    terms->header.topic = first->header.topic;
    terms->order_terms.instrument = first->new_order.instrument;
    if (of->template_id == RB_TEMPLATE_NEW_ORDER) {
        terms->order_terms.options = first->new_order.options;
    }
}

int eng_arguments_take(enum eng_method which, PyObject *const *arguments, Py_ssize_t count,
                       PyObject *names, eng_proposal *out)
{
    const method *of = &methods[which];
    memset(out, 0, sizeof *out);
    out->count = 1;
    if (count > of->positional) {
        PyErr_Format(PyExc_TypeError, "Book.%s: %zd arguments without a name, not at most %zd",
                     of->name, count, of->positional);
        return -1;
    }
    for (Py_ssize_t n = 0; n < count; n++) {
        if (take(of, n, arguments[n], out) != 0) {
            return -1;
        }
    }
    Py_ssize_t named = names == NULL ? 0 : PyTuple_GET_SIZE(names);
    for (Py_ssize_t n = 0; n < named; n++) {
        Py_ssize_t place = place_of(of, PyTuple_GET_ITEM(names, n));
        if (place == of->count) {
            PyErr_Format(PyExc_TypeError, "Book.%s: no argument has the name %R", of->name,
                         PyTuple_GET_ITEM(names, n));
            return -1;
        }
        if (take(of, place, arguments[count + n], out) != 0) {
            return -1;
        }
    }
    for (Py_ssize_t n = 0; n < of->needed; n++) {
        if ((out->given >> n & 1) == 0) {
            PyErr_Format(PyExc_TypeError, "Book.%s: %s is missing", of->name,
                         of->parameters[n].name);
            return -1;
        }
    }
    finish(of, out);
    return 0;
}

int eng_arguments_begin(void)
{
    for (int which = 0; which < ENG_METHODS; which++) {
        for (Py_ssize_t n = 0; n < methods[which].count; n++) {
            parameter *it = &methods[which].parameters[n];
            it->interned = PyUnicode_InternFromString(it->name);
            if (it->interned == NULL) {
                return -1;
            }
        }
    }
    return 0;
}
