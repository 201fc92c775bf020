"""Finding tools: by what they say, by their siblings, by how they were used."""

from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from treadle import tool
from treadle.core.errors import ConfigError, InputError, ToolError
from treadle.tools import ToolIndex
from treadle.tools.retrieval import SearchWeights, choose_tools


def spec(name: str, description: str = "", **parameters: str) -> dict[str, object]:
    properties = {
        each: {"type": "string", "description": text} for each, text in parameters.items()
    }
    return {
        "name": name,
        "description": description,
        "parameters": {"type": "object", "properties": properties},
    }


WEATHER = spec("weather.forecast", "The weather of the next days.", city="Name of the city.")
STOCKS = spec("stocks.quote", "The latest price of a share.", ticker="Its symbol.")
MAIL = spec("mail.send", "Sends a message to an address.", subject="First line.")
ALL = [WEATHER, STOCKS, MAIL]


def found(index: ToolIndex, query: str, k: int = 5) -> list[str]:
    return [each.name for each in index.search(query, k)]


def test_a_tool_is_found_by_its_name_description_and_parameters() -> None:
    index = ToolIndex(ALL)
    assert found(index, "forecast", 1) == ["weather.forecast"]
    assert found(index, "what is a share worth?", 1) == ["stocks.quote"]
    assert found(index, "I know the ticker", 1) == ["stocks.quote"]
    assert found(index, "e-mail subjects", 1) == ["mail.send"]


def test_results_come_best_first_with_a_score_and_the_spec() -> None:
    first, second = ToolIndex(ALL).search("the weather, and the message", 2)
    assert first.score >= second.score > 0
    assert {first.name, second.name} == {"weather.forecast", "mail.send"}
    assert first.spec.parameters["type"] == "object"


def test_every_form_of_a_spec_is_taken() -> None:
    @tool
    def translate(text: str) -> str:
        """Put a text into another language."""
        return text

    wrapped = {"type": "function", "function": WEATHER}
    index = ToolIndex([translate, translate.spec, wrapped, {"name": "bare"}])
    assert found(index, "language") == ["translate", "translate"]
    assert found(index, "weather") == ["weather.forecast"]
    assert found(index, "bare") == ["bare"]


def test_a_misspelt_or_inflected_word_is_found() -> None:
    assert found(ToolIndex(ALL), "wheather forcast", 1) == ["weather.forecast"]
    assert found(ToolIndex(ALL), "forecasting", 1) == ["weather.forecast"]


def test_each_clause_of_a_query_gets_its_tool() -> None:
    fillers = [spec(f"trips.plan{i}", "Plan a long trip through many cities.") for i in range(20)]
    index = ToolIndex([*fillers, *ALL])
    query = (
        "I am planning a long trip through many cities, please plan the trip. "
        "Also send a message to my mother. Then tell me the price of a share."
    )
    assert {"mail.send", "stocks.quote"} <= set(found(index, query, 5))


@pytest.mark.parametrize(
    "style",
    ["{api}: {call}", "{api}.{call}", "{api}_{call}", "{api}/{call}", "{call}_for_{api}"],
)
def test_a_tool_that_says_nothing_is_found_by_its_siblings(style: str) -> None:
    fillers = [
        spec(style.format(api=api, call=f"{call} {thing}"), "Does what it says.")
        for api, thing in (("acme", "rope"), ("globex", "globe"), ("initech", "stapler"))
        for call in ("list", "fetch", "drop")
    ]
    tides = [
        spec(style.format(api="oceania", call="report"), "High and low tides of a harbour."),
        spec(style.format(api="oceania", call="measure"), "How salty the harbour is."),
        spec(style.format(api="oceania", call="guess")),
    ]
    names = found(ToolIndex([*fillers, *tides]), "tides in the harbour", 3)
    assert sorted(names) == sorted(str(each["name"]) for each in tides)


def test_tools_that_were_used_together_come_together() -> None:
    index = ToolIndex([*ALL, spec("zebra", "Nothing of the kind.")])
    assert "zebra" not in found(index, "weather")
    for _ in range(3):
        index.observe(["weather.forecast", "zebra"])
    assert found(index, "weather")[:2] == ["weather.forecast", "zebra"]
    index.remove("zebra")
    assert found(index, "weather") == ["weather.forecast"]


def test_a_tool_is_found_by_the_tasks_that_it_served() -> None:
    index = ToolIndex(ALL)
    for place in ("Rome", "Oslo"):
        index.observe(["weather.forecast", "gone"], f"do I need an umbrella in {place}?")
    assert found(index, "umbrella") == ["weather.forecast"]
    assert found(index, "Rome") == []  # once only


