"""Confine: a process at the edge gives up, for good, what it needs no more once it runs.

A port reads bytes of strangers. Were they to run code in it, the mappings of its process would not
stop them: all processes of an exchange are of one account, which may open any of its memory for
writing. So before its loop begins, a process that only runs ports and applications tells the kernel
to refuse it to open files for writing, to make, rename or remove any, to signal or trace others and
to run programs. What it has open and mapped stays as it is; files can be read, as a replay needs.

Source: seccomp(2), a filter in the classic BPF of the kernel's user API. It holds for all threads
that are started later, and cannot be taken off.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import struct
from typing import Final

from ringbus.status import SystemCallError

# Kinds of application that need none of it once they run.
CONFINED: Final = frozenset(
    (
        *("auction", "drop", "fairy", "fix", "guardian", "market", "reporter", "request"),
        *("snapshot", "stops", "ticker"),
    )
)
PR_SET_NO_NEW_PRIVS: Final = 38
PR_SET_SECCOMP: Final = 22
SECCOMP_MODE_FILTER: Final = 2
ALLOW: Final = 0x7FFF0000
REFUSE: Final = 0x00050000 | errno.EPERM
# Codes of the BPF: load a word, jump if equal, if not below, if a bit is set; return.
LOAD, EQUAL, FROM, ANY, RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
# Places in struct seccomp_data; an argument's low half comes first.
NUMBER, ARCHITECTURE, ARGUMENTS = 0, 4, 16
WRITING: Final = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC

# Audit's number of the architecture; the first number of another ABI's calls; numbers of calls.
OF_X86_64: Final = (
    0xC000003E,
    0x40000000,
    {"openat": 257, "open": 2, "tgkill": 234},
    (
        *(76, 82, 83, 84, 85, 86, 87, 88, 90, 91, 92, 93, 94, 133),  # truncate, rename … mknod
        *(258, 259, 260, 263, 264, 265, 266, 268, 316, 452, 304, 437),  # the same at a directory
        *(59, 322, 62, 200, 129, 297, 424, 434, 438),  # execve, kill and its kind, pidfd
        *(101, 311, 425, 321, 323, 298, 165, 429),  # ptrace, process_vm_writev, io_uring, bpf …
    ),
)
OF_AARCH64: Final = (
    0xC00000B7,
    0xFFFFFFFF,
    {"openat": 56, "tgkill": 131},
    (
        *(45, 33, 34, 35, 36, 37, 38, 52, 53, 54, 55, 276, 452, 265, 437),
        *(221, 281, 129, 130, 138, 240, 424, 434, 438),
        *(117, 271, 425, 280, 282, 241, 40, 429),
    ),
)
MACHINES: Final = {"x86_64": OF_X86_64, "aarch64": OF_AARCH64}


def _filter(machine: str, pid: int) -> bytes:
    """The program: instructions of 8 bytes, each a code, two jumps and a number."""
    audit, other_abi, named, refused = MACHINES[machine]
    out = [(LOAD, 0, 0, ARCHITECTURE), (EQUAL, 1, 0, audit), (RETURN, 0, 0, REFUSE)]
    out += [(LOAD, 0, 0, NUMBER), (FROM, 0, 1, other_abi), (RETURN, 0, 0, REFUSE)]
    for number in refused:
        out += [(EQUAL, 0, 1, number), (RETURN, 0, 0, REFUSE)]
    for name, argument in (("openat", 2), ("open", 1)):
        if name in named:
            out += [(EQUAL, 0, 4, named[name]), (LOAD, 0, 0, ARGUMENTS + 8 * argument)]
            out += [(ANY, 0, 1, WRITING), (RETURN, 0, 0, REFUSE), (RETURN, 0, 0, ALLOW)]
    # Its own threads it may signal: abort() does.
    out += [(EQUAL, 0, 3, named["tgkill"]), (LOAD, 0, 0, ARGUMENTS)]
    out += [(EQUAL, 1, 0, pid), (RETURN, 0, 0, REFUSE), (RETURN, 0, 0, ALLOW)]
    return b"".join(struct.pack("<HBBI", *one) for one in out)


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("instructions", ctypes.c_char_p))


def confine() -> bool:
    """Give it all up, in this thread and those that it starts.

    Returns: False: nothing is known of this machine's system calls, and nothing was done.
    Raises: SystemCallError: the kernel does not take the filter.
    """
    if platform.machine() not in MACHINES:
        return False
    text = _filter(platform.machine(), os.getpid())
    program = _Program(len(text) // 8, text)
    prctl = ctypes.CDLL(None, use_errno=True).prctl
    for arguments in (
        (PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0),
        (PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.byref(program), 0, 0),
    ):
        if prctl(*arguments) != 0:
            raise SystemCallError(
                f"this process cannot be confined: {os.strerror(ctypes.get_errno())}"
            )
    return True
