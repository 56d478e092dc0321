"""The house rules that a machine can hold: tools, import directions, bans, labels of the atomics.

Every exception stands in a list here with its reason; one that is no longer needed fails too.
"""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
BIN = Path(sys.executable).parent
PACKAGES = ("ringbus", "engine", "ports", "tools", "tuning", "tests")
# Made by tools.schema; other tests hold them to their source.
GENERATED = {
    "ringbus/lines.py", "ringbus/messages.h", "ringbus/messages.py", "ringbus/messages.md",
}  # fmt: skip
LINES_MAX = 700

ALLOWED_IMPORTS = {
    "ringbus": {"ringbus"},
    "engine": {"ringbus", "engine"},
    "ports": {"ringbus", "ports"},
    "tuning": {"ringbus", "tuning"},
    "tools": {"ringbus", "engine", "ports", "tools", "tuning"},
    "tests": set(PACKAGES),
}

BANNED = {"time", "random", "socket", "threading"}
# (file, what): why it may.
OWNERS = {
    ("tools/cli.py", "time"): "waits for processes and dates what it prints; no state machine",
    (
        "tools/standby.py",
        "time",
    ): "waits for room on the ring; its agents are given the time",
    ("tools/promote.py", "time"): "waits for a real process to take over",
    ("tools/close_day.py", "time"): "waits until a day has ended",
    ("tools/open_day.py", "time"): "a good-till order may be over when a day begins",
    ("tools/console/client.py", "time"): "waits for what a command came to",
    ("tools/console/client.py", "socket"): "an operator connects to a console",
    ("tools/console/service.py", "socket"): "operators connect there; time is its core's",
    ("tools/process.py", "time"): "waits for operating-system processes to end",
    ("tools/launcher.py", "time"): "watches heartbeats and patience of real processes",
    ("tools/exchange.py", "time"): "waits for a real exchange to come up",
    ("tools/demo/__main__.py", "time"): "paces a demonstration for a human",
    ("tools/demo/calls.py", "time"): "waits for what an operator asked for",
    ("tools/replay_day.py", "time"): "tells a human how long it took",
    ("tools/top.py", "time"): "a picture for a human, of now and of a second later",
    ("tools/metrics.py", "time"): "a sample is of the moment when it is asked for",
    ("tools/tap.py", "time"): "looks for news for a human, and ends when it was told to",
    ("tools/hist.py", "time"): "refreshes a picture for a human",
    ("tools/load.py", "time"): "open-loop load: the intended send time is the wall clock's",
    ("tools/verdict.py", "random"): "deals runs to two sets, from a seed",
    ("tools/fairness.py", "random"): "draws the orders of connecting, from a seed",
    ("tools/crowd.py", "time"): "waits for real clients to be told something",
    ("tools/crowd.py", "socket"): "its clients have real connections, stamped by the kernel",
    ("tools/load_session.py", "time"): "stamps what its clients send and receive",
    ("tools/book.py", "time"): "refreshes a picture for a human",
    ("tools/book.py", "socket"): "a client of market data: it joins the group and connects",
    ("ports/tape_server.py", "socket"): "its clients have real connections; time is its core's",
    ("tools/load_session.py", "socket"): "the clients that it plays have real connections",
    ("ringbus/publisher.py", "time"): "its caller says how long it may wait for room",
    ("ringbus/subscriber.py", "time"): "its caller says how long it may wait for a record",
    ("ports/fix_open.py", "socket"): "an acceptor listens",
    ("ports/fix_port.py", "socket"): "its caller may hand it a connected one",
    ("ports/fix_connection.py", "socket"): "its clients' connections",
    ("tuning/nic.py", "socket"): "asks a network card through one; nothing is sent",
    ("ports/reporter_link.py", "socket"): "it calls a facility",
    ("tools/facility.py", "socket"): "its reporters have real connections",
    ("tools/facility.py", "time"): "a program of its own, with sessions that have timeouts",
    ("tools/core.py", "threading"): "the journal's fdatasync runs beside the core's loop",
    ("tools/notify.py", "socket"): "systemd listens on one",
    ("tools/notify.py", "os.environ"): "where systemd says how it wants to be told",
    ("tools/child.py", "os.environ"): "hands its environment on to the processes that it starts",
}
TESTS_MAY = "a test drives real processes and sockets, and seeds its own generators"

