"""The planner's prompts: files that a user can read and replace."""

from __future__ import annotations

import re
from functools import cache
from importlib import resources
from pathlib import Path

from treadle.core.errors import ConfigError
from treadle.core.json_value import compact_json
from treadle.tools import ToolRegistry

NAMES = ("plan", "examples", "repair", "decide", "observations")


class Prompts:
    """The prompts by name; a file `NAME.md` in `folder` takes the place of the one that ships.

    Raises ConfigError (`bad_prompts`) for a folder that is none or a file that cannot be read.
    """

    def __init__(self, folder: Path | None = None) -> None:
        if folder is not None and not folder.is_dir():
            raise ConfigError("bad_prompts", f"{folder} is not a folder of prompts")
        self._texts = {name: _read(name, folder) for name in NAMES}

    def fill(self, name: str, **values: str) -> str:
        """The prompt `name` with each `{key}` of `values` put in; all other braces stay."""
        # One pass: a value that itself holds `{key}` is left alone.
        wanted = re.compile("|".join(re.escape("{" + key + "}") for key in values) or r"(?!)")
        return wanted.sub(lambda found: values[found[0][1:-1]], self._texts[name])


def describe_tools(tools: ToolRegistry) -> str:
    """The tools as a prompt shows them: one line each, in the registry's order."""
    if not tools:
        return "(none: only a plan without steps is possible)"
    return "\n".join(
        compact_json(
            {
                "tool": tool.name,
                "does": tool.description,
                "args": tool.parameters,
                "gives": tool.returns,
                "effect": tool.effect.value,
            }
        )
        for tool in tools.values()
    )


@cache
def _shipped(name: str) -> str:
    return resources.files("treadle.planner").joinpath("prompts", f"{name}.md").read_text("utf-8")


def _read(name: str, folder: Path | None) -> str:
    if folder is None:
        return _shipped(name)
    path = folder / f"{name}.md"
    try:
        return path.read_text("utf-8")
    except FileNotFoundError:
        return _shipped(name)
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError("bad_prompts", f"{path}: {error}") from None
