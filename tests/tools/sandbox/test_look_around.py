"""What a trial has to see from inside before its level counts as one that works."""

import dataclasses
import json

import pytest
from tests.tools.sandbox.machine import need

from treadle.core.json_value import JsonValue
from treadle.tools.sandbox import SandboxLevel, SandboxLimits, SandboxResult
from treadle.tools.sandbox.execution import Job
from treadle.tools.sandbox.file_names import WantedFiles
from treadle.tools.sandbox.levels.catalogue import runner_of
from treadle.tools.sandbox.levels.look_around import LOOK_AROUND, breach, seen_inside

LEVELS = (SandboxLevel.STRICT, SandboxLevel.USER, SandboxLevel.CONFINED)


async def looked(level: SandboxLevel) -> SandboxResult:
    need(level)
    job = Job(LOOK_AROUND, None, {}, WantedFiles(()), SandboxLimits())
    return await runner_of(level).run(job)


def changed(result: SandboxResult, **seen: JsonValue) -> SandboxResult:
    return dataclasses.replace(result, stdout=json.dumps({**seen_inside(result), **seen}))


@pytest.mark.parametrize("level", LEVELS)
async def test_each_level_is_looked_at_for_all_that_it_promises(level: SandboxLevel) -> None:
    result = await looked(level)
    assert breach(level, result) is None
    assert breach(level, changed(result, descriptors=4)) == "it had inherited descriptors"
    assert breach(level, changed(result, seccomp=0)) == "no system call filter was in force"
    assert breach(level, changed(result, privileges=0)) == "no system call filter was in force"
    assert breach(level, changed(result, uid=0)) == "it had privileges"
    assert breach(level, changed(result, shadow=False)) == "it could read /etc/shadow"
    assert breach(level, changed(result, network=["eth0", "lo"])) == "it could reach a network"


@pytest.mark.parametrize("level", LEVELS)
async def test_descriptors_are_counted_without_a_list_of_them(level: SandboxLevel) -> None:
    need(level)
    more = "import os\nheld = [os.dup(1), os.open('/dev/null', os.O_RDONLY)]\n"
    job = Job(more + LOOK_AROUND, None, {}, WantedFiles(()), SandboxLimits())
    result = await runner_of(level).run(job)
    assert seen_inside(result)["descriptors"] == 5
