"""The pictures of the page: everything lies inside of them, and nothing on something else."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest
from tests.cli.show.recorded import MIXED, events_of, step

from treadle.cli.show import Timeline, timeline_of
from treadle.cli.show.svg_dag import dag_svg
from treadle.cli.show.svg_gantt import gantt_svg

WIDE = (
    step("root"),
    *(step(f"leaf{index}", after=["root"]) for index in range(40)),
    step("join", after=[f"leaf{index}" for index in range(40)]),
)


async def timeline(name: str) -> Timeline:
    return timeline_of(await events_of(*(MIXED if name == "mixed" else WIDE)))


def rectangles(svg: ElementTree.Element) -> list[tuple[float, float, float, float]]:
    return [
        (
            float(each.attrib["x"]),
            float(each.attrib["y"]),
            float(each.attrib["width"]),
            float(each.attrib["height"]),
        )
        for each in svg.iter("rect")
    ]


def assert_inside(svg: ElementTree.Element) -> None:
    width, height = float(svg.attrib["width"]), float(svg.attrib["height"])
    for x, y, wide, high in rectangles(svg):
        assert x >= 0
        assert y >= 0
        assert x + wide <= width
        assert y + high <= height


@pytest.mark.parametrize("name", ["mixed", "wide"])
async def test_no_two_boxes_overlap(name: str) -> None:
    run = await timeline(name)
    svg = ElementTree.fromstring(dag_svg(run.steps, run.critical))
    boxes = rectangles(svg)
    assert len(boxes) == len(run.steps)
    assert_inside(svg)
    for index, (x, y, wide, high) in enumerate(boxes):
        for other_x, other_y, _, _ in boxes[index + 1 :]:
            assert abs(other_x - x) >= wide or abs(other_y - y) >= high


async def test_edges_lead_from_left_to_right_and_the_critical_ones_are_marked() -> None:
    run = await timeline("wide")
    svg = ElementTree.fromstring(dag_svg(run.steps, run.critical))
    edges = list(svg.iter("path"))
    assert len(edges) == 80
    assert sum("critical" in each.attrib["class"] for each in edges) == 2
    for each in edges:
        start, *_, end = each.attrib["d"].replace("C", " ").replace("M", "").split()
        assert float(start.split(",")[0]) < float(end.split(",")[0])


@pytest.mark.parametrize("name", ["mixed", "wide"])
async def test_every_step_that_began_has_a_row_in_the_timeline(name: str) -> None:
    run = await timeline(name)
    svg = ElementTree.fromstring(gantt_svg(run, run.steps))
    assert_inside(svg)
    labels = [each.text for each in svg.iter("text") if each.attrib["class"] == "label"]
    assert sorted(str(each) for each in labels) == sorted(
        each.id for each in run.steps if each.started is not None
    )
