"""`treadle doctor`: what is configured, from where, and what is reachable."""

from __future__ import annotations

import os
import platform
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING

from treadle.cli.follow import until_stopped
from treadle.cli.harmless import one_line
from treadle.cli.options import CommonOptions, make_runtime, settings, state_folder
from treadle.cli.output import print_json, write_stdout
from treadle.core.json_value import JsonValue

if TYPE_CHECKING:
    from treadle.tools.sandbox.probing import SandboxProbe

PACKAGES = ("openai", "langgraph", "pydantic", "duckdb", "rich", "prompt_toolkit")
EXTRAS = {
    "vllm": "vllm",
    "ray": "ray",
    "service": "fastapi",
    "mcp": "mcp",
    "code": "pyright",
    "postgres": "psycopg",
    "otel": "opentelemetry-sdk",
}
"""The package that says whether an extra is installed."""


async def doctor(options: CommonOptions) -> int:
    """Print the state of things; 1 if the model that is configured cannot be reached."""
    import treadle
    from treadle.agents.user_settings import config_file
    from treadle.serving import probe
    from treadle.tools.sandbox.probing import probe_async

    configured = settings()
    async with make_runtime(options) as runtime:
        reached = await until_stopped(probe(runtime.model))
        report: dict[str, JsonValue] = {
            "treadle": treadle.__version__,
            "python": platform.python_version(),
            "platform": f"{sys.platform} {platform.machine()}",
            "model": runtime.model.name,
            "model_from": runtime.model_source,
            "model_reachable": reached.reachable,
            "model_error": None if reached.error is None else str(reached.error),
            "workspace": str(runtime.workspace),
            "allowed_hosts": [*options.allow_hosts],
            "tools": len(runtime.tools),
            "config_file": str(config_file()),
            "config_file_exists": config_file().is_file(),
            "state_folder": str(state_folder(configured)),
            "state_folder_error": _unusable(state_folder(configured)),
            "settings": {
                name: {"from": setting.source, "value": _shown(name, setting.value)}
                for name, setting in configured.values.items()
            },
            "packages": {package: _version(package) for package in PACKAGES},
            "extras": {extra: _version(package) for extra, package in EXTRAS.items()},
            "sandbox": _sandbox(await until_stopped(probe_async(again=True))),
        }
    if options.json:
        print_json(report)
    else:
        write_stdout(_text(report))
    return 0 if reached.reachable else 1


def _sandbox(found: SandboxProbe) -> dict[str, JsonValue]:
    """The strongest level that works here, what it bounds, and why others do not work."""
    best = found.strongest
    return {
        "level": None if best is None else best.level.value,
        "bounded": [] if best is None else list(best.bounded),
        "unbounded": [] if best is None else list(best.unbounded),
        "others": {
            each.level.value: "works" if each.works else each.reason
            for each in found.levels
            if each is not best
        },
    }


def _unusable(folder: Path) -> str | None:
    """Why nothing can be kept in the state folder, and what to do; None where it can."""
    there = folder.absolute()
    while not os.path.lexists(there):
        there = there.parent  # the folders below it are made when something is kept
    if there.is_dir() and os.access(there, os.W_OK | os.X_OK) and not _is_virtual(there):
        return None
    why = "nothing can be written there" if there.is_dir() else "that is no folder"
    return (
        f"state_unwritable: {there}: {why}; make it a folder that you can write to, or have "
        "TREADLE_STATE_DIR name one"
    )


def _is_virtual(folder: Path) -> bool:
    """Whether the kernel makes up what is in it: its modes say that root may write."""
    return any(folder.is_relative_to(each) for each in ("/proc", "/sys"))


def _shown(name: str, value: str) -> str:
    return "(set)" if name == "api_key" else value


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _text(report: dict[str, JsonValue]) -> str:
    lines: list[str] = []
    for name, value in report.items():
        if name in ("model_error", "state_folder_error") and value is None:
            continue
        label = name.replace("_", " ")
        if isinstance(value, dict):
            lines.append(f"{label + ':':20}{'' if value else 'none'}".rstrip())
            lines += [f"  {key + ':':18}{_value(each)}" for key, each in value.items()]
        else:
            lines.append(f"{label + ':':20}{_value(value)}")
    if report["model"] == "offline":
        lines.append("")
        lines.append(
            "No model is configured: the offline stand-in plans a documented range of tasks."
        )
        lines.append("Set OPENAI_API_KEY, or TREADLE_MODEL (such as ollama:NAME or vllm:URL).")
    return "\n".join(lines) + "\n"


def _value(value: JsonValue) -> str:
    if isinstance(value, dict):
        if "from" not in value:
            return one_line("; ".join(f"{name}: {each}" for name, each in value.items()), 600)
        return one_line(f"{value['value']}  (from {value['from']})")
    if isinstance(value, list):
        return one_line(", ".join(str(each) for each in value), 600) or "none"
    if value is None:
        return "no"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return one_line(str(value))
