# type: ignore
"""Inside the sandbox: the part of pytest that tests of one module use.

The real one is not installed there, and runs in the process of what it tests.
"""

import math
import re
import types


class Skipped(Exception):
    pass


def pytest_module():
    """The part of pytest that tests of one module use, where the real one is not installed."""
    module = types.ModuleType("pytest")

    class Raises:
        def __init__(self, kinds, match):
            self.kinds, self.match, self.value = kinds, match, None

        def __enter__(self):
            return self

        def __exit__(self, kind, error, trace):
            if kind is None:
                raise AssertionError("nothing was raised")
            if not issubclass(kind, self.kinds):
                return False
            self.value = error
            if self.match is not None:
                assert re.search(self.match, str(error)), f"{error} does not match {self.match}"
            return True

    class Approx:
        def __init__(self, value, rel=1e-6, abs=1e-12):  # noqa: A002 - as pytest names it
            self.value, self.rel, self.abs = value, rel or 0, abs or 0

        def __eq__(self, other):
            if isinstance(self.value, dict):
                return self.value.keys() == other.keys() and all(
                    Approx(self.value[key], self.rel, self.abs) == other[key] for key in other
                )
            if isinstance(self.value, (list, tuple)):
                return len(self.value) == len(other) and all(
                    Approx(mine, self.rel, self.abs) == theirs
                    for mine, theirs in zip(self.value, other, strict=True)
                )
            return math.isclose(other, self.value, rel_tol=self.rel, abs_tol=self.abs)

        __hash__ = None

    def parametrize(names, rows, ids=None):
        listed = [each.strip() for each in names.split(",")] if isinstance(names, str) else names

        def mark(function):
            earlier = getattr(function, "rows", [{}])
            function.rows = [
                {**dict(zip(listed, row if len(listed) > 1 else [row], strict=True)), **other}
                for other in earlier
                for row in rows
            ]
            return function

        return mark

    def skip(reason=""):
        raise Skipped(reason)

    module.raises = lambda kinds, match=None: Raises(kinds, match)
    module.approx = Approx
    module.mark = types.SimpleNamespace(parametrize=parametrize, asyncio=lambda function: function)
    module.skip = skip
    return module
