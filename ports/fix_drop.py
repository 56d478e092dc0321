"""Drop copies over FIX: execution reports of other sessions' orders, for whoever hears them.

A copy is made from the stream by the same class as the client's own report, and says whose it is:
OnBehalfOfCompID (115) is the client, OnBehalfOfSubID (116) its firm, Account (1) its account; in
4.4 CopyMsgIndicator (797) is Y. Orders of FIX clients keep their ClOrdIDs; those of OUCH clients
have their UserRefNum for ClOrdID, since that names one order of the day, and the client's own text
as SecondaryClOrdID (526).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ports.client import ClientSession, Instrument
from ports.fix import FIX44, Pair
from ports.fix_account import Account
from ports.fix_lines import Line, Tag
from ports.fix_reports import Event, ExecutionReport
from ringbus.messages import Template


@dataclass(frozen=True, slots=True)
class CopiedReport:
    """35=8, of somebody else's order."""

    report: ExecutionReport
    user: str
    firm: str
    account: int

    def type(self, version: str) -> str:
        """MsgType."""
        return self.report.type(version)

    def fields(self, version: str) -> list[Pair]:
        """The body, by tag."""
        copy: list[Pair] = [(1, str(self.account))]
        if version == FIX44:
            copy.append((797, "Y"))
        return sorted([*self.report.fields(version), *copy])

    @property
    def header(self) -> list[Pair]:
        """What its header has besides."""
        return [(115, self.user), (116, self.firm)] if self.firm else [(115, self.user)]


class Heard:
    """A session that others hear: its orders, from its lines."""

    def __init__(self, session: ClientSession, instruments: Sequence[Instrument]) -> None:
        self._session = session
        self._account = Account(session.topic, instruments, by_number=True)

    def apply(self, line: Line, tag: Tag | None) -> CopiedReport | None:
        """Take the next line of its topic; returns what a drop copy is told of it."""
        is_refusal = line.template in (Template.REJECT, Template.REJECTED)
        if is_refusal and line.detail not in (Template.NEW_ORDER, Template.STOP_ORDER):
            return None
        report = self._account.apply(line, tag)
        if not isinstance(report, ExecutionReport) or report.event is Event.STATUS:
            return None
        session = self._session
        return CopiedReport(report, session.user, session.firm_name, session.account)
