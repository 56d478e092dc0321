"""All settings by theme, and what is found of them on a host."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from tuning import frequency, isolation, kernel, memory, network, processor, services
from tuning.host import Host, Missing, Unreadable
from tuning.setting import Finding, Outcome, Reading, Setting

THEMES: Final[dict[str, tuple[Setting, ...]]] = {
    "CPUs": processor.SETTINGS,
    "clock speed and sleep": frequency.SETTINGS,
    "isolation": isolation.SETTINGS,
    "kernel": kernel.SETTINGS,
    "memory": memory.SETTINGS,
    "network": network.SETTINGS,
    "services and limits": services.SETTINGS,
}
SETTINGS: Final = {one.name: one for settings in THEMES.values() for one in settings}
THEME_OF: Final = {one.name: theme for theme, settings in THEMES.items() for one in settings}


def check(host: Host, names: Iterable[str] = ()) -> list[Finding]:
    """What is found of the named settings, or of all. Raises: KeyError: there is none of a name."""
    wanted = [SETTINGS[name] for name in names] or list(SETTINGS.values())
    return [Finding(one, THEME_OF[one.name], look(one, host)) for one in wanted]


def look(setting: Setting, host: Host) -> Reading:
    """What is found of one setting; nothing is raised for what cannot be read."""
    try:
        return setting.read(host)
    except Missing as missing:
        if setting.metal and host.virtual:
            return Reading(Outcome.ABSENT, "the host of this virtual machine decides")
        return Reading(Outcome.ABSENT, str(missing))
    except Unreadable as unreadable:
        return Reading(Outcome.UNREADABLE, str(unreadable))
    except (ValueError, IndexError) as error:
        return Reading(Outcome.UNREADABLE, f"{setting.where}: not understood ({error})")