def test_each_step_of_a_sketch_is_searched_for_itself() -> None:
    index = ToolIndex(ALL)
    steps = index.search_steps(["look at the forecast", "send it as a message"], 1)
    assert [[each.name for each in step] for step in steps] == [["weather.forecast"], ["mail.send"]]
    assert index.search_steps([], 1) == []


def test_a_choice_gives_every_step_its_say() -> None:
    index = ToolIndex(ALL)
    chosen = choose_tools(index, "the weather", 2, steps=["send a message", "price of a share"])
    assert chosen == ["weather.forecast", "mail.send"]


def test_nothing_is_found_where_nothing_fits() -> None:
    assert found(ToolIndex(), "weather") == []
    assert found(ToolIndex(ALL), "") == []
    assert found(ToolIndex(ALL), " \n?!") == []
    assert found(ToolIndex(ALL), "can you please give me the") == []
    assert found(ToolIndex(ALL), "xylophone") == []


@pytest.mark.parametrize("k", [0, -1, True, 1.5, "3"])
def test_fewer_than_one_tool_cannot_be_asked_for(k: int) -> None:
    with pytest.raises(InputError) as caught:
        ToolIndex(ALL).search("weather", k)
    assert caught.value.code == "bad_search"


def test_a_query_is_text() -> None:
    for query in (None, 3, b"weather", ["weather"]):
        with pytest.raises(InputError) as caught:
            ToolIndex(ALL).search(query)  # type: ignore[arg-type]
        assert caught.value.code == "bad_search"


@pytest.mark.parametrize(
    "bad",
    [
        {"description": "nameless"}, {"name": 3}, "weather", None, {"name": "a", "parameters": []},
        {"name": "a", "description": 3}, {"type": "function", "function": {}},
    ],
)  # fmt: skip
def test_what_is_no_spec_is_refused_and_nothing_of_it_is_added(bad: object) -> None:
    index = ToolIndex(ALL)
    with pytest.raises(InputError) as caught:
        index.add([spec("fine", "a fine one"), bad])  # type: ignore[list-item]
    assert caught.value.code == "bad_tool_spec"
    assert len(index) == 3
    assert found(index, "fine") == []


def test_tools_of_one_name_are_both_kept_and_go_together() -> None:
    index = ToolIndex([spec("health", "Of a parcel."), spec("health", "Of a person.")])
    assert found(index, "health") == ["health", "health"]
    assert index.search("parcel")[0].spec.description == "Of a parcel."
    index.remove("health")
    assert len(index) == 0
    assert "health" not in index
    with pytest.raises(ToolError) as caught:
        index.remove("health")
    assert caught.value.code == "unknown_tool"


def test_any_string_is_a_name() -> None:
    names = ["", " ", "a:b:c", "Ünïcode ☂", "x" * 50_000, "\x00", "..", "日本の天気"]
    index = ToolIndex([spec(name, f"tool{number}") for number, name in enumerate(names)])
    for number, name in enumerate(names):
        assert found(index, f"tool{number}", 1) == [name]


def test_other_scripts_are_searched() -> None:
    index = ToolIndex(
        [
            spec("a", "東京の天気予報を調べる"),
            spec("b", "株価を取得する"),
            spec("c", "Прогноз погоды"),
        ]
    )
    assert found(index, "明日の天気は？", 1) == ["a"]
    assert found(index, "прогнозы погода", 1) == ["c"]


def test_a_huge_query_is_read_to_its_bound() -> None:
    query = "the weather of the city. " * 100_000
    assert found(ToolIndex(ALL), query, 1) == ["weather.forecast"]
    assert found(ToolIndex(ALL), "a " * 100_000 + "weather") == []


def test_hostile_schemas_are_read_to_their_bound() -> None:
    deep: dict[str, object] = {"type": "string"}
    for _ in range(2_000):
        deep = {"type": "object", "properties": {"p": deep}}
    index = ToolIndex([{"name": "deep", "parameters": deep}, {"name": "odd", "parameters": {
        "properties": {"q": None, "r": {"enum": [1, "blue"], "items": 3}}}}])  # fmt: skip
    assert found(index, "deep") == ["deep"]
    assert found(index, "blue") == ["odd"]


