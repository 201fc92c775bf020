"""Word pieces, as the model was trained on them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from treadle.core.errors import ConfigError
from treadle.memory.embedders.minilm.word_pieces import WordPieces

WORDS = [
    "[PAD]",
    "[UNK]",
    "[CLS]",
    "[SEP]",
    "play",
    "##ing",
    "##s",
    "cafe",
    ",",
    "[",
    "]",
    "sep",
    "東",
]
PIECES = WordPieces({word: number for number, word in enumerate(WORDS)})


def pieces(text: str, most: int = 50) -> list[str]:
    return [WORDS[number] for number in PIECES.numbers(text, most)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        ("Playing", ["play", "##ing"]),
        ("play,s plays", ["play", ",", "[UNK]", "play", "##s"]),
        ("CAFÉ", ["cafe"]),
        ("pl\u00aday\x00s", ["play", "##s"]),
        ("東東", ["東", "東"]),
        ("[SEP]", ["[", "sep", "]"]),
        ("play" * 26, ["[UNK]"]),
        ("\ud800 play", ["play"]),
    ],
)
def test_texts_are_split_as_the_model_expects(text: str, expected: list[str]) -> None:
    assert pieces(text) == ["[CLS]", *expected, "[SEP]"]


@given(st.text(st.characters(exclude_categories=[]), max_size=300), st.integers(2, 20))
def test_no_text_gets_past_the_limit(text: str, most: int) -> None:
    found = PIECES.numbers(text, most)
    assert len(found) <= most
    assert (found[0], found[-1]) == (2, 3)
    assert not {2, 3} & set(found[1:-1])


def test_ten_megabytes_are_not_read() -> None:
    assert len(pieces("play " * 2_000_000, 256)) == 256


def test_a_vocabulary_without_special_tokens_is_refused() -> None:
    with pytest.raises(ConfigError, match="bad_embedder_files"):
        WordPieces({"play": 0})
