# type: ignore
"""Inside the sandbox: runs tests against code that lives in another process.

The tests and the numbers that sign the result are in this process only: they came in a file that
is gone before the code under test starts, and this process lets no other look into it. What the
code under test prints, patches, overwrites or leaves behind changes nothing here.
"""

# ruff: noqa: S102, BLE001

import ast
import asyncio  # here, before the code under test could stand in for it
import builtins
import contextlib
import ctypes
import functools
import inspect
import json
import math
import os
import sys
import time
import types

# The code under test has not started yet, and never has a say in what is imported here.
sys.path.insert(0, os.getcwd())
sys.dont_write_bytecode = True

from little_pytest import Skipped, pytest_module  # noqa: E402
from remote import (  # noqa: E402
    MOST_PRINTED,
    MOST_TEXT,
    Awaited,
    Ended,
    Proxy,
    Remote,
    error_class,
    short,
)

MINE = ("job.json", "remote.py", "wire_values.py", "little_pytest.py")
DUMPABLE = 4


def module_of(remote):
    module = types.ModuleType("solution")
    for name, what in remote.names.items():
        if "error" in what:
            value = error_class(what["error"])
        else:
            value = remote.unpack(what.get("value"))
            if type(value) is Proxy and object.__getattribute__(value, "_kind") == "function":
                value = function_of(remote, name)
        setattr(module, name, value)
    return module


def function_of(remote, name):
    def function(*args, **named):
        return remote.call(name, args, named)

    function.__name__ = name
    return function


# ---- tests -------------------------------------------------------------------------------------


class Run:
    def __init__(self, job):
        self.job = job
        self.results = []
        self.last_moment = time.monotonic() + job["seconds"]

    def deadline(self):
        """For what begins now; so that the last test still leaves time to say what came of all."""
        return min(self.last_moment, time.monotonic() + self.job["test_seconds"])

    def test_module(self, source):
        """Every test of a module, each with the code under test in a process of its own."""
        tree = ast.parse(source, "tests.py")
        names = [name for name, _ in self.collect(tree, None)]
        for name in names[: self.job["most_tests"]]:
            self.one(name, lambda remote, name=name: dict(self.collect(tree, remote))[name]())
        if len(names) > self.job["most_tests"]:
            self.fail("the tests", "too many", f"{len(names)} tests are more than can be run")

    def collect(self, tree, remote):
        """The tests by name; without `remote` only their names mean anything."""
        module = types.ModuleType("tests")
        if remote is None:
            solution = Anything("solution")
        else:
            solution = module_of(remote)
            vars(module).update(
                {k: v for k, v in vars(solution).items() if not self.is_the_tests_own(k)}
            )
        sys.modules["solution"] = solution
        for alias in self.job["modules"]:
            sys.modules[alias] = solution
        sys.modules.setdefault("pytest", pytest_module())
        found = []
        for node in tree.body:
            if isinstance(node, ast.Assert):
                code = compile(ast.Module([node], []), "tests.py", "exec")
                check = functools.partial(exec, code, vars(module))
                found.append((f"line {node.lineno}", check))
                continue
            try:
                exec(compile(ast.Module([node], []), "tests.py", "exec"), vars(module))
            except Exception:
                if remote is not None:
                    raise
        return found + list(self.functions(module, tree))

    def is_the_tests_own(self, name):
        """What asserts are made of is not the solution's to define, unless it is asked for that."""
        if name.startswith("__"):
            return True
        return hasattr(builtins, name) and name != self.job["entry"]

    def functions(self, module, tree):
        defined = {each.name for each in tree.body if hasattr(each, "name")}
        for name, value in list(vars(module).items()):
            if name not in defined:
                continue
            if isinstance(value, types.FunctionType) and name.startswith("test"):
                yield from rows_of(name, value)
            elif name == "check" and self.job["entry"] and isinstance(value, types.FunctionType):
                entry = getattr(sys.modules["solution"], self.job["entry"], None)
                yield name, lambda value=value, entry=entry: value(entry)
            elif isinstance(value, type) and name.startswith("Test"):
                for method in vars(value):
                    if method.startswith("test"):
                        yield from methods_of(f"{name}.{method}", value, method)

    def one(self, name, test):
        remote = None
        try:
            remote = Remote(self.job, self.deadline())
            test(remote)
        except Skipped:
            return
        except Ended as error:
            self.fail(name, "ended", str(error), remote)
        except AssertionError as error:
            mine = not getattr(error, "from_solution", False)
            self.fail(name, "assertion" if mine else "raised", described(error), remote)
        except BaseException as error:
            where = "raised" if getattr(error, "from_solution", False) else "test_error"
            self.fail(name, where, described(error), remote)
        else:
            self.results.append({"name": name, "passed": True})
        finally:
            if remote is not None:
                remote.close()

    def fail(self, name, kind, why, remote=None):
        found = {"name": name, "passed": False, "kind": kind, "why": why[:MOST_TEXT]}
        if remote is not None:
            found["calls"] = remote.calls[-3:]
            found["printed"] = remote.printed[:MOST_PRINTED].decode("utf-8", "replace")
        self.results.append(found)

    def observe(self, calls):
        """What each call gives; nothing is compared here."""
        seen = []
        for call in calls:
            remote = None
            try:
                remote = Remote(self.job, self.deadline())
                value = remote.call(call["function"], call["args"], call["named"])
                if isinstance(value, Awaited):
                    value = value.value
                if inspect_iterator(value):
                    value = list(value)
                seen.append({"value": plain(value), "text": short(value)})
            except Ended as error:
                seen.append({"ended": str(error)})
            except BaseException as error:
                seen.append({"error": type(error).__name__, "text": described(error)})
                seen[-1]["at"] = getattr(error, "solution_line", None)
            finally:
                if remote is not None:
                    remote.close()
        return seen


