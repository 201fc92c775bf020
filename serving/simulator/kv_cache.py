"""The prefix cache of a simulated engine: whose KV is where, in tokens."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator


class LruCache:
    """KV that nobody uses and that stays until its room is needed.

    An engine frees the blocks of a call from the last to the first, and takes the block that was
    freed longest ago: so what goes first of a program is the end of its prefix, and what is left
    of it can still be used.
    """

    def __init__(self) -> None:
        self._tokens: OrderedDict[str, int] = OrderedDict()
        self.total = 0

    def put(self, program: str, tokens: int, *, first_to_go: bool = False) -> None:
        """`program` has freed `tokens` of its prefix."""
        self.take(program)
        if tokens > 0:
            self._tokens[program] = tokens
            self.total += tokens
            if first_to_go:
                self._tokens.move_to_end(program, last=False)

    def take(self, program: str) -> int:
        """What is left of its prefix, which is no longer here then."""
        tokens = self._tokens.pop(program, 0)
        self.total -= tokens
        return tokens

    def peek(self, program: str) -> int:
        """What is left of its prefix."""
        return self._tokens.get(program, 0)

    def touch(self, program: str) -> None:
        """Its prefix was used."""
        if program in self._tokens:
            self._tokens.move_to_end(program)

    def evict(self, tokens: int) -> int:
        """Make room for `tokens`; how much came of it."""
        missing = tokens
        while missing > 0 and self._tokens:
            program = next(iter(self._tokens))
            kept = self._tokens[program]
            if kept > missing:
                self._tokens[program] = kept - missing
                missing = 0
            else:
                del self._tokens[program]
                missing -= kept
        gone = tokens - missing
        self.total -= gone
        return gone

    def __iter__(self) -> Iterator[str]:
        return iter(self._tokens)
