"""What FIX 4.2 and 4.4 say of the messages that a client may send here: tags, types, values.

The tables are facts of the two standards; a test holds them to the dictionaries that QuickFIX comes
with.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from ports.fix import FIX42, FIX44


def _set(text: str) -> frozenset[int]:
    """Numbers and ranges of numbers, such as `1 11-13`."""
    out: list[int] = []
    for part in text.split():
        first, _, last = part.partition("-")
        out += range(int(first), int(last or first) + 1)
    return frozenset(out)


@dataclass(frozen=True, slots=True)
class Dictionary:
    """One version: all its tags and message types, and what the types that are taken here hold.

    `required` is in the order in which what is missing is found; `groups` has by the tag that
    counts a repeating group the tag that begins an entry, and all that one may have.
    """

    tags: frozenset[int]
    types: frozenset[str]
    header: frozenset[int]
    required: Mapping[str, tuple[int, ...]]
    allowed: Mapping[str, frozenset[int]]
    groups: Mapping[int, tuple[int, frozenset[int]]]
    values: Mapping[int, frozenset[str]]


HEADER_REQUIRED: Final = (49, 56, 34, 52)
TRAILER: Final = _set("10 89 93")
_SESSION: Final = {
    "0": "112",
    "1": "112",
    "2": "7 16",
    "3": "45 58 354-355 371-373",
    "4": "36 123",
    "5": "58 354-355",
}
_SESSION_REQUIRED: Final = {
    "0": (), "1": (112,), "2": (7, 16), "3": (45,), "4": (36,), "5": (), "A": (98, 108),
}  # fmt: skip
_ORDER42: Final = (
    " 1 11 22 38 48 54-55 58 60 65 76 106-107 109 152 167 200-202 205-207 223 231 348-351 354-355"
    " 376-377"
)
_MORE42: Final = (
    " 12-13 15 18 21 40 44 47 59 63-64 77-80 99-100 110-111 114 120-121 126 168 192-193 203-204"
    " 210-211 336 386 388-389 427 432 439-440"
)
_INSTRUMENT44: Final = (
    " 22 48 54-55 65 106-107 167 200-202 206-207 223-228 231 239-247 255-256 305-313 315-318"
    " 348-351 362-365 435-436 454-459 461-463 470-472 541-543 592-595 667 691 762-763 810 864-868"
    " 873-879 882-889 941 947"
)
_PARTIES44: Final = " 447-448 452-453 523 526 583 660 711 788 802-803 898 913-919"
_ORDER44: Final = " 1 11 38 58 60 152 354-355 376 460 468-469 516 581" + _INSTRUMENT44 + _PARTIES44
_MORE44: Final = (
    " 12-13 15 18 21 40 44 59 63-64 70 75 77-80 99-100 110-111 114 120-121 126 168 192-193 203"
    " 210-211 218 220-222 229 235-236 336 377 386 388-389 423 427 432 467 479-481 494 497 513"
    " 524-525 528-529 538-539 544-545 582 589-591 625 635 640 661-663 696-699 701 736 761 775"
    " 804-805 835-838 840-844 846-849 854"
)
# What counts a group, and its tags; the first one begins an entry.
_GROUPS44: Final = {
    78: "79-80 467 524-525 538-539 545 661 736 804-805",
    232: "233-234",
    384: "372 385",
    386: "336 625",
    453: "448 447 452 523 802-803",
    454: "455-456",
    457: "458-459",
    539: "524-525 538 545 804-805",
    627: "628-630",
    711: "311 241-247 256 305-310 312-313 315-318 362-365 435-436 457-459 462-463 542 592-595 763"
    " 810 877-879 882-889 941",
    802: "523 803",
    804: "545 805",
    864: "865-868",
    887: "888-889",
}
_GROUPS42: Final = {78: "79-80", 384: "372 385", 386: "336"}
_SECURITY42: Final = (
    "? BA CB CD CMO CORP CP CPP CS FHA FHL FN FOR FUT GN GOVT IET MF MIO MPO MPP MPT MUNI NONE OPT"
    " PS RP RVRP SL TD USTB WAR ZOO"
)
_SECURITY44: Final = (
    "FUT OPT EUSUPRA FAC FADN PEF SUPRA CORP CPP CB DUAL EUCORP XLINKD STRUCT YANK FOR CS PS BRADY"
    " EUSOV TBOND TINT TIPS TCAL TPRN UST USTB TNOTE TBILL REPO FORWARD BUYSELL SECLOAN SECPLEDGE"
    " TERM RVLV RVLVTRM BRIDGE LOFC SWING DINP DEFLTED WITHDRN REPLACD MATURED AMENDED RETIRED BA"
    " BN BOX CD CL CP DN EUCD EUCP LQN MTN ONITE PN PZFJ STN TD XCN YCD ABS CMBS CMO IET MBS MIO"
    " MPO MPP MPT PFAND TBA AN COFO COFP GO MT RAN REV SPCLA SPCLO SPCLT TAN TAXA TECP TRAN VRDN"
    " WAR MF MLEG NONE"
)
_VALUES42: Final = {
    13: "1 2 3",
    21: "1 2 3",
    22: "1 2 3 4 5 6 7 8 9",
    40: "1 2 3 4 5 6 7 8 9 A B C D E F G H I P",
    47: "A B C D E F H I J K L M N O P R S T U W X Y Z",
    54: "1 2 3 4 5 6 7 8 9",
    59: "0 1 2 3 4 5 6",
    63: "0 1 2 3 4 5 6 7 8 9",
    77: "C O",
    98: "0 1 2 3 4 5 6",
    167: _SECURITY42,
    388: "0 1 2 3 4 5",
}
_VALUES44: Final = {
    13: "1 2 3 4 5 6",
    21: "1 2 3",
    22: "1 2 3 4 5 6 7 8 9 A B C D E F G H I J",
    40: "1 2 3 4 6 7 8 9 D E G I J K L M P",
    54: "1 2 3 4 5 6 7 8 9 A B C D E F G",
    59: "0 1 2 3 4 5 6 7",
    63: "0 1 2 3 4 5 6 7 8 9",
    77: "O C R F",
    98: "0 1 2 3 4 5 6",
    167: _SECURITY44,
    388: "0 1 2 3 4 5 6",
    528: "A G I P R W",
    530: "1 2 3 4 5 6 7",
}
_TYPES42: Final = "0123456789ABCDEFGHJKLMNPQRSTVWXYZabcdefghijklm"
_TYPES44: Final = (
    [*_TYPES42, *"nopqrstuvwxyz"]
    + [f"A{n}" for n in "ABCDEFGHIJKLMNOPQRSTUVWXYZ"]
    + [f"B{n}" for n in "ABCDEFGH"]
)


def _groups(table: Mapping[int, str]) -> dict[int, tuple[int, frozenset[int]]]:
    return {
        count: (int(tags.replace("-", " ").split()[0]), _set(tags)) for count, tags in table.items()
    }


DICTIONARIES: Final = {
    FIX42: Dictionary(
        _set("1-100 102-219 223 231 262-446"),
        frozenset(_TYPES42),
        _set("34 43 49-50 52 56-57 90-91 97 115-116 122 128-129 142-145 212-213 347 369-370"),
        _SESSION_REQUIRED
        | {
            "D": (11, 21, 55, 54, 60, 40),
            "F": (41, 11, 55, 54, 60),
            "G": (41, 11, 21, 55, 54, 60, 40),
            "H": (11, 55, 54),
        },
        {
            type_: _set(tags)
            for type_, tags in {
                **_SESSION,
                # User name and password are of 4.3, and the usual thing to send in 4.2 too.
                "A": "95-96 98 108 141 372 383-385 553-554",
                "D": _ORDER42 + _MORE42 + " 23 81 117 140",
                "F": _ORDER42 + " 37 41 66",
                "G": _ORDER42 + _MORE42 + " 37 41 66",
                "H": "1 11 22 37 48 54-55 65 76 106-107 109 167 200-202 205-207 223 231 348-351",
            }.items()
        },
        _groups(_GROUPS42),
        {tag: frozenset(values.split()) for tag, values in _VALUES42.items()},
    ),
    FIX44: Dictionary(
        _set(
            "1-19 21-23 25-45 48-50 52-75 77-85 87-91 93-100 102-104 106-108 110-124 126-165"
            " 167-172 188-203 206-218 220-260 262-313 315-318 320-369 371-438 441-448 451-464"
            " 466-652 654-684 686-808 810-830 832-956"
        ),
        frozenset(_TYPES44),
        _set("34 43 49-50 52 56-57 90-91 97 115-116 122 128-129 142-145 212-213 347 369 627-630"),
        _SESSION_REQUIRED
        | {
            "D": (11, 55, 54, 60, 40),
            "F": (41, 11, 55, 54, 60),
            "G": (41, 11, 55, 54, 60, 40),
            "H": (11, 55, 54),
            "q": (11, 530, 60),
        },
        {
            type_: _set(tags)
            for type_, tags in {
                **_SESSION,
                "A": "95-96 98 108 141 372 383-385 464 553-554 789",
                "D": _ORDER44 + _MORE44 + " 23 81 117 140 232-234",
                "F": _ORDER44 + " 37 41 66 586",
                "G": _ORDER44 + _MORE44 + " 37 41 66 586",
                "H": "1 11 37 460 790" + _INSTRUMENT44 + _PARTIES44,
                "q": "11 58 60 336 354-355 460 526 530 625" + _INSTRUMENT44,
            }.items()
        },
        _groups(_GROUPS44),
        {tag: frozenset(values.split()) for tag, values in _VALUES44.items()},
    ),
}

# Types that are the same in both versions; what is not here is any text.
BOOLEANS: Final = _set("43 97 114 121 123 141 377 464")
NUMBERS: Final = _set("7 16 34 36 45 369 630 789 90 93 95 212 348 350 354 362 364 383") | _set(
    "78 232 384 386 453-454 457 539 627 711 802 804 864 887"
)
INTEGERS: Final = _set(
    "98 108 201 203-204 226 244 315 371 373 423 427 452 460 462 538 581-582 660-661 663 698 775 788"
    " 803 805 835-838 840-844 846-847 854 865 875 919"
)
DECIMALS: Final = _set(
    "12 38 44 80 99 110-111 140 152 192 202 210-211 218 223 227-228 231 236 245-246 316 389 435-436"
    " 469 516 640 662 697 810 849 867 879 882-886 898"
)
CHARACTERS: Final = _set(
    "13 21 40 47 54 59 63 77 81 206 317 385 388 447 468 480-481 497 525 528 530 544 589-591"
)
TIMES: Final = _set("52 60 122 126 168 370 586 629")
DATES: Final = _set("64 75 193 224-225 229 240-242 247 432 541-542 696 701 866 873-874 915-917")
