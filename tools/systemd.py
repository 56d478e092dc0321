"""`ringbus systemd TOPOLOGY`: the units that run an exchange as a service.

Then: systemctl daemon-reload; systemctl start ringbus-NAME
Undo: systemctl disable --now ringbus-NAME ringbus-tune; remove the three files; daemon-reload.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from tools.manual import Parser
from tools.placement import Plan, place
from tools.topology import ConfigurationError, load_topology
from tuning.host import Host, cpu_list
from tuning.machine import Machine

# The launcher looks at its cores a hundred times a second.
WATCHDOG_SECONDS = 10
STOP_SECONDS = 30
START_SECONDS = 120


def main(argv: Sequence[str] | None = None) -> int:
    """Run `ringbus systemd`; returns the exit status."""
    options = _parser().parse_args(argv)
    try:
        plan = place(load_topology(options.topology), Machine.of(Host()))
        plan.refuse()
        for name, text in units(plan).items():
            if options.output is None:
                print(f"# {name}\n{text}")
            else:
                (options.output / name).write_text(text, encoding="utf-8")
                print(options.output / name)
    except (ConfigurationError, OSError) as error:
        print(f"ringbus systemd: {error}", file=sys.stderr)
        return 1
    return 0


def units(plan: Plan) -> dict[str, str]:
    """The files of the units: the settings, a slice with the CPUs, and the service in it."""
    name = f"ringbus-{plan.topology.name}"
    return {
        "ringbus-tune.service": _tune(plan),
        f"{name}.slice": _slice(plan),
        f"{name}.service": _service(plan, name),
    }


def _tune(plan: Plan) -> str:
    """What can be set at run time is, at every start of the host; stopped, it takes it back."""
    cpus = f" --cpus {cpu_list(plan.hot)}" if plan.hot else ""
    return "\n".join(
        [
            "[Unit]",
            "Description=Settings of the host that cost latency",
            "After=sysinit.target systemd-sysctl.service",
            "",
            "[Service]",
            "Type=oneshot",
            "RemainAfterExit=yes",
            # What the kernel refuses is said in the log, and is no reason not to start.
            f"ExecStart=-{sys.executable} -m tools.cli tune apply{cpus}",
            f"ExecStop={sys.executable} -m tools.cli tune undo",
            "",
            "[Install]",
            "WantedBy=multi-user.target",
            "",
        ]
    )


def _slice(plan: Plan) -> str:
    cpus = plan.hot | plan.housekeeping
    cpus |= frozenset(seat.cpu for seat in plan.seats if seat.cpu is not None)
    return "\n".join(
        [
            "[Unit]",
            f"Description=CPUs of exchange {plan.topology.name}",
            "",
            "[Slice]",
            f"AllowedCPUs={cpu_list(cpus)}",
            "CPUWeight=10000",
            "",
        ]
    )


def _service(plan: Plan, name: str) -> str:
    path = plan.topology.path
    return "\n".join(
        [
            "[Unit]",
            f"Description=Exchange {plan.topology.name}",
            "After=network-online.target ringbus-tune.service",
            "Wants=network-online.target ringbus-tune.service",
            "",
            "[Service]",
            "Type=notify",
            f"ExecStart={sys.executable} -m tools.cli up {path}",
            f"ExecStopPost={sys.executable} -m tools.cli down {path}",
            f"WorkingDirectory={path.parent}",
            f"Slice={name}.slice",
            f"CPUAffinity={cpu_list(plan.housekeeping | plan.hot)}",
            # A day that was not ended is gone on with on the operator's word, not by itself.
            "Restart=no",
            # The launcher stops its cores in order; what is left after that is killed.
            "KillMode=mixed",
            f"TimeoutStartSec={START_SECONDS}",
            f"TimeoutStopSec={STOP_SECONDS}",
            f"WatchdogSec={WATCHDOG_SECONDS}",
            "NotifyAccess=main",
            "LimitMEMLOCK=infinity",
            "LimitRTPRIO=10",
            "LimitNOFILE=1048576",
            "LimitCORE=0",
            "TimerSlackNSec=1",
            "OOMScoreAdjust=-900",
            "UMask=0077",
            "NoNewPrivileges=yes",
            "Environment=MALLOC_TRIM_THRESHOLD_=1073741824 MALLOC_TOP_PAD_=16777216",
            "",
            "[Install]",
            "WantedBy=multi-user.target",
            "",
        ]
    )


def _parser() -> argparse.ArgumentParser:
    parser = Parser(prog="ringbus systemd", description=__doc__)
    parser.add_argument("topology", type=Path, help="topology file")
    parser.add_argument("--output", type=Path, metavar="DIR", help="write the files there")
    return parser


if __name__ == "__main__":
    sys.exit(main())
