"""What was erased, and how it is known that it is gone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from treadle.core.json_value import JsonValue
from treadle.memory.namespace import Namespace


@dataclass(frozen=True, slots=True)
class Proof:
    """What was looked through afterwards, and for how much.

    fragments: distinctive pieces of what was erased that were looked for.
    files, bytes_scanned: the files of the database that were read from end to end, free space in
        them included; none on PostgreSQL, whose files are the server's.
    rows_scanned: rows of the namespaces in which the fragments were looked for as text.
    found: fragments that are in the files and that no row accounts for; more than 0 is a fault.
    live: rows, per table, that were not asked to be erased and say the same, such as an episode
        that quotes an erased one.
    named: rows that still bear the name of an erased subject; more than 0 is a fault, or somebody
        has written of it meanwhile.
    """

    fragments: int = 0
    files: tuple[str, ...] = ()
    bytes_scanned: int = 0
    rows_scanned: int = 0
    found: int = 0
    live: Mapping[str, int] = field(default_factory=dict)
    named: int = 0


@dataclass(frozen=True, slots=True)
class Receipt:
    """What became of a call of `forget`.

    erased: rows per table of memory that are gone.
    elsewhere: what else was erased, such as payloads of runs, by what was looked through.
    notes: what a person has to know or to do: ambiguous names, backups.
    """

    namespace: Namespace
    subject: str | None = None
    erased: Mapping[str, int] = field(default_factory=dict)
    elsewhere: Mapping[str, int] = field(default_factory=dict)
    proof: Proof = field(default_factory=Proof)
    notes: tuple[str, ...] = ()

    @property
    def rows(self) -> int:
        """Rows of memory that are gone."""
        return sum(self.erased.values())

    @property
    def proved(self) -> bool:
        """Whether nothing of what was erased was found afterwards."""
        return self.proof.found == 0 and self.proof.named == 0

    def as_json(self) -> dict[str, JsonValue]:
        """What the command line prints."""
        proof = self.proof
        return {
            "namespace": str(self.namespace),
            "subject": self.subject,
            "erased": dict(self.erased),
            "elsewhere": dict(self.elsewhere),
            "proved": self.proved,
            "proof": {
                "fragments": proof.fragments,
                "files": list(proof.files),
                "bytes_scanned": proof.bytes_scanned,
                "rows_scanned": proof.rows_scanned,
                "found": proof.found,
                "live": dict(proof.live),
                "named": proof.named,
            },
            "notes": list(self.notes),
        }
