"""How a run works, whatever its task."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from treadle.agents.runs.plan_labels import PlanLabels
from treadle.agents.runs.run_memory import RunMemory
from treadle.core.chat import ChatModel
from treadle.core.model_call import DEFAULT_DEADLINES, ModelDeadlines
from treadle.core.settings import Settings
from treadle.planner.prompt import Prompts
from treadle.planner.shown_tools import ShownTools
from treadle.tools import ToolRegistry
from treadle.tools.artifacts import ArtifactStore


@dataclass(frozen=True, slots=True)
class Settled:
    """How a run works, whatever its task: shared by all runs of a Runtime."""

    model: ChatModel
    tools: ToolRegistry
    prompts: Prompts
    deadlines: ModelDeadlines
    artifacts: ArtifactStore
    max_replans: int
    max_repairs: int
    undo_on_failure: bool = False
    shown: ShownTools = field(default_factory=ShownTools)
    plan_labels: PlanLabels = field(default_factory=PlanLabels)
    memory: RunMemory | None = None


def settle(
    model: ChatModel,
    tools: ToolRegistry,
    settings: Settings,
    *,
    prompts: Path | str | None,
    artifacts: Path | str | None,
    max_replans: int,
    max_repairs: int,
    undo_on_failure: bool,
    shown: ShownTools,
    memory: RunMemory | None = None,
) -> Settled:
    """What a Runtime was told, and where it was told nothing, what is configured.

    Raises ConfigError (`bad_setting`), and what Prompts raise.
    """
    folder = prompts if prompts is not None else settings.get("prompts")
    total = settings.number("model_timeout", DEFAULT_DEADLINES.total)
    return Settled(
        model=model,
        tools=tools,
        prompts=Prompts(None if folder is None else Path(folder)),
        deadlines=ModelDeadlines(idle=min(DEFAULT_DEADLINES.idle, total), total=total),
        artifacts=ArtifactStore(None if artifacts is None else Path(artifacts)),
        max_replans=max_replans,
        max_repairs=max_repairs,
        undo_on_failure=undo_on_failure,
        shown=shown,
        memory=memory,
    )
