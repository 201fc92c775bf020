"""What a reply asks for."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from treadle.agents.coding.reply import MOST_CODE, Action, Submission, read_reply


@pytest.mark.parametrize(
    ("text", "wish"),
    [
        ("```python\nx = 1\n```", Submission("x = 1\n")),
        ("First.\n```\nx = 1\n```\nThen:\n```py\nx = 2\n```", Submission("x = 2\n")),
        ("```run python\nprint(1)\n```", Action("python", "print(1)\n")),
        ("```sh\nls\n```", Action("bash", "ls\n")),
        ("```SQL\nselect 1;\n```", Action("sql", "select 1;\n")),
        ("```python\nx = 1\n```\n```bash\nls\n```", Action("bash", "ls\n")),
        ("All tests passed.", None),
        ("```json\n{}\n```", None),
        ("```python\n\n```", None),
        ("```python\nx = 1", None),
        (f"```python\n{'#' * MOST_CODE}\n```", None),
    ],
)
def test_the_fence_says_what_it_is(text: str, wish: object) -> None:
    assert read_reply(text) == wish


@given(st.text(alphabet="`pyrunbash \n=x1'", max_size=200))
def test_any_text_is_read(text: str) -> None:
    found = read_reply(text)
    assert found is None or found.code.strip()
