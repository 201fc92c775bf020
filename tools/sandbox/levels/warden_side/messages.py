"""What host and warden say to each other, as JSON in one packet each."""

from __future__ import annotations

from typing import TypedDict

PACKET_BYTES = 256 * 1024


class Uids(TypedDict):
    """Where the uids' locks are, and which uids there are."""

    folder: str
    first: int
    count: int


class Mapping(TypedDict):
    """The subordinate ids of an ordinary user: `count` uids and as many gids.

    In the user namespace that they are mapped in, a uid is the number that it is outside, and the
    gid that goes with a uid has that same number.
    """

    first_uid: int
    first_gid: int
    count: int


class Settings(TypedDict):
    """The first packet. stage: a folder to mount on; staged: what is bound below it, by name.

    uids: None where executions get none of their own. mapping: where they are an ordinary user's.
    cgroups: the folders to make cgroups in, by kind.
    """

    uids: Uids | None
    mapping: Mapping | None
    stage: str | None
    staged: dict[str, str]
    cgroups: dict[str, str]


class Request(TypedDict):
    """Start one execution, with the descriptors that come along: its lifeline, then 0, 1, 2, ...

    leased: whether it gets a uid of its own, where there are any. stage: what is bound for it
    alone, by target. confined: a size makes it a confined one (without
    bubblewrap) with a workspace of that many bytes; None for one that argv confines by itself.
    """

    argv: list[str]
    leased: bool
    seconds: float
    memory_bytes: int
    processes: int
    stage: dict[str, str]
    environment: dict[str, str]
    confined: int | None


class Opening(TypedDict):
    """Make all that is in a folder readable, with its descriptor after that of a lifeline."""

    open_up: bool


class Usage(TypedDict):
    """What an execution used."""

    cpu_seconds: float | None
    peak_memory_bytes: int | None
