"""The programs an engine knows: since when, and whether anything is heard of them."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass


@dataclass(slots=True)
class ProgramRecord:
    """One program. arrived: when its first call came. calls: how many are in the engine now.
    over: it was ended while calls of it still ran."""

    arrived: float
    calls: int = 0
    over: bool = False
    heard: float = 0.0


class ProgramTable:
    """All programs, those of which nothing was heard for longest first.

    patience: seconds after which a program without calls is given up.
    most: how many programs are kept; more than that and the quietest is given up early, so that
        clients that invent a program for every request cost a bounded amount of memory.
    """

    def __init__(self, patience: float, most: int = 65_536) -> None:
        self._patience = patience
        self._most = most
        self._records: OrderedDict[str, ProgramRecord] = OrderedDict()

    def __len__(self) -> int:
        return len(self._records)

    def __contains__(self, program_id: str) -> bool:
        return program_id in self._records

    def arrived(self, program_id: str, now: float) -> None:
        """A call of it came; a program that was over begins anew."""
        record = self._records.get(program_id)
        if record is None:
            record = self._records[program_id] = ProgramRecord(now)
        elif record.over:
            record.over = False
            record.arrived = now
        record.calls += 1
        self._heard(program_id, record, now)

    def left(self, program_id: str, now: float) -> ProgramRecord:
        """A call of it finished or was aborted. Raises KeyError for one that never came."""
        record = self._records[program_id]
        record.calls -= 1
        self._heard(program_id, record, now)
        if record.over and not record.calls:
            del self._records[program_id]
        return record

    def end(self, program_id: str) -> bool:
        """It is over; whether it was known. While calls of it run, that is remembered."""
        record = self._records.get(program_id)
        if record is None:
            return False
        record.over = True
        if not record.calls:
            del self._records[program_id]
        return True

    def calls(self, program_id: str) -> int:
        """How many calls of it are in the engine."""
        record = self._records.get(program_id)
        return 0 if record is None else record.calls

    def since(self, program_id: str) -> float:
        """When its first call came; the beginning of time where it is not known."""
        record = self._records.get(program_id)
        return 0.0 if record is None else record.arrived

    def forsaken(self, now: float) -> str | None:
        """A program to give up now; None where there is none."""
        for program_id, record in self._records.items():
            too_many = len(self._records) > self._most
            if not too_many and now - record.heard < self._patience:
                return None
            if not record.calls:
                return program_id
        return None

    def _heard(self, program_id: str, record: ProgramRecord, now: float) -> None:
        record.heard = now
        self._records.move_to_end(program_id)
