"""Makes the C source of a cffi extension module (API mode) from the headers themselves.

What Python may call stands in the headers between `/* cffi: begin */` and `/* cffi: end */`; the
line `/* cffi: struct NAME */` makes a struct known by its size only. Run by meson:
`python cffi_source.py MODULE OUTPUT HEADER…`; it needs cffi and nothing of this project.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

from cffi import FFI

SECTION = re.compile(r"/\* cffi: begin \*/(.*?)/\* cffi: end \*/", re.DOTALL)
STRUCT = re.compile(r"/\* cffi: struct (\w+) \*/")


def declarations(text: str) -> str:
    """The cdef of one header."""
    opaque = "".join(f"typedef struct {{ ...; }} {name};\n" for name in STRUCT.findall(text))
    return opaque + "\n".join(SECTION.findall(text))


def main(module: str, output: str, *headers: str) -> None:
    """Write the C source of `module`."""
    ffi = FFI()
    root = Path(__file__).resolve().parent.parent
    for header in headers:
        ffi.cdef(declarations((root / header).read_text()))
    ffi.set_source(module, "\n".join(f'#include "{header}"' for header in headers))
    ffi.emit_c_code(output)


if __name__ == "__main__":
    main(*sys.argv[1:])
