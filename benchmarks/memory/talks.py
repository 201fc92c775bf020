"""Made-up conversations with questions whose evidence is known, in the format of LoCoMo's file.

Two people tell each other over many sessions what they do, own and plan. Some questions use other
words than what was told, some the same; the other person tells similar things; and most turns say
nothing.
"""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

_SESSIONS = 20
_OPENING_PAIRS = 3
_MULTI_HOP, _TEMPORAL, _SINGLE_HOP = 1, 2, 4


@dataclass(frozen=True, slots=True)
class _Topic:
    """What can be told, and what can be asked of it.

    told: with {} for the thing. asked: for one thing, with {name} and {about}, a clue in other
    words. when: for the day, with {thing} itself. all: for everything told of the topic.
    things: each with its clue.
    """

    told: tuple[str, ...]
    asked: str
    when: str
    all: str
    things: tuple[tuple[str, str], ...]


_TOPICS = (
    _Topic(
        (
            "I finally signed up for {} lessons, the first one was yesterday.",
            "Guess what, I started learning {}! My fingers still hurt.",
            "My week was full: I had my very first {} class.",
        ),
        "What is {name} taking up that has to do with {about}?",
        "When did {name} begin with {thing}?",
        "Which skills has {name} begun to learn?",
        (
            ("cello", "a string instrument"), ("pottery", "clay"), ("fencing", "swords"),
            ("Portuguese", "a language"), ("welding", "metal"), ("sailing", "boats"),
        ),
    ),
    _Topic(
        (
            "We just got back from {}, I could have stayed a month.",
            "Last weekend I went to {} with my cousin, it rained but who cares.",
            "I am still dreaming of {}. The trip was over far too soon.",
        ),
        "Where did {name} travel to see {about}?",
        "When did {name} see {thing}?",
        "Which places has {name} visited?",
        (
            ("Lisbon", "trams and tiles"), ("the Dolomites", "mountains"),
            ("Kyoto", "temples"), ("the Lofoten islands", "the far north"),
            ("Marrakesh", "a bazaar"), ("Valparaiso", "murals"),
        ),
    ),
    _Topic(
        (
            "There is somebody new at home: we adopted {}.",
            "I could not resist at the shelter. Meet {}, asleep on my keyboard.",
            "The kids talked me into it, and now {} lives with us.",
        ),
        "Which animal, {about}, does {name} keep?",
        "When did {name} get {thing}?",
        "Which pets does {name} have?",
        (
            ("a greyhound called Pixel", "fast"), ("two tortoises", "slow"),
            ("a parrot named Bruno", "talkative"), ("a one-eyed cat", "half blind"),
            ("three hens", "good for eggs"), ("a grey pony", "large enough to ride"),
        ),
    ),
    _Topic(
        (
            "I was offered the job! I begin at {} next month.",
            "Today was my last day before I change over to {}.",
            "So I signed the contract with {}, and I am terrified.",
        ),
        "Which employer of {name} deals with {about}?",
        "When did {name} tell of the work at {thing}?",
        "Where has {name} worked?",
        (
            ("a bakery on the harbour", "bread"), ("the observatory", "stars"),
            ("a small publishing house", "books"), ("the water works", "supply of a town"),
            ("a start-up for hearing aids", "medical devices"), ("the zoo", "wild animals"),
        ),
    ),
    _Topic(
        (
            "The doctor says it is {}, so I have to be careful for a while.",
            "I have been at the clinic all morning. It turned out to be {}.",
            "No running for me: they found {}.",
        ),
        "Which illness of {name} affects {about}?",
        "When did {name} learn of {thing}?",
        "Which health problems has {name} had?",
        (
            ("a torn meniscus", "the knee"), ("an allergy to walnuts", "eating nuts"),
            ("tinnitus", "hearing"), ("low iron", "the blood"),
            ("a trapped nerve", "the back"), ("mild asthma", "breathing"),
        ),
    ),
    _Topic(
        (
            "I am saving up for {}, only eight hundred to go.",
            "It arrived! I have been unpacking {} all evening.",
            "My brother sold me {} for next to nothing.",
        ),
        "What did {name} acquire for {about}?",
        "When did {name} get hold of {thing}?",
        "What has {name} bought?",
        (
            ("a cargo bike", "carrying children"), ("a telescope", "looking at planets"),
            ("an espresso machine", "coffee"), ("a loom", "weaving"),
            ("a canoe", "paddling"), ("a chainsaw", "firewood"),
        ),
    ),
)  # fmt: skip
_REPLIES = (
    "Oh, that is great! How do you feel about it?", "Really? Tell me more.",
    "I am so happy for you.", "Wow, I did not see that coming.", "Take it easy, will you?",
    "Haha, sounds just like you.", "I wish I had your energy.", "Good for you, honestly.",
)  # fmt: skip
_ANSWERS = (
    "A bit nervous, but good.", "There is not much more to tell yet.", "Thanks, that means a lot.",
    "Me neither, to be honest.", "I will, I promise.", "You know me too well.",
)  # fmt: skip
_CHATTER = (
    "Hey {}! Long time no see, how are you?", "The weather has been awful over here.",
    "Work is work, nothing new.", "I slept so badly this week.", "Did you watch the match?",
    "My neighbour plays his drums again.", "I made soup and read the whole evening.",
    "I have to run in ten minutes, but go on.", "What are you up to, {}?",
)  # fmt: skip
_NAMES = ("Amira", "Joost", "Nadia", "Tobias", "Priya", "Mateo", "Hanne", "Kofi", "Yuki", "Elena")


