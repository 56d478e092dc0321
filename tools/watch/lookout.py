"""Lookout: an exchange by its name, through days on which it comes and goes."""

from __future__ import annotations

from ringbus.status import RingbusError
from tools.topology import ConfigurationError
from tools.watch.sample import Sample
from tools.watch.sampler import Sampler


class Lookout:
    """Looks at whatever exchange has that name now; use it with `close`.

    `why` says why there is none to look at, "" while there is. Thread: one.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.why = "nobody has looked yet"
        self._sampler: Sampler | None = None

    def find(self) -> Sampler | None:
        """Attach, if that has not been done; None: nothing of that name is up."""
        if self._sampler is None:
            try:
                self._sampler, self.why = Sampler(self.name), ""
            except (RingbusError, ConfigurationError, OSError) as error:
                self.why = str(error)
        return self._sampler

    def follow(self, limit: int) -> int:
        """Hear about `limit` messages of its stream; returns how many there were."""
        if self._sampler is None:
            return 0
        try:
            return self._sampler.follow(limit)
        except RingbusError as error:
            self._lose(error)
            return 0

    def look(self, now_ns: int) -> Sample | None:
        """How it is now; None: there is none, or no more."""
        sampler = self.find()
        if sampler is None:
            return None
        try:
            return sampler.sample(now_ns)
        except (RingbusError, OSError) as error:
            self._lose(error)
            return None

    def _lose(self, error: Exception) -> None:
        self.close()
        self.why = str(error)

    def close(self) -> None:
        """Unmap everything."""
        if self._sampler is not None:
            self._sampler.close()
            self._sampler = None
