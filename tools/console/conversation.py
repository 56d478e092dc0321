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

    def begin(self, text: bytes) -> Answer | None:
        """Take the request; returns the answer, None: `go_on` will have it."""
        try:
            return self._begin(text)
        except CommandError as error:
            return {"error": str(error), "taken": isinstance(error, TakenError)}

    def go_on(self) -> Answer | None:
        """The answer to what was said, when the stream and the journals have it."""
        assert self._said is not None
        try:
            change = self._console.say(self._said, self._user)
        except CommandError as error:
            return {"error": str(error), "taken": isinstance(error, TakenError)}
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
        said = Request.read(command)
        if do == "check":
            checked = self._console.check(said, self._user)
            return {
                "number": checked.number,
                "words": checked.words,
                "waits": checked.waits,
                "banner": self._console.banner,
            }
        self._said = said
        return self.go_on()
