"""A code agent repairs its program until the tests pass.

The model here is a script, so that the example runs anywhere; put your own in its place, for
example `resolve_model("openai:gpt-5-mini")`. The code runs in the sandbox of this machine.
"""

import asyncio

from treadle.agents.coding import CodeAgent
from treadle.testing import ScriptedModel

FIRST = """```python
def median(numbers):
    numbers.sort()
    return numbers[len(numbers) // 2]
```"""
SECOND = """With an even count it is the mean of the middle two.
```python
def median(numbers):
    ordered = sorted(numbers)
    middle = len(ordered) // 2
    if len(ordered) % 2:
        return ordered[middle]
    return (ordered[middle - 1] + ordered[middle]) / 2
```"""
TESTS = """
from solution import median
def test_odd(): assert median([3, 1, 2]) == 2
def test_even(): assert median([4, 1, 3, 2]) == 2.5
"""


async def main() -> None:
    agent = CodeAgent(model=ScriptedModel([FIRST, SECOND]))
    result = (await agent.run("the median of a list of numbers", tests=TESTS)).output
    given = result.evidence.given
    print(f"{result.verdict}: {given.passed} of {given.total} tests")
    print(f"{result.evidence.attempts} attempts")


asyncio.run(main())