# The data plane allocates only where something is made or destroyed, never on the path.
ALLOCATORS = {
    "engine/book.c": "eng_book_create and eng_book_destroy",
    "engine/risk.c": "eng_risk_create and eng_risk_destroy",
    "engine/risk_audit.c": "eng_risk_verify: sums to compare with, for tests and the guardian",
    "ports/client_setup.c": "prt_client_create and its destruction",
    "ports/connection.c": "the pool of connections, made once",
    "ports/feed.c": "instruments and the pools of orders, made once",
    "ports/market.c": "prt_market_create and its destruction",
    "ports/tape.c": "the tape, made once",
    "ports/instruments.c": "the table of instruments, made once",
    "ports/hearing.c": "the tables of who hears whom, made once",
    "ports/login.c": "buffers of the login desk, given back at the end",
    "ports/queue.h": "a queue of fixed size, made once",
    "ports/desk.c": "the table of sessions, made once",
    "ports/tokens.c": "the table of tokens, made once",
    "ringbus/table.c": "memory of such tables, made once",
}
FORMATTERS = {
    "ringbus/check.c": "text of a broken invariant: the process ends",
    "ringbus/core.c": "text of a failed agent: the core ends",
    "ringbus/idle.c": "name of a bell's socket: once a bell, or a system call with it",
    "ringbus/journal.c": "path of a segment file: once a file",
    "ports/connection.c": "number of the port to listen on: once a start",
}


def relative(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def walk(*suffixes: str) -> Iterator[Path]:
    """All files of the packages, in order."""
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*")):
            if path.suffix in suffixes and "__pycache__" not in path.parts:
                yield path


PYTHON = [path for path in walk(".py") if relative(path) not in GENERATED]
C = [path for path in walk(".c", ".h") if relative(path) not in GENERATED]
SHIPPED_C = [path for path in C if path.relative_to(ROOT).parts[0] != "tests"]
TREES = {path: ast.parse(path.read_text(), str(path)) for path in PYTHON}
COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)
STRING = re.compile(r'"(?:[^"\\\n]|\\.)*"')


def code_of(path: Path) -> str:
    """C without comments and strings."""
    return STRING.sub('""', COMMENT.sub(" ", path.read_text()))


def run_tool(*command: str) -> None:
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{' '.join(command[:3])}:\n{done.stdout}{done.stderr}"


# --- tools -------------------------------------------------------------------------------------


def test_ruff_finds_nothing() -> None:
    run_tool(str(BIN / "ruff"), "check", ".")


def test_ruff_would_format_nothing() -> None:
    run_tool(str(BIN / "ruff"), "format", "--check", ".")


def test_mypy_is_strict_and_content() -> None:
    run_tool(str(BIN / "mypy"))


def test_clang_format_would_change_nothing() -> None:
    run_tool(str(BIN / "clang-format"), "--dry-run", "-Werror", *map(str, C))


# --- direction of imports ----------------------------------------------------------------------


