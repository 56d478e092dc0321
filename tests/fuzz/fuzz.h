/*
 * Fuzz: the entry point of a fuzzer's target, by the name that libFuzzer calls (`make fuzz`).
 * driver.c calls it too, over the kept corpus and seeded changes of it, as a test (`make ctest asan
 * tsan`).
 *
 * A target must hold for any bytes; what does not hold ends the program.
 */
#ifndef TESTS_FUZZ_FUZZ_H
#define TESTS_FUZZ_FUZZ_H

#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count);

#endif
