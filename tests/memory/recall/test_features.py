"""The ranker's parts, without a database."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from treadle.memory.kinds import Kind
from treadle.memory.recall.candidates import Postings, candidates
from treadle.memory.recall.entry import Entry, Surroundings
from treadle.memory.recall.features import DENSE, NAMES, Scoring, Statistics
from treadle.memory.recall.graph import walk
from treadle.memory.recall.question import Question
from treadle.memory.recall.weights import LEXICAL, WITH_DENSE
from treadle.memory.text import terms

NOW = datetime(2024, 1, 1, tzinfo=UTC)


def _entries(texts: list[str]) -> list[Entry]:
    return [
        Entry(at, Kind.EPISODE, text, terms(text), "Ann", "t", at - 1 if at > 1 else None)
        for at, text in enumerate(texts, 1)
    ]


def _rows(query: str, texts: list[str]) -> list[dict[str, float]]:
    entries = _entries(texts)
    frequency: dict[str, int] = {}
    for each in entries:
        for term in set(each.terms):
            frequency[term] = frequency.get(term, 0) + 1
    scoring = Scoring(
        Question.of(query, NOW), Surroundings(entries), Statistics(len(texts), 4.0, frequency), {}
    )
    return [dict(zip(NAMES, row, strict=True)) for row in scoring.rows(entries)]


def test_every_weight_is_of_a_feature() -> None:
    assert set(WITH_DENSE) == set(NAMES)
    assert set(LEXICAL) == set(NAMES) - DENSE


def test_a_turn_lends_what_it_matches_to_those_around_it() -> None:
    rows = _rows("lake", ["the lake was cold", "indeed it was", "other things", "more", "cake"])
    assert rows[0]["turn"] > 0
    assert rows[1]["turn"] == 0
    assert rows[1]["pair"] > 0
    assert rows[1]["before"] == rows[0]["turn"]
    assert rows[4]["window"] == 0


def test_rare_words_weigh_more() -> None:
    rows = _rows("lake party", ["party tonight", "party time", "party hat", "lake view"])
    assert rows[3]["turn"] > rows[0]["turn"]


@given(st.lists(st.text(max_size=30), min_size=1, max_size=8), st.text(max_size=40))
def test_features_are_finite_whatever_the_texts(texts: list[str], query: str) -> None:
    for row in _rows(query, texts):
        assert all(-100 < value < 100 for value in row.values())


def test_candidates_share_rare_terms_or_stand_beside_those_that_do() -> None:
    found = candidates(
        [Postings("common", list(range(100, 0, -1))), Postings("rare", [50])], items=100, most=3
    )
    assert found[0] == 50
    assert set(found) == {49, 50, 51}


@given(st.lists(st.lists(st.integers(1, 500), max_size=50), max_size=6), st.integers(0, 1000))
def test_candidates_are_few_and_positive(lists: list[list[int]], items: int) -> None:
    found = candidates(
        [Postings(str(at), sorted(set(each), reverse=True)) for at, each in enumerate(lists)],
        items,
        most=20,
    )
    assert len(found) == len(set(found)) <= 20
    assert all(number > 0 for number in found)


def test_a_frequency_is_estimated_where_not_all_were_read() -> None:
    newest = list(range(10_000, 8_000, -1))
    assert Postings("x", newest, complete=True).frequency(10_000) == 2_000
    assert Postings("x", newest, complete=False).frequency(10_000) == pytest.approx(
        10_000, rel=0.01
    )


def test_a_walk_reaches_what_shares_an_entity_and_nothing_else() -> None:
    scores = walk([(1, 10), (1, 11), (2, 11), (2, 12), (3, 13)], {10: 1.0})
    assert scores[10] > scores[11] > scores[12] > 0
    assert 13 not in scores
    assert sum(scores.values()) == pytest.approx(1.0)