def write_talks(path: Path, count: int, seed: int) -> None:
    """Write `count` conversations to `path`; all follows from the seed."""
    source = random.Random(seed)
    made = []
    for number in range(count):
        pair = (_NAMES[2 * number % len(_NAMES)], _NAMES[(2 * number + 1) % len(_NAMES)])
        made.append(_Talk(source, pair).content(f"made-{number}"))
    path.write_text(json.dumps(made), "utf-8")


class _Talk:
    """One conversation while it is made."""

    def __init__(self, source: random.Random, pair: tuple[str, str]) -> None:
        self._source = source
        self._pair = pair
        self._said: dict[str, object] = {"speaker_a": pair[0], "speaker_b": pair[1]}
        self._asked: list[dict[str, object]] = []
        self._by_topic: dict[tuple[str, int], list[str]] = {}

    def content(self, name: str) -> dict[str, object]:
        start = datetime(2024, 1, 9, 18, 30) + timedelta(days=self._source.randrange(60))
        for number, told in enumerate(self._sessions(), 1):
            start += timedelta(
                days=self._source.randint(4, 21), minutes=self._source.randint(0, 90)
            )
            self._said[f"session_{number}_date_time"] = start.strftime("%I:%M %p on %d %B, %Y")
            self._said[f"session_{number}"] = self._session(number, told)
        for (speaker, topic), evidence in self._by_topic.items():
            if len(evidence) > 1:
                self._ask(_TOPICS[topic].all.format(name=speaker), evidence, _MULTI_HOP)
        return {"sample_id": name, "conversation": self._said, "qa": self._asked}

    def _sessions(self) -> list[list[tuple[str, int, tuple[str, str]]]]:
        """What is told in which session: each thing once, by one of the two."""
        told = [
            (self._source.choice(self._pair), number, thing)
            for number, topic in enumerate(_TOPICS)
            for thing in topic.things
        ]
        self._source.shuffle(told)
        return [told[at::_SESSIONS] for at in range(_SESSIONS)]

    def _session(
        self, number: int, told: Sequence[tuple[str, int, tuple[str, str]]]
    ) -> list[dict[str, str]]:
        turns: list[dict[str, str]] = []

        def say(speaker: str, text: str) -> str:
            turn = f"D{number}:{len(turns) + 1}"
            turns.append({"speaker": speaker, "dia_id": turn, "text": text})
            return turn

        for speaker, topic_number, (thing, about) in told:
            self._chat(say)
            topic = _TOPICS[topic_number]
            turn = say(speaker, self._source.choice(topic.told).format(thing))
            say(self._other(speaker), self._source.choice(_REPLIES))
            say(speaker, self._source.choice(_ANSWERS))
            self._by_topic.setdefault((speaker, topic_number), []).append(turn)
            self._ask(topic.asked.format(name=speaker, about=about), [turn], _SINGLE_HOP)
            self._ask(topic.when.format(name=speaker, thing=thing), [turn], _TEMPORAL)
        self._chat(say)
        return turns

    def _chat(self, say: object) -> None:
        assert callable(say)
        for _ in range(_OPENING_PAIRS):
            for speaker in self._pair:
                say(speaker, self._source.choice(_CHATTER).format(self._other(speaker)))

    def _ask(self, question: str, evidence: Sequence[str], category: int) -> None:
        self._asked.append({"question": question, "evidence": list(evidence), "category": category})

    def _other(self, speaker: str) -> str:
        return self._pair[1] if speaker == self._pair[0] else self._pair[0]
