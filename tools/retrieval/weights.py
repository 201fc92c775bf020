"""The few numbers of tool retrieval."""

from __future__ import annotations

from dataclasses import dataclass

from treadle.core.errors import ConfigError


@dataclass(frozen=True, slots=True)
class SearchWeights:
    """How much each kind of evidence counts; the defaults suit collections of any naming style.

    name, description, parameters, use: of a word in these fields (BM25F); `use` is the words of
        tasks that a tool has served.
    saturation: BM25's k1; length: BM25's b.
    pair: of two words that stand side by side, beside their own weights.
    similar: of a word that shares most of its 4-grams with a word of the query.
    family: of what a tool's siblings say.
    clause: of being the best for one clause of the query, beside being good for all of it.
    together: of having been in one plan with the best tools found.
    meaning: of the embedding's cosine, where there is an embedder.

    Raises ConfigError (`bad_weights`) for a number that is negative, or for a `length` over 1.
    """

    name: float = 4.0
    description: float = 1.0
    parameters: float = 1.0
    use: float = 1.0
    saturation: float = 2.0
    length: float = 0.9
    pair: float = 0.4
    similar: float = 0.6
    family: float = 0.5
    clause: float = 0.75
    together: float = 0.3
    meaning: float = 0.5

    def __post_init__(self) -> None:
        for field in self.__dataclass_fields__:
            value = getattr(self, field)
            if not 0 <= value < float("inf"):
                raise ConfigError("bad_weights", f"the weight {field}={value} is out of range")
        if self.length > 1 or self.saturation == 0:
            raise ConfigError("bad_weights", "length is at most 1, saturation more than 0")