def test_weights_are_numbers_that_make_sense() -> None:
    for bad in ({"name": -1.0}, {"length": 1.5}, {"saturation": 0.0}, {"pair": float("nan")}):
        with pytest.raises(ConfigError) as caught:
            SearchWeights(**bad)
        assert caught.value.code == "bad_weights"


class Topics:
    """An embedder that knows two topics."""

    def __init__(self) -> None:
        self.asked = 0

    def embed(self, texts: Sequence[str]) -> Sequence[Sequence[float]]:
        self.asked += len(texts)
        wet = ("weather", "rain", "umbrella")
        return [[1.0, 0.1] if any(word in text for word in wet) else [0.0, 1.0] for text in texts]


def test_an_embedder_finds_what_shares_no_word() -> None:
    topics = Topics()
    index = ToolIndex(ALL, embedder=topics)
    assert found(index, "do I need an umbrella?", 1) == ["weather.forecast"]
    assert topics.asked == 4
    assert found(index, "rain?", 1) == ["weather.forecast"]
    assert topics.asked == 5  # the tools' vectors are kept


def test_an_embedder_that_miscounts_is_refused() -> None:
    class Short:
        def embed(self, texts: Sequence[str]) -> Sequence[Sequence[float]]:
            return [[1.0]]

    class Infinite:
        def embed(self, texts: Sequence[str]) -> Sequence[Sequence[float]]:
            return [[float("inf")] for _ in texts]

    for embedder in (Short(), Infinite()):
        with pytest.raises(ToolError) as caught:
            ToolIndex(ALL, embedder=embedder).search("weather")
        assert caught.value.code == "bad_embedding"


_WORDS = st.sampled_from(
    [
        "red",
        "green",
        "blue",
        "box",
        "lid",
        "get",
        "list",
        "of",
        "items",
        "for_shop",
        "Shop:",
        "shop.",
        "a",
    ]
)
_SPECS = st.lists(
    st.builds(
        spec, st.lists(_WORDS, max_size=3).map(" ".join), st.lists(_WORDS, max_size=5).map(" ".join)
    ),
    max_size=12,
)
_QUERY = st.lists(_WORDS, max_size=6).map(" ".join)


@settings(max_examples=60, deadline=None)
@given(kept=_SPECS, gone=_SPECS, query=_QUERY)
def test_an_index_that_changed_is_like_one_made_anew(
    kept: list[dict[str, object]], gone: list[dict[str, object]], query: str
) -> None:
    names = {each["name"] for each in gone}
    kept = [each for each in kept if each["name"] not in names]
    index = ToolIndex(gone)
    index.search(query)
    index.add(kept)
    index.search(query)
    for name in names:
        index.remove(str(name))
    fresh = ToolIndex(kept)
    scores = [(each.name, pytest.approx(each.score)) for each in fresh.search(query, 20)]
    assert [(each.name, each.score) for each in index.search(query, 20)] == scores


@given(st.text(max_size=200), st.lists(st.text(max_size=40), max_size=6))
def test_any_text_is_searched(query: str, names: list[str]) -> None:
    results = ToolIndex([spec(name, name[::-1]) for name in names]).search(query, 3)
    assert len(results) <= min(3, len(names))
    assert all(each.score > 0 and each.name in names for each in results)


@pytest.mark.parametrize(
    "parameters",
    [
        {"properties": {"place": {"description": "a postcode"}}},
        {"properties": {"place": {"anyOf": [{"type": "null"}, {"description": "a postcode"}]}}},
        {"properties": {"place": {"$ref": "#/$defs/Place"}},
         "$defs": {"Place": {"properties": {"zip": {"enum": ["postcode"]}}}}},
        {"place": {"type": "string", "description": "a postcode"}},
        {"place": "string, a postcode"},
        {"type": {"description": "a postcode"}},
    ],
)  # fmt: skip
def test_words_of_parameters_are_found_however_they_are_written(
    parameters: dict[str, object],
) -> None:
    index = ToolIndex([{"name": "deliver", "parameters": parameters}, spec("other", "Something.")])
    assert found(index, "postcode") == ["deliver"]


def test_a_schema_that_refers_to_itself_has_an_end() -> None:
    loop = {"$ref": "#/$defs/A"}
    parameters = {
        "properties": {"a": loop},
        "$defs": {"A": {"properties": {f"p{i}": loop for i in range(500)}, "anyOf": [loop] * 500}},
    }
    index = ToolIndex([{"name": "deep", "description": "dig", "parameters": parameters}])
    assert found(index, "dig") == ["deep"]
