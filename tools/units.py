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


def price_text(price_1e4: int) -> str:
    """A price in the currency, without the zeros that say nothing."""
    whole, rest = divmod(price_1e4, 10_000)
    text = f"{rest:04d}".rstrip("0")
    return f"{whole}.{text.ljust(2, '0')}"


def rate_text(per_s: float) -> str:
    """How many a second, in three or four digits: 0, 0.25, 12.3, 1,234, 45.6 k, 1.23 M."""
    if per_s < 9.995:
        return f"{per_s:.2f}".rstrip("0").rstrip(".")
    if per_s < 99.95:
        return f"{per_s:.1f}"
    if per_s < 9999.5:
        return f"{per_s:,.0f}"
    unit, scaled = ("M", per_s / 1e6) if per_s >= 999_500 else ("k", per_s / 1e3)
    digits = 0 if scaled >= 99.95 else 1 if scaled >= 9.995 else 2
    return f"{scaled:,.{digits}f} {unit}"


def share_text(share: float | None) -> str:
    """A share in per cent; nothing where nobody knows."""
    return "–" if share is None else f"{100 * share:.1f} %"
