"""Events made by hand, for what shows a run."""

from collections.abc import Iterable
from typing import Any

from treadle.cli.run_view import RunView
from treadle.core.events import Event, StepPlanned
from treadle.core.payload import Payload


class Events:
    """Makes events one after the other, one second apart."""

    def __init__(self) -> None:
        self._count = 0

    def __call__(self, kind: type[Event], **fields: Any) -> Event:
        self._count += 1
        return kind(run_id="run", seq=self._count, at=float(self._count), **fields)

    def planned(self, step_id: str, *needs: str) -> Event:
        return self(
            StepPlanned,
            step_id=step_id,
            tool="increase",
            needs=needs,
            step=Payload({"id": step_id}),
        )


def folded(events: Iterable[Event]) -> RunView:
    view = RunView()
    for event in events:
        view.take(event)
    return view
