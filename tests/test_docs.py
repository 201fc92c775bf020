"""The documents say what is: their examples run, their lists are complete."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.timeout(150)  # processes that start take their time on a busy machine

ROOT = Path(__file__).resolve().parent.parent
PAGES = (
    "README.md", "docs/code_agent.md", "docs/durability.md", "docs/langgraph.md",
    "docs/memory.md", "docs/python.md",
    "docs/repository.md", "docs/sandbox.md", "docs/testing.md", "docs/tool_retrieval.md",
    "docs/tools.md",
)  # fmt: skip
SOURCES = ("src/treadle/core", "src/treadle/cli", "src/treadle/mcp_server", "src/treadle/telemetry", "src/treadle/testing",
           "agents", "planner", "executor", "tools", "memory", "serving")  # fmt: skip


def python_blocks() -> list[tuple[str, str]]:
    blocks = []
    for page in PAGES:
        text = (ROOT / page).read_text("utf-8")
        found = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
        blocks += [(f"{page} {number}", block) for number, block in enumerate(found, start=1)]
    return blocks


@pytest.mark.parametrize(("name", "code"), python_blocks(), ids=lambda value: value[:40])
def test_examples_in_the_documents_run(name: str, code: str, tmp_path: Path) -> None:
    script = tmp_path / "example.py"
    script.write_text(code, "utf-8")
    done = subprocess.run(
        [sys.executable, script], capture_output=True, text=True, timeout=120, cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr


def test_the_output_in_the_readme_is_real(tmp_path: Path) -> None:
    text = (ROOT / "README.md").read_text("utf-8")
    code, output = re.findall(r"```python\n(.*?)```\n\n```text\n(.*?)```", text, re.DOTALL)[0]
    script = tmp_path / "example.py"
    script.write_text(code, "utf-8")
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=120)
    assert done.stdout == output


def raised_codes() -> set[str]:
    pattern = re.compile(r"(?:Error|ErrorInfo)\(\s*\"([a-z][a-z_]+[a-z])\"\s*,", re.DOTALL)
    codes: set[str] = set()
    for folder in SOURCES:
        for path in (ROOT / folder).rglob("*.py"):
            codes |= set(pattern.findall(path.read_text("utf-8")))
    return codes


def documented_codes() -> set[str]:
    page = (ROOT / "docs/errors.md").read_text("utf-8")
    return set(re.findall(r"^\| `([a-z_]+)` \|", page, re.MULTILINE))


def test_every_error_code_is_documented() -> None:
    assert raised_codes() - documented_codes() == set()


def test_every_documented_code_exists() -> None:
    paths = (path for folder in SOURCES for path in (ROOT / folder).rglob("*.py"))
    sources = "\n".join(path.read_text("utf-8") for path in paths)
    made_from_a_status = {"run_failed", "run_cancelled", "run_waiting"}
    gone = {code for code in documented_codes() if f'"{code}"' not in sources}
    assert gone - made_from_a_status == set()


def test_the_command_line_page_is_generated() -> None:
    done = subprocess.run(
        [sys.executable, ROOT / "docs" / "generate_cli.py", "--print"],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    assert (ROOT / "docs" / "cli.md").read_text("utf-8") == done.stdout, "run make docs"


def test_links_in_the_documents_lead_somewhere() -> None:
    for page in [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]:
        for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text("utf-8")):
            assert (page.parent / target).exists(), f"{page.name}: {target}"
