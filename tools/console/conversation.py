"""One operator's request and its answer, whichever way they come: a line of JSON each.

    {"do": "check", "command": {…}}    ▶ {"number": 7, "words": "kill firm ACME: …", "waits": false,
                                          "banner": ""}
    {"do": "say", "command": {… "number": 7}}    ▶ {"number": 7, "sequence": 4711, "outcome": …}
    {"do": "waiting"}                  ▶ {"waiting": [{…}, …]}
    what cannot be                     ▶ {"error": "there is no firm …", "taken": false}

`say` may be said again, with the same number, when its answer was lost.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Final

from tools.console.desk import Console, TakenError
from tools.console.words import CommandError, Request

REQUEST_BYTES_MAX: Final = 4096
Answer = dict[str, object]


class Conversation:
    """With one operator.

    Args: user: the local user who speaks; durable: the last message that a client may be shown.
    """

    def __init__(self, console: Console, user: int, durable: Callable[[], int]) -> None:
        self._console = console
        self._user = user
        self._durable = durable
        self._said: Request | None = None
        self._is_check = False

    def begin(self, text: bytes) -> Answer | None:
        """Take the request; returns the answer, None: `go_on` will have it."""
        try:
            return self._begin(text)
        except CommandError as error:
            return {"error": str(error), "taken": isinstance(error, TakenError)}

    def go_on(self) -> Answer | None:
        """The answer to what was asked, when the stream and the journals have it."""
        assert self._said is not None
        try:
            return self._checked(self._said) if self._is_check else self._told(self._said)
        except CommandError as error:
            return {"error": str(error), "taken": isinstance(error, TakenError)}

    def _checked(self, said: Request) -> Answer | None:
        checked = self._console.check(said, self._user)
        if checked is None:
            return None
        return {
            "number": checked.number,
            "words": checked.words,
            "waits": checked.waits,
            "banner": self._console.banner,
        }

    def _told(self, said: Request) -> Answer | None:
        change = self._console.say(said, self._user)
        if change is None or change.last > self._durable():
            return None
        return self._console.told(change)

    def _begin(self, text: bytes) -> Answer | None:
        try:
            request = json.loads(text)
        except (ValueError, RecursionError):
            raise CommandError("a request is a line of JSON") from None
        do = request.get("do") if isinstance(request, dict) else None
        if not self._console.is_live:
            raise CommandError("the console still reads the day's messages; try again in a moment")
        if do == "waiting":
            told = self._console.told
            return {"waiting": [told(change) for change in self._console.waiting()]}
        command = request.get("command") if isinstance(request, dict) else None
        if do not in ("check", "say") or not isinstance(command, dict):
            raise CommandError('a request says "do": check, say or waiting, and its "command"')
        self._said, self._is_check = Request.read(command), do == "check"
        return self.go_on()