class Anything:
    """Stands for the code under test while the names of tests are collected."""

    def __init__(self, name):
        self.name = name

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return type(name, (Exception,), {}) if name[:1].isupper() else Anything(name)

    def __call__(self, *args, **named):
        return Anything(self.name)


def rows_of(name, function):
    rows = getattr(function, "rows", None)
    if rows is None:
        yield name, lambda: finished(function())
        return
    for number, row in enumerate(rows):
        yield f"{name}[{number}]", lambda row=row: finished(function(**row))


def methods_of(name, kind, method):
    import unittest

    if issubclass(kind, unittest.TestCase):

        def run():
            case = kind(method)
            kind.setUpClass()
            case.setUp()
            try:
                finished(getattr(case, method)())
            finally:
                case.tearDown()

        yield name, run
        return
    rows = getattr(vars(kind)[method], "rows", [{}])
    for number, row in enumerate(rows):
        title = name if len(rows) == 1 else f"{name}[{number}]"

        def run(row=row):
            made = kind()
            if hasattr(made, "setup_method"):
                made.setup_method()
            finished(getattr(made, method)(**row))

        yield title, run


def finished(result):
    if inspect.iscoroutine(result):
        asyncio.run(result)


def inspect_iterator(value):
    if not isinstance(value, Proxy):
        return False
    return object.__getattribute__(value, "_kind") in ("generator", "range", "map", "filter", "zip")


def plain(value, depth=0):
    """`value` as JSON, where it has a form in JSON; texts of the others."""
    if value is None or isinstance(value, (bool, str, int)):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else repr(value)
    if isinstance(value, (list, tuple)) and depth < 60:
        return [plain(each, depth + 1) for each in value]
    if isinstance(value, (set, frozenset)):
        return sorted((plain(each, depth + 1) for each in value), key=repr)
    if isinstance(value, dict) and depth < 60:
        return {key if isinstance(key, str) else repr(key): plain(v, depth + 1)
                for key, v in value.items()}  # fmt: skip
    return short(value)


def described(error):
    text = str(error)
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def hide():
    """No other process may look into this one, even of the same user."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(DUMPABLE, 0, 0, 0, 0)


def main():
    with open("job.json", "rb") as file:
        job = json.loads(file.read())
    for name in MINE:
        os.unlink(name)
    # Whatever lies in the workspace from now on may be the work of the code under test.
    sys.path[:] = [each for each in sys.path if each not in ("", ".", os.getcwd())]
    hide()
    out = os.dup(1)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    run = Run(job)
    answer = {}
    if job["calls"]:
        answer["seen"] = run.observe(job["calls"])
    if job["tests"]:
        try:
            run.test_module(job["tests"])
        except SyntaxError as error:
            run.fail("the tests", "test_error", described(error))
        answer["tests"] = run.results
    if not job["calls"] and not job["tests"]:
        run.one("it loads", lambda remote: None)
        answer["tests"] = run.results
    data = f"\n{job['nonce']} {json.dumps(answer)}\n".encode()
    while data:
        data = data[os.write(out, data) :]


main()
