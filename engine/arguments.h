/*
 * Arguments: the numbers of one call from Python become the lines of a proposal.
 *
 * For the extension module `engine._calls` only (engine/calls.c). Each method has a table of its
 * parameters: where the number goes and how large it may be. What is missing, given twice, unknown,
 * no whole number or too large for its field is an exception that names the method and the
 * parameter.
 *
 * Who: one thread, with the interpreter's lock. Taking a number may run Python code (__index__).
 */
#ifndef ENGINE_ARGUMENTS_H
#define ENGINE_ARGUMENTS_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "ringbus/messages.h"

enum eng_method { ENG_NEW, ENG_CANCEL, ENG_REDUCE, ENG_REPLACE, ENG_METHODS };

/* The message, and the OrderTerms behind it if a parameter of theirs was given. */
enum { ENG_FIRST, ENG_TERMS, ENG_LINES };

typedef struct eng_proposal {
    rb_message lines[ENG_LINES];
    uint32_t given; /* parameters, by bit */
    uint32_t count; /* lines */
} eng_proposal;

/* Once, before all others: makes the names. -1: an exception is set. */
int eng_arguments_begin(void);
/* Makes the proposal of a call, as METH_FASTCALL | METH_KEYWORDS gives it. -1: an exception is set.
 */
int eng_arguments_take(enum eng_method which, PyObject *const *arguments, Py_ssize_t count,
                       PyObject *names, eng_proposal *out);

#endif
