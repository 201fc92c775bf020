"""The tools that a run may call, by name."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from treadle.core.errors import ConfigError, ToolError
from treadle.core.ids import TOOL_NAME
from treadle.tools.tool import Tool


class ToolRegistry(Mapping[str, Tool]):
    """Tools by name, in the order in which they were given; names are unique.

    Raises ConfigError (`duplicate_tool`, `bad_tool`).
    """

    def __init__(self, tools: Iterable[Tool] | ToolRegistry = ()) -> None:
        self._tools: dict[str, Tool] = {}
        for each in tools.values() if isinstance(tools, ToolRegistry) else tools:
            if not isinstance(each, Tool):
                raise ConfigError("bad_tool", f"{each!r} is not a tool; put @tool on the function")
            if each.name in self._tools:
                raise ConfigError("duplicate_tool", f"there are two tools named '{each.name}'")
            self._tools[each.name] = each

    def namespace(self, prefix: str) -> ToolRegistry:
        """The same tools, each named `PREFIX.NAME`.

        Raises ConfigError (`bad_tool`) for a prefix, or a name with it, that is none.
        """
        if not TOOL_NAME.fullmatch(prefix) or prefix.endswith("."):
            raise ConfigError("bad_tool", f"'{prefix[:80]}' is no name for tools to stand under")
        for name in self._tools:
            if not TOOL_NAME.fullmatch(f"{prefix}.{name}"):
                raise ConfigError("bad_tool", f"'{prefix}.{name}' is too long for a tool's name")
        return ToolRegistry(
            replace(each, name=f"{prefix}.{name}") for name, each in self._tools.items()
        )

    def merged(
        self, *others: Iterable[Tool] | ToolRegistry, **under: Iterable[Tool] | ToolRegistry
    ) -> ToolRegistry:
        """These tools and those of `others`; those of `under` each under its prefix.

        Raises ConfigError (`duplicate_tool`, `bad_tool`).
        """
        prefixed = (ToolRegistry(each).namespace(prefix) for prefix, each in under.items())
        registries = (self, *map(ToolRegistry, others), *prefixed)
        return ToolRegistry(tool for each in registries for tool in each.values())

    def __getitem__(self, name: str) -> Tool:
        return self._tools[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._tools)

    def __len__(self) -> int:
        return len(self._tools)

    def find(self, name: str) -> Tool:
        """The tool `name`. Raises ToolError (`unknown_tool`) that suggests similar names."""
        found = self._tools.get(name)
        if found is not None:
            return found
        close = difflib.get_close_matches(name[:100], self._tools, n=3)
        advice = f"; did you mean {', '.join(close)}?" if close else ""
        raise ToolError("unknown_tool", f"there is no tool '{name[:100]}'{advice}")
