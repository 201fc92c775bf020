"""One request inside a task, with what it is about."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field, replace
from functools import cached_property

from treadle.serving.offline.targets import Targets, find_targets
from treadle.serving.offline.token import Kind, Token
from treadle.serving.offline.vocabulary import MEASURES, NUMBERS, RANKING, SIZES


@dataclass(frozen=True)
class Clause:
    """The tokens of one request, and its targets.

    inherited: the targets came from an earlier part of the task.
    measures: the measures of that earlier part, for "which is longer".
    """

    tokens: tuple[Token, ...]
    targets: Targets = field(default_factory=Targets)
    inherited: bool = False
    earlier_measures: tuple[str, ...] = ()

    @classmethod
    def of(cls, tokens: tuple[Token, ...]) -> Clause:
        """The clause that `tokens` make by themselves."""
        return cls(tokens, find_targets(tokens))

    def about(self, targets: Targets, measures: tuple[str, ...]) -> Clause:
        """The same request about the targets of an earlier one."""
        return replace(self, targets=targets, inherited=True, earlier_measures=measures)

    @cached_property
    def words(self) -> tuple[str, ...]:
        """All words, in lower case and order."""
        return tuple(token.word for token in self.tokens if token.word)

    @cached_property
    def stems(self) -> tuple[str, ...]:
        """All words in the singular."""
        return tuple(token.stem for token in self.tokens if token.word)

    @cached_property
    def vocabulary(self) -> frozenset[str]:
        """The words and their singulars, as a set."""
        return frozenset(self.words) | frozenset(self.stems)

    @cached_property
    def text(self) -> str:
        """The words with single spaces between them and around, for phrases."""
        return f" {' '.join(self.words)} "

    def has(self, words: Collection[str]) -> bool:
        """Whether any of `words` is in the request."""
        return not self.vocabulary.isdisjoint(words)

    def says(self, *phrases: str) -> bool:
        """Whether any of `phrases` (several words) is in the request."""
        return any(f" {phrase} " in self.text for phrase in phrases)

    @cached_property
    def measures(self) -> tuple[str, ...]:
        """What is measured, as the fields of `file_statistics`, in the order of the words."""
        spoken = [
            token.stem if token.stem in MEASURES else token.word
            for token in self.tokens
            if token.stem in MEASURES or token.word in MEASURES
        ]
        exact = [word for word in spoken if word not in SIZES]
        # "larger than 100 lines" is about lines.
        return tuple(dict.fromkeys(MEASURES[word] for word in exact or spoken))

    @property
    def ranks(self) -> bool:
        """Whether things are to be put in order."""
        return self.has(RANKING)

    def position(self, words: Collection[str]) -> int:
        """Where the first of `words` stands among the tokens; -1 for nowhere."""
        for at, token in enumerate(self.tokens):
            if token.word and (token.word in words or token.stem in words):
                return at
        return -1

    def number_at(self, at: int) -> int | None:
        """The whole number that the token at `at` stands for."""
        if not 0 <= at < len(self.tokens):
            return None
        token = self.tokens[at]
        if token.kind is Kind.NUMBER and token.text.isdigit() and len(token.text) < 9:
            return int(token.text)
        return NUMBERS.get(token.word)

    def number_before(self, words: Collection[str]) -> int | None:
        """The number directly before one of `words`, as in "first 10 lines"."""
        for at, token in enumerate(self.tokens):
            if token.word and (token.word in words or token.stem in words):
                hyphen = at > 1 and self.tokens[at - 1].text == "-"
                number = self.number_at(at - 2 if hyphen else at - 1)
                if number is not None:
                    return number
        return None

    def number_after(self, words: Collection[str]) -> int | None:
        """The number directly after one of `words`, as in "top 5"."""
        for at, token in enumerate(self.tokens):
            if token.word and (token.word in words or token.stem in words):
                number = self.number_at(at + 1)
                if number is not None:
                    return number
        return None
