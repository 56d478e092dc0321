/* The least that a C test needs: EXPECT says what did not hold and ends the program with 1. */
#ifndef TESTS_CHECK_H
#define TESTS_CHECK_H

#include <stdio.h>
#include <stdlib.h>

#define EXPECT(expression)                                                                         \
    do {                                                                                           \
        if (!(expression)) {                                                                       \
            (void)fprintf(stderr, "%s:%d: does not hold: %s\n", __FILE__, __LINE__, #expression);  \
            exit(1);                                                                               \
        }                                                                                          \
    } while (0)

#endif