def imported(tree: ast.AST) -> Iterator[str]:
    """Top-level packages that a module imports."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (name.name.split(".")[0] for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "relative import"
            yield (node.module or "").split(".")[0]


def test_python_imports_point_one_way() -> None:
    """R40, R43: the bus knows nothing of orders, engine and ports meet only through rings."""
    wrong = [
        f"{relative(path)} imports {name}"
        for path, tree in TREES.items()
        for name in imported(tree)
        if name in PACKAGES and name not in ALLOWED_IMPORTS[path.relative_to(ROOT).parts[0]]
    ]
    assert wrong == []


def test_c_includes_point_one_way() -> None:
    """R40, R43: the same for C."""
    wrong = [
        f"{relative(path)} includes {name}"
        for path in C
        for name in re.findall(r'^\s*#include "([^"]+)"', path.read_text(), re.MULTILINE)
        if name.split("/")[0] not in ALLOWED_IMPORTS[path.relative_to(ROOT).parts[0]]
    ]
    assert wrong == []


# --- bans in Python ----------------------------------------------------------------------------


def banned_in(tree: ast.AST) -> set[str]:
    """What a module uses of that which makes runs differ."""
    found = {name for name in imported(tree) if name in BANNED}
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and node.attr in ("environ", "getenv"):
            found.add("os.environ")
        elif isinstance(node, ast.Attribute) and node.attr == "random":
            found.add("random")
    return found


def test_time_chance_and_sockets_come_in_by_constructor() -> None:
    """R98, R101: only the owners look at the world; all else is told."""
    used = {
        (relative(path), what)
        for path, tree in TREES.items()
        if path.relative_to(ROOT).parts[0] != "tests"
        for what in banned_in(tree)
    }
    assert used - set(OWNERS) == set()
    assert set(OWNERS) - used == set(), "no longer needed"
    assert all(OWNERS.values())


# What runs text or bytes as a program, and what makes objects of bytes that somebody else wrote.
RUNS = {
    "pickle",
    "cPickle",
    "marshal",
    "shelve",
    "dill",
    "cloudpickle",
    "multiprocessing",
    "joblib",
}


def runs_in(tree: ast.AST) -> Iterator[str]:
    """What a module does of that."""
    yield from (name for name in imported(tree) if name in RUNS)
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        name = node.func.attr if isinstance(node.func, ast.Attribute) else ""
        name = node.func.id if isinstance(node.func, ast.Name) else name
        if name in ("eval", "exec", "compile", "system", "popen", "__import__"):
            of_re = isinstance(node.func, ast.Attribute) and name == "compile"
            yield from () if of_re else (name,)
        for keyword in node.keywords:
            is_on = not (isinstance(keyword.value, ast.Constant) and keyword.value.value is False)
            if keyword.arg in ("shell", "allow_pickle") and is_on:
                yield keyword.arg


def test_nothing_is_unpickled_and_no_shell_is_run() -> None:
    """R107: what comes from outside is data, in every file that ships."""
    assert list(runs_in(ast.parse("import pickle\nos.system(x)\nrun(x, shell=True)\neval(x)"))) == [
        *("pickle", "system", "shell", "eval"),
    ]
    wrong = [
        f"{relative(path)}: {what}"
        for path, tree in TREES.items()
        if path.relative_to(ROOT).parts[0] != "tests"
        for what in runs_in(tree)
    ]
    assert wrong == []


def unordered(node: ast.expr) -> bool:
    """Whether an expression is seen to be a set."""
    if isinstance(node, ast.Set | ast.SetComp):
        return True
    return (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id in ("set", "frozenset")
    )


def test_nothing_iterates_over_a_set() -> None:
    """R54, R98: the order of a set differs from run to run."""
    wrong = []
    for path, tree in TREES.items():
        for node in ast.walk(tree):
            iterated: list[ast.expr] = []
            if isinstance(node, ast.For | ast.AsyncFor):
                iterated.append(node.iter)
            elif isinstance(node, ast.ListComp | ast.GeneratorExp | ast.DictComp):
                iterated += [generator.iter for generator in node.generators]
            elif (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Name)
                and node.func.id in ("list", "tuple", "enumerate", "iter")
            ):
                iterated += node.args[:1]
            wrong += [f"{relative(path)}:{i.lineno}" for i in iterated if unordered(i)]
    assert wrong == []


def test_every_public_name_has_a_docstring() -> None:
    wrong = []
    for path, tree in TREES.items():
        if path.relative_to(ROOT).parts[0] == "tests":
            continue
        if not ast.get_docstring(tree) and path.name != "__init__.py":
            wrong.append(relative(path))
        scopes: list[ast.Module | ast.ClassDef] = [tree]
        while scopes:
            for node in scopes.pop().body:
                if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                    continue
                if node.name.startswith("_"):
                    continue
                if isinstance(node, ast.ClassDef):
                    scopes.append(node)
                if not ast.get_docstring(node):
                    wrong.append(f"{relative(path)}:{node.lineno} {node.name}")
    assert wrong == []


# --- bans in C ---------------------------------------------------------------------------------


def test_atomics_are_in_one_file() -> None:
    wrong = [
        f"{relative(path)}: {word}"
        for path in C
        for word in re.findall(r"stdatomic|__atomic_|__sync_|\bvolatile\b", code_of(path))
        if (relative(path), word) != ("ringbus/atomics.h", "__atomic_")
    ]
    assert wrong == []


def test_pythons_own_header_is_where_modules_are_written_by_hand() -> None:
    """The C core knows nothing of Python; what crosses by cffi is generated."""
    used = {relative(path) for path in C if "Python.h" in code_of(path)}
    assert used == {"engine/arguments.h", "engine/event.h", "ringbus/single.c"}


def calls(path: Path, names: str) -> bool:
    return re.search(rf"\b(?:{names})\s*\(", code_of(path)) is not None


@pytest.mark.parametrize(
    ("names", "allowed"),
    [
        ("malloc|calloc|realloc|free|aligned_alloc|posix_memalign|strdup", ALLOCATORS),
        ("snprintf|vsnprintf", FORMATTERS),
        ("printf|fprintf|puts|perror|abort|exit|_exit|assert|alloca|setjmp|longjmp", {}),
        ("pthread_\\w+|mtx_\\w+|thrd_\\w+|sem_wait", {}),
        ("rand|random|gettimeofday|time|strcpy|strcat|sprintf|gets|system", {}),
    ],
    ids=["allocate", "format", "print or end", "lock", "dangerous"],
)
def test_what_the_data_plane_may_not_call(names: str, allowed: dict[str, str]) -> None:
    """R86, R87: pooled and ready at the start; nothing prints, ends the process or locks."""
    used = {relative(path) for path in SHIPPED_C if calls(path, names)}
    assert used - set(allowed) == set()
    assert set(allowed) - used == set(), "no longer needed"


def test_the_kernels_clock_is_asked_in_one_place() -> None:
    """R101: no acting on a local timer."""
    used = {relative(path) for path in SHIPPED_C if calls(path, "clock_gettime")}
    assert used == {"ringbus/clock.c"}


def test_no_function_calls_itself() -> None:
    wrong = []
    for path in SHIPPED_C:
        for function in re.finditer(
            r"^[a-z][\w \*]*?\b(\w+)\([^;{]*\)\n\{\n(.*?)^\}", code_of(path), re.M | re.S
        ):
            if re.search(rf"\b{function[1]}\s*\(", function[2]):
                wrong.append(f"{relative(path)}: {function[1]}")
    assert wrong == []


# --- labels of the ordered accesses ------------------------------------------------------------

LABEL = re.compile(r"/\*\s*([A-Z]+\d+)\b((?:[^*]|\*(?!/))*)\*/")
ORDERED = re.compile(r"\brb_(?:load_acquire|store_release|fence_acquire|fence_release)\w*\s*\(")


def labels() -> dict[str, list[tuple[str, set[str]]]]:
    """Label → (file, labels that it says it pairs with), for each place that carries it."""
    out: dict[str, list[tuple[str, set[str]]]] = {}
    for path in SHIPPED_C:
        for match in LABEL.finditer(path.read_text()):
            said = re.search(r"pairs with (.*)", match[2], re.DOTALL)
            partners = re.findall(r"\b[A-Z]+\d+\b", said[1]) if said else []
            out.setdefault(match[1], []).append((relative(path), set(partners)))
    return out


def test_ordered_accesses_name_partners_that_exist() -> None:
    """Each label that pairs with another finds it in the tree, and is named by it in turn."""
    known = labels()
    assert len(known) >= 20
    for label, places in known.items():
        for path, partners in places:
            for partner in partners:
                assert partner in known, f"{path}: {label} pairs with {partner}, which is nowhere"
                back = set().union(*(names for _, names in known[partner]))
                assert label in back, f"{path}: {label} pairs with {partner}, which says {back}"


# --- the tree ----------------------------------------------------------------------------------


def test_no_file_is_too_long() -> None:
    long = {
        relative(path): count
        for path in (*PYTHON, *C)
        if (count := len(path.read_text().splitlines())) > LINES_MAX
    }
    assert long == {}


TEXT_SUFFIXES = (".py", ".c", ".h", ".xml", ".md", ".toml", ".csv", ".sh", ".build", ".options")
# A path of one machine's, or the host name of a package registry; split, so as not to find itself.
FOREIGN = re.compile(
    r"(?<![\w.])/(?:work|home|Users|root)[/]|pypi[.]|python[h]osted|index[-]url|files[.]python"
)


def test_nothing_names_one_machine() -> None:
    """R24: what is here runs anywhere."""
    files = [*walk(*TEXT_SUFFIXES)]
    files += [path for path in sorted(ROOT.iterdir()) if path.suffix in TEXT_SUFFIXES]
    files.append(ROOT / "Makefile")
    wrong = [
        f"{relative(path)}: {match[0]}"
        for path in files
        for match in FOREIGN.finditer(path.read_text(errors="replace"))
    ]
    assert wrong == []
    assert os.sep == "/"
