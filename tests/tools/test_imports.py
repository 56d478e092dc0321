"""What a process of an exchange imports: nothing that only others need.

Importing is most of what a start costs, and most of how long a killed core is missed. What takes
how long says `python -X importtime`; here it is held by name, so that no machine's mood decides.
"""

from __future__ import annotations

import inspect
import subprocess
import sys
from importlib.util import find_spec

import pytest

from tools.applications import KINDS
from tools.core import MAKERS
from tools.kind import load

TERMINAL = ("rich", "argparse", "tools.manual")
# Of those who made a mistake, or who wait for something that a core does not have.
SELDOM = ("difflib", "asyncio", "subprocess", "email", "multiprocessing")
FIX = ("simplefix", "ports.fix_port", "ports.fix_session")
APPLICATIONS = ("ports.auction", "ports.fairy", "ports.guardian", "ports.reporter", "ports.stops")
LINES = ("ringbus.lines", "ringbus.application")
EDGE = ("ports.client", "ports.authenticator", "ports.ouch", "ports.market", "tools.console.desk")
PASSIVE = ("engine.passive", "engine.standby", "engine.fused", "tools.replay_day", "tools.day")
ENGINE = ("engine.book", "engine.sequencer", "engine.shard", "engine.publisher")
JOURNAL = ("ringbus.repair", "ringbus.scrub", "ringbus.lossy_journal")
EVERYWHERE = (*TERMINAL, *FIX, *APPLICATIONS)
CORE = (*EVERYWHERE, *SELDOM, *PASSIVE)

CASES = {
    "tools.core": (*CORE, *LINES, *EDGE, *ENGINE, *JOURNAL),
    MAKERS["shard"]: (*CORE, *LINES, *EDGE, *JOURNAL),
    MAKERS["journal"]: (*CORE, *LINES, *EDGE, *ENGINE),
    MAKERS["port"]: (*CORE, *LINES, "ports.ouch", *ENGINE, *JOURNAL),
    KINDS["ticker"].maker: (*CORE, *EDGE, *ENGINE, *JOURNAL),
    KINDS["market"].maker: (*CORE, *LINES, "ports.client", "ports.ouch", *ENGINE, *JOURNAL),
    "tools.standby": (*EVERYWHERE, *SELDOM, *LINES, *EDGE),
    "tools.launcher": (*EVERYWHERE, *LINES, "ports.authenticator", "tools.core", "difflib"),
    "tools.cli": ("numpy", "rich", "tools.topology", "tools.launcher", *EDGE),
    "tools.down": ("numpy", "rich", "tools.topology", "tools.launcher", "tomllib", *SELDOM, *EDGE),
}


@pytest.mark.parametrize("place", CASES)
def test_a_process_imports_what_it_needs(place: str) -> None:
    """Each in a fresh interpreter, as a core of that kind is: tools.core, and then its maker."""
    unwanted = CASES[place]
    assert [name for name in unwanted if find_spec(name) is None] == [], "there is no such module"
    module = place.partition(":")[0]
    first = "import tools.core; " if ".makers." in module else ""
    code = f"{first}import sys, {module}; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = done.stdout.split()
    assert module in loaded
    assert [name for name in unwanted if name in loaded] == []


def test_what_makes_an_agent_is_there() -> None:
    """The names in both tables are those of functions, which take what a core gives them."""
    for kind in KINDS.values():
        assert list(inspect.signature(load(kind.maker)).parameters)[:1] == ["site"]
    for maker in MAKERS.values():
        assert list(inspect.signature(load(maker)).parameters) == ["process", "name"]
