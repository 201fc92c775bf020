"""Families of tools, read off their names."""

import pytest

from treadle.tools.retrieval.family import MOST, families

CALLS = {
    "open weather": ["get current", "get history", "list stations", "search"],
    "qr code": ["make one", "read one", "search"],
    "ocean": ["get tides", "read salt", "list fish"],
}


@pytest.mark.parametrize(
    "style",
    ["{api}: {call}", "{api}.{call}", "{api}/{call}", "{api}__{call}", "{api} {call}",
     "category/{api}/{call}", "{call} for {api}", "{call} ({api})"],
)  # fmt: skip
@pytest.mark.parametrize("gap", [" ", "_", "-"])
def test_calls_of_one_api_are_one_family(style: str, gap: str) -> None:
    apis = [api for api, calls in CALLS.items() for _ in calls]
    calls = [call for each in CALLS.values() for call in each]
    names = [
        style.format(api=api, call=call).replace(" ", gap)
        for api, call in zip(apis, calls, strict=True)
    ]
    keys = families(names, [""] * len(names))
    assert None not in keys
    assert len(set(zip(apis, keys, strict=True))) == len(set(keys)) == len(CALLS)


def test_humps_part_words() -> None:
    names = ["gitHubListIssues", "gitHubDropIssue", "weatherNow", "weatherThen"]
    first, second, third, fourth = families(names, [""] * 4)
    assert first == second
    assert third == fourth
    assert first != third


def test_a_word_that_most_names_have_within_joins_call_and_api() -> None:
    names = [
        "list_fish_for_open_ocean",
        "salt_for_open_ocean",
        "tides_for_open_sea",
        "a_for_open_sea",
    ]
    first, second, third, fourth = families(names, [""] * 4)
    # Not by "ocean" or "open" alone: what stands behind the word is the API.
    assert first == second == ("ocean", "open")
    assert third == fourth == ("sea", "open")
    assert families(["for_x_for", "for", "_for_", ""], [""] * 4) == [None] * 4


def test_what_too_many_share_is_no_family() -> None:
    names = [f"get_thing{i}" for i in range(MOST + 1)]
    assert set(families(names, [""] * len(names))) == {None}


def test_descriptions_that_begin_with_the_api_tell_families() -> None:
    keys = families(["list", "get", "list", "get"], ["Maps: a", "Maps: b", "Mail: a", "Mail: b"])
    assert keys[0] == keys[1] != keys[2] == keys[3]


def test_a_tool_may_stand_alone() -> None:
    assert families(["alone", "", "!!"], ["", "", ""]) == [None, None, None]
    assert families([], []) == []
