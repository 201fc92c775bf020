"""What a program's calls have in common, as the names of their blocks.

vLLM's scheduler never looks at a token: a block is found by its hash, a hash is whatever the
request's hasher says. So the simulation makes no tokens. It names each block of a program after
the program, its place, and the turn of the conversation since which it is as it is.
"""

from __future__ import annotations

from struct import Struct

_NAME = Struct(">QQQ")


class ProgramContext:
    """The context of one program, which its calls extend in turn.

    number: of the program, unique in the engine.
    block_tokens: tokens in a block.
    """

    def __init__(self, number: int, block_tokens: int) -> None:
        self._number = number
        self._block_tokens = block_tokens
        self._tokens = 0
        self._revision = 0
        self._names: list[bytes] = []

    def begin(self, prompt_tokens: int, output_tokens: int) -> CallContext:
        """The next call. Its prompt extends what there was; where it is shorter than that, what
        follows it is new."""
        if prompt_tokens < self._tokens:
            self._revision += 1
            # A list of its own: a call before it may still read the old one.
            self._names = self._names[: prompt_tokens // self._block_tokens]
        self._tokens = prompt_tokens + output_tokens
        names = self._names
        for place in range(len(names), self._tokens // self._block_tokens):
            names.append(_NAME.pack(self._number, self._revision, place))
        return CallContext(names, self._block_tokens)


class CallContext:
    """The names of the blocks of one call, in the order of its tokens."""

    __slots__ = ("_block_tokens", "_names")

    def __init__(self, names: list[bytes], block_tokens: int) -> None:
        self._names = names
        self._block_tokens = block_tokens

    def between(self, known: int, tokens: int) -> list[bytes]:
        """The names of the full blocks among the first `tokens`, but for the first `known`."""
        return self._names[known : tokens // self._block_tokens]
