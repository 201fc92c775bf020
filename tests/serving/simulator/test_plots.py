from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from xml.etree import ElementTree

import pytest
from tests.serving.simulator.test_experiment import CROWDED

from treadle.core.errors import ConfigError, InputError
from treadle.serving.simulator.experiment import run_experiment
from treadle.serving.simulator.plots import as_html, check_plot, write_plot


def test_a_page_needs_nothing_else(tmp_path: Path) -> None:
    report = run_experiment(CROWDED)
    path = tmp_path / "plot.html"
    write_plot(path, report)
    page = path.read_text()
    assert page == as_html(report)
    assert "http" not in page.replace("http://www.w3.org/2000/svg", "")
    root = ElementTree.fromstring(page.partition("\n")[2].replace('<meta charset="utf-8">', ""))
    svg = "{http://www.w3.org/2000/svg}"
    assert len(list(root.iter(f"{svg}rect"))) == 2 * 2 + 2
    assert len(list(root.iter(f"{svg}polyline"))) == 2


def test_a_png_needs_matplotlib(tmp_path: Path) -> None:
    path = tmp_path / "plot.png"
    if find_spec("matplotlib") is None:
        with pytest.raises(ConfigError) as found:
            check_plot(path)
        assert found.value.code == "missing_extra"
    else:
        write_plot(path, run_experiment(CROWDED))
        assert path.read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("name", ["plot.pdf", "plot", "no/plot.html"])
def test_names_that_cannot_be_plotted_to(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError) as found:
        check_plot(tmp_path / name)
    assert found.value.code == "bad_plot"
