"""Where a step's inputs come from while a run goes on: the outputs of the steps before it."""

from __future__ import annotations

from collections.abc import Mapping

from treadle.core.errors import ToolError
from treadle.core.json_value import JsonValue
from treadle.executor.node import Node
from treadle.executor.step_key import input_hash
from treadle.executor.stored import load
from treadle.planner.reference import Parsed, Reference, Template, resolve
from treadle.tools.artifacts import ArtifactStore


class Inputs:
    """Resolves references against the nodes of a run."""

    def __init__(self, nodes: Mapping[str, Node], artifacts: ArtifactStore) -> None:
        self._nodes = nodes
        self._artifacts = artifacts

    def output(self, step_id: str) -> JsonValue:
        """The output of a step that has one. Raises ToolError (`artifact_failed`)."""
        return load(self._artifacts, self._nodes[step_id].output)

    def arguments(self, node: Node, index: int | None) -> dict[str, JsonValue]:
        """The arguments of `node`, for item `index` of its fan-out.

        Raises ToolError: `reference_not_found`, and `inputs_changed` where they are not those that
        the call was allowed with.
        """
        if node.edited is not None:
            return node.edited
        if index is None:
            arguments = self._of_step(node)
        else:
            assert node.fan_out is not None
            arguments = self._of_item(node, index, node.fan_out.items[index])
        if node.agreed is not None and node.agreed.get(index) != input_hash(arguments):
            raise ToolError(
                "inputs_changed", f"'{node.step.id}' would run with other arguments than agreed to"
            )
        return arguments

    def calls(self, node: Node) -> dict[int | None, dict[str, JsonValue]]:
        """The arguments of all calls of `node`, by item, before any edit.

        Items that cannot be resolved are left out: their calls fail. Raises ToolError as `items`
        and, for a step that is no fan-out, `arguments` do.
        """
        if node.step.for_each is None:
            return {None: self._of_step(node)}
        calls: dict[int | None, dict[str, JsonValue]] = {}
        for index, item in enumerate(self.items(node)):
            try:
                calls[index] = self._of_item(node, index, item)
            except ToolError as error:
                if error.code != "reference_not_found":
                    raise
        return calls

    def _of_step(self, node: Node) -> dict[str, JsonValue]:
        members = node.step.arguments.members
        return {name: resolve(value, self.output) for name, value in members}

    def _of_item(self, node: Node, index: int, item: JsonValue) -> dict[str, JsonValue]:
        def lookup(name: str) -> JsonValue:
            if name == "item":
                return item
            return index if name == "index" else self.output(name)

        return {name: resolve(value, lookup) for name, value in node.step.arguments.members}

    def condition_holds(self, node: Node) -> bool:
        """Whether the step's `when` holds. Raises ToolError (`bad_condition`, ...)."""
        return node.step.when is None or node.step.when.holds(self.output)

    def items(self, node: Node) -> list[JsonValue]:
        """The items that the step fans out over. Raises ToolError (`for_each_not_a_list`)."""
        assert node.step.for_each is not None
        items = resolve(node.step.for_each, self.output)
        if not isinstance(items, list):
            raise ToolError(
                "for_each_not_a_list", f"for_each needs a list, not a {type(items).__name__}"
            )
        return items

    def answer(self, template: Parsed) -> JsonValue:
        """The answer. A step that a condition skipped reads as nothing; one that failed says so.

        Raises ToolError (`reference_not_found`).
        """
        if isinstance(template, Reference):
            return resolve(template, self._lenient) if self._nodes[template.step].hands_on else None
        if isinstance(template, Template):
            parts = tuple(self._available(part) for part in template.parts)
            return resolve(Template(tuple(part for part in parts if part != "")), self.output)
        return resolve(template, self._lenient)

    def _available(self, part: str | Reference) -> str | Reference:
        if isinstance(part, str) or self._nodes[part.step].hands_on:
            return part
        node = self._nodes[part.step]
        if node.by_condition:
            return ""
        return f"(not available: {node.error.code if node.error else node.state.name.lower()})"

    def _lenient(self, step_id: str) -> JsonValue:
        return self.output(step_id) if self._nodes[step_id].hands_on else None
