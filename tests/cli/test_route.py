"""`treadle route` in a real process."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from tests.cli.conftest import Outcome

from treadle.cli.route_command import RouteOptions, configured
from treadle.testing import ScriptedOpenAIServer


@pytest.fixture
def start(
    place: Path, environment: dict[str, str]
) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    started: list[subprocess.Popen[str]] = []

    def route(*arguments: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-m", "treadle", "route", *arguments],
            stderr=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=place,
            env=environment,
        )
        started.append(process)
        return process

    yield route
    for process in started:
        process.kill()
        process.communicate(timeout=60)


def address_of(process: subprocess.Popen[str]) -> str:
    assert process.stderr is not None
    line = process.stderr.readline()
    found = re.search(r"routing (\S+) to", line)
    assert found is not None, line
    return found[1]


@pytest.mark.skipif(os.name == "nt", reason="SIGTERM ends a process there")
def test_it_routes_drains_and_ends(start: Callable[..., subprocess.Popen[str]]) -> None:
    with ScriptedOpenAIServer(lambda _: "hello") as server:
        process = start(server.base_url, "--port", "0")
        url = address_of(process)
        body = {"model": "scripted", "messages": [{"role": "user", "content": "hi"}]}
        reply = httpx.post(url + "/chat/completions", json=body, timeout=60).json()
        assert reply["choices"][0]["message"]["content"] == "hello"
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=60)
    assert process.returncode == 0
    assert (out, err) == ("", "")


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ([], "bad_router_config"),
        (["ftp://x"], "bad_router_config"),
        (["llama:http://x"], "bad_router_config"),
        (["http://x", "--config", "c.toml"], "bad_router_config"),
        (["--config", "missing.toml"], "bad_router_config"),
        (["http://127.0.0.1:9", "--key-env", "NOT_SET"], "no_router_key"),
        (["http://127.0.0.1:9", "--host", "192.0.2.1"], "cannot_listen"),
    ],
)
def test_bad_usage_is_said_in_a_line(
    arguments: list[str], code: str, treadle: Callable[..., Outcome]
) -> None:
    outcome = treadle("route", *arguments)
    assert outcome.code == 2
    assert code in outcome.err
    assert len(outcome.err.splitlines()) <= 3
    assert outcome.out == ""


def options(*engines: str, config: Path | None = None, **more: object) -> RouteOptions:
    plain = RouteOptions(engines, config, "127.0.0.1", 0, None, None, None, None)
    values = {name: getattr(plain, name) for name in RouteOptions.__dataclass_fields__}
    return RouteOptions(**{**values, **more})


def test_engines_of_the_command_line() -> None:
    config = configured(
        options(
            "http://127.0.0.1:8001",
            "treadle:http://gpu:8000/v1",
            "openai:https://api.openai.com/v1",
            "http://127.0.0.1:8001",
            max_in_flight=7,
        )
    )
    assert [(each.name, each.backend, each.plugin) for each in config.engines] == [
        ("127.0.0.1:8001", "stock", False),
        ("gpu:8000", "vllm", True),
        ("api.openai.com", "openai", False),
    ]
    assert {each.max_in_flight for each in config.engines} == {7}


def test_the_command_line_goes_before_the_file(tmp_path: Path) -> None:
    path = tmp_path / "router.json"
    path.write_text('{"engines": [{"name": "a", "url": "http://x"}], "policy": "treadle"}')
    assert configured(options(config=path, policy="vllm")).policy == "vllm"
    assert configured(options(config=path)).policy == "treadle"
