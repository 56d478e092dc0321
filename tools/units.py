"""Quantities as people read them."""

from __future__ import annotations


def duration(value_ns: float) -> str:
    """A time in three digits and the unit that suits it: 412 ns, 3.21 µs, 68.7 s."""
    unit, scale = "ns", 1.0
    for larger, factor in (("µs", 1e3), ("ms", 1e6), ("s", 1e9)):
        # From half a last digit below on, it would round to 1000 of the smaller unit.
        if value_ns >= factor * 0.9995:
            unit, scale = larger, factor
    scaled = value_ns / scale
    digits = 0 if unit == "ns" or scaled >= 99.95 else 1 if scaled >= 9.995 else 2
    return f"{scaled:.{digits}f} {unit}"
