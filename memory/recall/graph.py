"""What is related through the people and things it speaks of: personalised PageRank.

Haveliwala, WWW 2002; for memory: HippoRAG, arXiv 2405.14831. The walk starts at the entities that
the question names and at the best candidates, over who is mentioned where; the graph that is
walked is bounded, so the time is too.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from treadle.memory import tables
from treadle.memory.recall.question import Question
from treadle.memory.store import Partition

_SEEDS = 20
"""Candidates that the walk starts from."""

_MOST_EDGES = 2_000
_MOST_RELATED = 30
_STEPS = 8
_RESTART = 0.25

_mention = tables.mention


async def related(
    partition: Partition, question: Question, best: Sequence[int]
) -> Mapping[int, float]:
    """Episodes by how near they are to `best` through what they mention, the nearest 1.

    best: candidates, the best first.
    """
    if not best or not question.terms:
        return {}
    seeds = list(best[:_SEEDS])
    nearby = partition.rows(_mention, _mention.c.entity_id).where(_mention.c.episode_id.in_(seeds))
    edges = (
        partition.rows(_mention, _mention.c.entity_id, _mention.c.episode_id)
        .where(_mention.c.entity_id.in_(nearby))
        .order_by(_mention.c.entity_id, _mention.c.episode_id.desc())
        .limit(_MOST_EDGES)
    )
    rows = await partition.execute(edges)
    found = [(int(row.entity_id), int(row.episode_id)) for row in rows]
    if not found:
        return {}
    weights = {number: 1.0 / place for place, number in enumerate(seeds, 1)}
    scores = walk(found, weights)
    top = sorted(scores, key=lambda number: (-scores[number], -number))[:_MOST_RELATED]
    largest = max(scores.values())
    return {number: scores[number] / largest for number in top if largest > 0}


def walk(edges: Iterable[tuple[int, int]], seeds: Mapping[int, float]) -> dict[int, float]:
    """The share of time that a walk spends at each episode.

    edges: (entity, episode). seeds: episodes that it starts from again and again, by weight.
    """
    of_entity: dict[int, list[int]] = {}
    of_episode: dict[int, list[int]] = {}
    for entity, episode in edges:
        of_entity.setdefault(entity, []).append(episode)
        of_episode.setdefault(episode, []).append(entity)
    total = sum(weight for number, weight in seeds.items() if number in of_episode)
    if not total:
        return {}
    start = {n: weight / total for n, weight in seeds.items() if n in of_episode}
    at = dict(start)
    for _ in range(_STEPS):
        entities: dict[int, float] = {}
        for episode, mass in at.items():
            share = mass / len(of_episode[episode])
            for entity in of_episode[episode]:
                entities[entity] = entities.get(entity, 0.0) + share
        following = {episode: _RESTART * mass for episode, mass in start.items()}
        for entity, mass in entities.items():
            share = (1 - _RESTART) * mass / len(of_entity[entity])
            for episode in of_entity[entity]:
                following[episode] = following.get(episode, 0.0) + share
        at = following
    return at
