"""Which labels the values of one run carry: a fold over its plan and its events, in code alone."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from treadle.core.taint import CLEAN, CallTaint, Labels, label_of
from treadle.executor.node import FINAL, Node, State
from treadle.planner.plan import Plan
from treadle.planner.reference import Parsed, references
from treadle.planner.step import ITEM_NAMES, Step

_GIVES = frozenset({State.RUNNING, State.SUCCEEDED, State.FAILED})


class Taints:
    """The labels of the steps in `nodes`.

    A step's arguments carry the labels of whoever wrote the step and of the outputs that they refer
    to, the list of a fan-out included; a condition carries none. Its output carries those, and its
    own where its tool is untrusted.

    within: the id of the run, where it is part of another one: labels say so.
    """

    def __init__(self, nodes: Mapping[str, Node], within: str | None = None) -> None:
        self.author: Labels = CLEAN
        """Of whoever writes steps from now on: what the planner or the joiner was shown."""
        self._nodes = nodes
        self._within = within
        self._any = False

    def write(self, author: Labels) -> None:
        """Whoever writes steps from now on has read what carries `author`."""
        self.author = author
        self._any = self._any or bool(author)

    def take(self, node: Node) -> None:
        """`node` was added, by whoever writes now."""
        self._any = self._any or node.tool.gives_untrusted or bool(node.author or node.taint)

    def of_arguments(self, node: Node) -> Labels:
        """The labels of what `node` is called with, as far as they are known."""
        if not self._any:
            return CLEAN
        labels = node.author
        for name in _sources(node.step):
            labels |= self.of_output(self._nodes[name])
        return labels

    def of_output(self, node: Node) -> Labels:
        """The labels of what `node` gives, or has given; of one that has not run, none."""
        if not self._any or node.state not in _GIVES:
            return CLEAN
        if node.taint is None:
            return self._of_made(node, failed=False)
        return node.taint

    def end(self, node: Node, *, failed: bool) -> Labels:
        """`node` has run to its end: the labels of its output, or of its error."""
        node.taint = self._of_made(node, failed=failed) if self._any else CLEAN
        return node.taint

    def gather(self, node: Node, call: CallTaint) -> None:
        """A call of `node` has read something by itself."""
        if call.gathered:
            node.gathered |= call.gathered
            self._any = True

    def observed(self) -> Labels:
        """The labels of everything that is shown of the run to whoever answers or replans."""
        if not self._any:
            return CLEAN
        labels = self.author
        for node in self._nodes.values():
            labels |= node.author | self.of_output(node)
        return labels

    def of_answer(self, plan: Plan) -> Labels:
        """The labels of the answer that `plan` itself gives."""
        if plan.answer is None or not self._any:
            return CLEAN
        labels = self.author
        for each in references(plan.answer):
            labels |= self.of_output(self._nodes[each.step])
        return labels

    def foreseen(self) -> frozenset[str]:
        """The steps whose arguments will carry labels, if all goes as planned."""
        if not self._any:
            return frozenset()
        tainted: set[str] = set()
        found: set[str] = set()
        for step_id, node in self._nodes.items():
            if node.author or any(name in tainted for name in _sources(node.step)):
                found.add(step_id)
            if node.state in FINAL:
                gives = bool(self.of_output(node))
            else:
                gives = node.tool.gives_untrusted or (step_id in found and not node.tool.sanitizes)
            if gives:
                tainted.add(step_id)
        return frozenset(found)

    def _of_made(self, node: Node, *, failed: bool) -> Labels:
        tool = node.tool
        # What it says of its failure is a text, however strict its output is.
        if tool.sanitizes and not failed:
            return CLEAN
        labels = self.of_arguments(node) | node.gathered
        if tool.gives_untrusted or (failed and tool.open_world):
            labels |= {label_of(tool.name, node.step.id, self._within)}
        return labels


def _sources(step: Step) -> Iterator[str]:
    """The steps whose outputs are in the arguments of `step`."""
    parts: Iterable[Parsed] = (step.arguments,)
    if step.for_each is not None:
        parts = (step.arguments, step.for_each)
    own = ITEM_NAMES if step.for_each is not None else frozenset[str]()
    for part in parts:
        yield from (each.step for each in references(part) if each.step not in own)
