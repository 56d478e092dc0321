"""Files that tune a host for good: the kernel command line, sysctl.d, a profile of tuned(8).

They are written out, never put in place: that is for whoever answers for the host to do.
"""

from __future__ import annotations

from collections.abc import Sequence

from tuning.apply import current
from tuning.checks import THEME_OF, look
from tuning.host import Host, cpu_list
from tuning.setting import Outcome, Setting, Write, nothing

HEADER = "# Made by `ringbus tune generate`; hot CPUs {hot}, housekeeping CPUs {housekeeping}."


def kernel_options(host: Host, settings: Sequence[Setting]) -> list[str]:
    """What the kernel command line needs, each option once, in the order of the settings.

    What is right, or does not apply, is left out.
    """
    options: dict[str, None] = {}
    for setting in settings:
        if look(setting, host).outcome in (Outcome.WRONG, Outcome.UNREADABLE):
            for option in setting.kernel_option(host).split():
                options[option] = None
    return list(options)


def grub(host: Host, settings: Sequence[Setting]) -> str:
    """A file for /etc/default/grub.d: `update-grub` and a restart take it in."""
    said = " ".join(kernel_options(host, settings))
    lines = [
        _header(host),
        "# Put into /etc/default/grub.d/ringbus.cfg; update-grub; restart. Undo: remove, the same.",
        f'GRUB_CMDLINE_LINUX_DEFAULT="$GRUB_CMDLINE_LINUX_DEFAULT {said}"',
    ]
    return "\n".join(lines) + "\n"


def sysctls(host: Host, settings: Sequence[Setting]) -> str:
    """A file for /etc/sysctl.d."""
    lines = [
        _header(host),
        "# Put into /etc/sysctl.d/60-ringbus.conf; sysctl --system. Undo: remove it, restart.",
    ]
    lines += [f"{write.sysctl} = {write.value}" for write in _writes(host, settings, "/proc/sys/")]
    return "\n".join(lines) + "\n"


def tuned(host: Host, settings: Sequence[Setting]) -> str:
    """A profile for /etc/tuned/ringbus/tuned.conf."""
    lines = [
        _header(host),
        "# Put into /etc/tuned/ringbus/tuned.conf; tuned-adm profile ringbus. Undo: tuned-adm off.",
        "[main]",
        "summary=An exchange on dedicated CPUs",
        "",
        "[cpu]",
        "force_latency=0",
        "",
        "[sysctl]",
        *(f"{one.sysctl}={one.value}" for one in _writes(host, settings, "/proc/sys/")),
        "",
        "[sysfs]",
        *(f"{one.path}={one.value}" for one in _writes(host, settings, "/sys/")),
        "",
        "[bootloader]",
        f"cmdline_ringbus={' '.join(kernel_options(host, settings))}",
    ]
    return "\n".join(lines) + "\n"


def manager(host: Host, settings: Sequence[Setting]) -> str:
    """A file for /etc/systemd/system.conf.d: every service on the housekeeping CPUs."""
    lines = [
        _header(host),
        "# Put into /etc/systemd/system.conf.d/ringbus.conf; restart. Undo: remove it, restart.",
        "[Manager]",
        f"CPUAffinity={cpu_list(host.housekeeping)}",
    ]
    return "\n".join(lines) + "\n"


def reference(host: Host, settings: Sequence[Setting]) -> str:
    """Every setting in a page of text, whatever the host."""
    lines = [
        "# Settings of a host that cost latency",
        "",
        "Made by `ringbus tune generate reference`. `ringbus tune explain SETTING` says the same",
        "of one, and what was found.",
    ]
    for theme in dict.fromkeys(THEME_OF[setting.name] for setting in settings):
        lines += ["", f"## {theme[0].upper()}{theme[1:]}"]
        for one in settings:
            if THEME_OF[one.name] == theme:
                lines += ["", f"**{one.name}** ({one.where}): {one.good}."]
                lines += [one.why, *_ways(one), f"Undo: {one.undoing}. Danger: {one.danger}."]
    return "\n".join(lines) + "\n"


def _ways(setting: Setting) -> list[str]:
    ways = ["`ringbus tune apply`"] if setting.change is not nothing else []
    if setting.kernel:
        option = setting.kernel.format(hot="HOT", housekeeping="HOUSEKEEPING")
        ways.append(f"kernel command line `{option}`")
    ways += [setting.how] if setting.how else []
    return [f"Set it: {'; '.join(ways)}."]


FILES = {
    "reference": reference,
    "grub": grub,
    "sysctl": sysctls,
    "tuned": tuned,
    "systemd": manager,
}


def _header(host: Host) -> str:
    return HEADER.format(hot=cpu_list(host.hot), housekeeping=cpu_list(host.housekeeping))


def _writes(host: Host, settings: Sequence[Setting], under: str) -> list[Write]:
    """What makes and keeps all settings good, below a directory, each file once."""
    writes: dict[str, Write] = {}
    for setting in settings:
        outcome = look(setting, host).outcome
        for write in setting.change(host):
            if not write.path.startswith(under):
                continue
            if outcome == Outcome.GOOD:
                # What is good already may have been made so for a while only: it is to stay so.
                writes.setdefault(write.path, Write(write.path, current(host, write) or ""))
            elif outcome == Outcome.WRONG:
                writes[write.path] = write
    return [write for write in writes.values() if write.value]
