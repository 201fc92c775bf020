"""What host and warden say to each other, as JSON in one packet each."""

from __future__ import annotations

from typing import TypedDict

PACKET_BYTES = 256 * 1024


class Uids(TypedDict):
    """Where the uids' locks are, and which uids there are."""

    folder: str
    first: int
    count: int


class Settings(TypedDict):
    """The first packet. stage: a folder to mount on; staged: what is bound below it, by name.

    cgroups: the folders to make cgroups in, by kind.
    """

    uids: Uids
    stage: str | None
    staged: dict[str, str]
    cgroups: dict[str, str]


class Request(TypedDict):
    """Start one execution, with the descriptors that come along: its lifeline, then 0, 1, 2, ...

    stage: what is bound for it alone, by target. confined: a size makes it a confined one (without
    bubblewrap) with a workspace of that many bytes; None for one that argv confines by itself.
    """

    argv: list[str]
    seconds: float
    memory_bytes: int
    processes: int
    stage: dict[str, str]
    environment: dict[str, str]
    confined: int | None


class Usage(TypedDict):
    """What an execution used."""

    cpu_seconds: float | None
    peak_memory_bytes: int | None
