"""The seat of a client port: who speaks for it, when two processes could.

A port that is placed on two cores has a process that speaks and one that stands by: both follow the
stream, and the seat is a lock on a byte of the port's lane, which the kernel frees when its holder
ends, however it ends. Who gets it then takes the lane, the address and the sessions, at once: it
has read the day already. Whoever was killed is started again, and stands by in turn.

The address is the same because both are on one host (SO_REUSEADDR). Where it is an address that can
move between hosts, whatever moves it must have done so before `wait` is told to go on: a successor
listens on the address that the port is configured with, and tries again while it is not there.
"""

from __future__ import annotations

from collections.abc import Callable

from ports.client import ClientPort
from ringbus.lock import ByteLocks
from ringbus.segment import Segment
from ringbus.status import SystemCallError
from tools.sections import PortSection

# Of the lane's file; byte 0 of a stream's stands for the same thing.
SPEAKER = 0
LOOK_SECONDS = 0.002


class Seat:
    """A port's right to speak; close it last.

    Args: lane: the port's; listening: told the port's name and TCP port when it speaks.
    """

    def __init__(
        self, lane: Segment, section: PortSection, listening: Callable[[str, int], None]
    ) -> None:
        self._locks = ByteLocks(lane.path)
        self._section = section
        self._listening = listening
        self._stopping = False

    def take(self) -> bool:
        """Try to get it; False: somebody who lives has it."""
        return self._locks.take(SPEAKER)

    def wait(self, port: ClientPort, pause: Callable[[float], object]) -> None:
        """Stand by until it is free, then take over; ends when it has, or after `stop`.

        Args: pause: waits so many seconds. Thread: one of its own.
        """
        while not self._stopping and not self.take():
            pause(LOOK_SECONDS)
        while not self._stopping:
            try:
                tcp = port.take_over(self._section.host, self._section.tcp)
            except SystemCallError:
                # The dead one's lock may be freed a moment before its socket.
                pause(LOOK_SECONDS)
                continue
            self._listening(self._section.name, tcp)
            return

    def stop(self) -> None:
        """End `wait`, from any thread."""
        self._stopping = True

    def close(self) -> None:
        """Free it."""
        self._locks.close()
