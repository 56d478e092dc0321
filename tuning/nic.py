"""What a network card is asked itself, since no file tells: how long it waits for more packets."""

from __future__ import annotations

import fcntl

# An exception to the rule against sockets: the kernel takes such questions through one only.
import socket
import struct
from array import array
from typing import Final

# ethtool(7), linux/ethtool.h: the request, the command, and the words of struct ethtool_coalesce.
SIOCETHTOOL: Final = 0x8946
ETHTOOL_GCOALESCE: Final = 0x0E
WORDS: Final = 23
RECEIVE_US: Final = 1
ADAPTIVE_RECEIVE: Final = 10
NAME_BYTES: Final = 15
REQUEST_BYTES: Final = 40


def coalescing(interface: str) -> int | None:
    """Microseconds that a card holds a received packet back for others; None: it does not say.

    One that adapts itself waits for at least one.
    """
    # The kernel writes its answer where the request points.
    words = array("I", [ETHTOOL_GCOALESCE, *[0] * (WORDS - 1)])
    name = interface.encode()[:NAME_BYTES]
    request = struct.pack("16sP", name, words.buffer_info()[0]).ljust(REQUEST_BYTES, b"\0")
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asked:
            fcntl.ioctl(asked, SIOCETHTOOL, request)
    except OSError:
        return None
    return max(words[RECEIVE_US], 1 if words[ADAPTIVE_RECEIVE] else 0)
