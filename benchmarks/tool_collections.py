"""Collections of tools with queries: generated ones, and StableToolBench's from a file."""

from __future__ import annotations

import gzip
import json
import random
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Call:
    """One tool: the API that it is of, its own name, and what it says of itself."""

    category: str
    api: str
    name: str
    description: str
    parameters: tuple[tuple[str, str], ...]  # names and descriptions


@dataclass(frozen=True, slots=True)
class Query:
    """A query, the numbers of the tools that it needs, and its group."""

    text: str
    wanted: frozenset[int]
    group: str


@dataclass(frozen=True, slots=True)
class Collection:
    """Tools and queries for them."""

    calls: tuple[Call, ...]
    queries: tuple[Query, ...]


def _snake(text: str) -> str:
    return re.sub(r"\W+", "_", text).strip("_").lower()


def _camel(text: str) -> str:
    return "".join(part[:1].upper() + part[1:] for part in re.split(r"[\W_]+", text))


STYLES: dict[str, Callable[[Call], str]] = {
    "Api: call": lambda call: f"{call.api}: {call.name}",
    "category/api/call": lambda call: f"{call.category}/{call.api}/{call.name}",
    "api.call": lambda call: f"{_snake(call.api)}.{_snake(call.name)}",
    "api__call": lambda call: f"{_snake(call.api)}__{_snake(call.name)}",
    "api_call": lambda call: f"{_snake(call.api)}_{_snake(call.name)}",
    "call_for_api": lambda call: f"{_snake(call.name)}_for_{_snake(call.api)}",
    "ApiCall": lambda call: _camel(call.api) + _camel(call.name),
    "call (names repeat)": lambda call: call.name,
}
"""How tools are named."""


def specs_of(
    calls: Sequence[Call], style: str, *, descriptions: bool = True, parameters: bool = True
) -> list[dict[str, object]]:
    """The function specs of `calls`, named in `style`, with or without the other fields."""
    found: list[dict[str, object]] = []
    for call in calls:
        described = call.description
        if style.startswith("call ("):
            described = f"{call.api}: {described}"
        properties = {
            name: {"type": "string", "description": text} for name, text in call.parameters
        }
        found.append(
            {
                "name": STYLES[style](call),
                "description": described if descriptions else "",
                "parameters": {
                    "type": "object",
                    "properties": properties if parameters else {},
                },
            }
        )
    return found


def read_collection(path: Path) -> Collection:
    """StableToolBench's queries (arXiv 2403.07714): the pool is the union of all `api_list`s."""
    with gzip.open(path, "rt", encoding="utf-8") as file:
        documents = json.load(file)
    calls: dict[tuple[str, str], Call] = {}
    for document in documents:
        for each in document["api_list"]:
            given = (*each["required_parameters"], *each["optional_parameters"])
            key = (each["tool_name"], each["api_name"])
            parameters = tuple((p["name"], p["description"] or "") for p in given)
            described = each["api_description"] or ""
            call = Call(each["category_name"], *key, described, parameters)
            calls.setdefault(key, call)
    numbers = {key: number for number, key in enumerate(calls)}
    queries = tuple(
        Query(
            document["query"],
            frozenset(numbers[api, name] for api, name in document["relevant APIs"]),
            document["group"][:2],
        )
        for document in documents
    )
    return Collection(tuple(calls.values()), queries)


_THINGS = {
    "travel": "flight hotel train itinerary airport luggage visa ferry",
    "finance": "invoice payment currency stock loan dividend ledger budget",
    "media": "song movie playlist podcast video subtitle album trailer",
    "health": "symptom medicine appointment allergy vaccine diet clinic exercise",
    "home": "lamp thermostat camera lock vacuum sensor blind speaker",
    "work": "calendar ticket document contract candidate meeting report timesheet",
    "science": "asteroid protein compound species earthquake volcano gene star",
    "food": "recipe ingredient restaurant menu grocery wine nutrition delivery",
    "sport": "match league player score stadium coach tournament ranking",
    "city": "parking bus permit library museum pollution event traffic",
}
# What it is called in names, in descriptions, and in what people ask.
_ACTIONS = (
    ("list", "Returns all {}s that match a filter.", "find the {}s I could pick from"),
    ("get", "Fetch the details of one {} by its id.", "look up the details of a {}"),
    ("create", "Adds a new {}.", "add a {} for me"),
    ("update", "Change fields of an existing {}.", "change my {}"),
    ("delete", "Removes a {} for good.", "remove the old {}"),
    ("search", "Full text search over {}s.", "search {}s by a keyword"),
    ("history", "The changes of a {} over time.", "tell me how the {} has changed over time"),
    ("price", "Computes what a {} costs, with taxes.", "work out what the {} would cost"),
    ("compare", "Compares two {}s side by side.", "compare two {}s"),
    ("notify", "Sends an alert when a {} changes.", "alert me when the {} changes"),
)
_OPENINGS = (
    "I am planning a surprise for my family.",
    "My boss wants this by tonight.",
    "I'm writing a blog post.",
    "We are preparing a workshop for students.",
    "",
)
_SYLLABLES = (
    *("ka", "lo", "mi", "ra", "ten", "vo", "shi"),
    *("dra", "nel", "pex", "quo", "zu", "bri", "fen"),
)


def generate_collection(seed: int, apis: int = 120, queries: int = 400) -> Collection:
    """APIs of invented providers over ten fields; queries that ask for one to four of their calls.

    Several providers offer the same things, so that a query names the provider, or takes two calls
    of one (G1), of one field (G2) or of any (G3).
    """
    chance = random.Random(seed)
    calls: list[Call] = []
    things: list[str] = []
    providers: list[str] = []
    for _ in range(apis):
        field = chance.choice(list(_THINGS))
        nouns = chance.sample(_THINGS[field].split(), 2)
        provider = "".join(chance.choices(_SYLLABLES, k=3)).capitalize()
        for noun in nouns:
            for verb, described, _ in chance.sample(_ACTIONS, chance.randint(3, len(_ACTIONS))):
                parameters = ((f"{noun}_id", f"which {noun}"), ("limit", "how many at most"))
                name = f"{verb} {noun}"
                text = described.format(noun)
                calls.append(Call(field, f"{provider} {field}", name, text, parameters))
                things.append(noun)
                providers.append(provider)
    asked = [_query(chance, calls, things, providers) for _ in range(queries)]
    return Collection(tuple(calls), tuple(asked))


def _query(
    chance: random.Random, calls: list[Call], things: list[str], providers: list[str]
) -> Query:
    group = chance.choice(("G1", "G2", "G3"))
    first = chance.randrange(len(calls))
    pool = [
        number
        for number, call in enumerate(calls)
        if number != first
        and (
            group == "G3"
            or (call.api == calls[first].api if group == "G1" else
                call.category == calls[first].category)
        )
    ]  # fmt: skip
    wanted = [first, *chance.sample(pool, min(len(pool), chance.randint(1, 3)))]
    asks: list[str] = []
    for number in wanted:
        verb = calls[number].name.split()[0]
        ask = next(text for name, _, text in _ACTIONS if name == verb).format(things[number])
        asks.append(f"{ask} with {providers[number]}")
    said = f"{chance.choice(_OPENINGS)} Can you {asks[0]}?"
    said += "".join(f" Also, please {ask}." for ask in asks[1:])
    return Query(said.strip(), frozenset(wanted), group)
