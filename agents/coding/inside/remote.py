# type: ignore
"""Inside the sandbox: the code under test, as the tests see it from another process."""

# ruff: noqa: S603, BLE001

import builtins
import contextlib
import json
import os
import secrets
import select
import subprocess
import sys
import threading
import time

from wire_values import pack, unpack

MOST_FRAME = 8_000_000
MOST_TEXT = 1000
MOST_PRINTED = 4000


class Ended(Exception):
    """The code under test gave no answer."""


class Remote:
    """The process with the code under test."""

    def __init__(self, job, deadline):
        self.deadline = deadline
        self.buffer = b""
        self.callbacks = []
        self.calls = []
        self.printed = b""
        here, there = os.pipe(), os.pipe()
        self.replies, self.requests = here[0], there[1]
        self.process = subprocess.Popen(
            [sys.executable, "-I", "-c", job["candidate"], str(there[0]), str(here[1])],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            pass_fds=(there[0], here[1]),
        )
        os.close(there[0])
        os.close(here[1])
        threading.Thread(target=self.drain, args=(self.process.stdout,), daemon=True).start()
        try:
            self.write({"source": job["code"]})
            loaded = self.read()
            self.raise_from(loaded)
        except BaseException:
            self.close()
            raise
        self.names = loaded.get("names", {})

    def drain(self, stream):
        while data := stream.read1(65536):
            if len(self.printed) < MOST_PRINTED:
                self.printed += data[:MOST_PRINTED]

    def write(self, frame):
        data = json.dumps(frame).encode() + b"\n"
        while data:
            left = self.deadline - time.monotonic()
            if left <= 0 or not select.select([], [self.requests], [], left)[1]:
                raise Ended("it took too long")
            try:
                data = data[os.write(self.requests, data[:4096]) :]
            except OSError:
                raise Ended("its process ended") from None

    def read(self):
        while b"\n" not in self.buffer:
            left = self.deadline - time.monotonic()
            if left <= 0 or not select.select([self.replies], [], [], left)[0]:
                raise Ended("it took too long")
            data = os.read(self.replies, 65536)
            if not data:
                raise Ended("its process ended")
            self.buffer += data
            if len(self.buffer) > MOST_FRAME:
                raise Ended("it returned too much")
        line, _, self.buffer = self.buffer.partition(b"\n")
        try:
            frame = json.loads(line)
        except (ValueError, RecursionError):
            raise Ended("it broke the protocol") from None
        if not isinstance(frame, dict):
            raise Ended("it broke the protocol")
        return frame

    def ask(self, frame):
        self.write(frame)
        while True:
            answer = self.read()
            if "callback" not in answer:
                break
            self.write(self.called_back(answer))
        self.raise_from(answer)
        return self.unpack(answer.get("value"))

    def call(self, name, args, named, on=None):
        frame = {"do": "call", "args": self.pack(list(args)), "named": self.pack(named)}
        if on is None:
            frame["name"] = name
        else:
            frame["on"] = on
        record = {"function": name, "arguments": shown_call(args, named), "result": "no result"}
        plain = on is None and plain_arguments(args, named)
        if plain is not None and plain is not False:
            record["json"] = plain
        self.calls = [*self.calls[-7:], record]
        try:
            result = self.ask(frame)
        except Ended as error:
            record["result"] = str(error)
            raise
        except BaseException as error:
            record["result"] = f"raised {type(error).__name__}: {error}"[:MOST_TEXT]
            record["at"] = getattr(error, "solution_line", None)
            raise
        record["result"] = short(result)
        return result

    def called_back(self, frame):
        try:
            function = self.callbacks[frame["callback"]]
            result = function(*self.unpack(frame["args"]), **dict(self.unpack(frame["named"])))
            return {"value": self.pack(result)}
        except Exception as error:
            return {"raise": type(error).__name__, "text": str(error)[:MOST_TEXT]}

    def raise_from(self, frame):
        if "raise" not in frame:
            return
        names = frame["raise"] if isinstance(frame["raise"], list) else ["RuntimeError"]
        text = str(frame.get("text", ""))[:MOST_TEXT]
        if error_class(names) is RuntimeError and names[0] != "RuntimeError":
            text = f"{names[0]}: {text}"
        try:
            error = error_class(names)(text)
        except TypeError:  # one that wants more than a text, such as UnicodeDecodeError
            error = RuntimeError(f"{names[0]}: {text}")
        error.solution_line = frame.get("at")
        error.from_solution = True
        raise error

    def pack(self, value):
        return pack(value, self.other)

    def other(self, value, deepest):
        if isinstance(value, Proxy):
            return {"~": "object", "v": handle_of(value)}
        if callable(value):
            self.callbacks.append(value)
            return {"~": "callback", "v": len(self.callbacks) - 1}
        try:
            items = list(value)  # a range, a generator, a file-like iterator
        except TypeError:
            name = type(value).__name__
            raise TypeError(f"tests cannot pass a {name} to the code under test") from None
        return self.pack(items)

    def unpack(self, value):
        return unpack(value, self.named)

    def named(self, kind, value):
        inner = value.get("v")
        if kind == "object":
            return (ClassProxy if value.get("c") else Proxy)(self, int(inner), str(value.get("t")))
        if kind == "awaitable":
            return Awaited(self.unpack(inner))
        raise Ended("it broke the protocol")

    def close(self):
        with contextlib.suppress(OSError):
            self.process.kill()
        self.process.wait()
        for number in (self.replies, self.requests):
            with contextlib.suppress(OSError):
                os.close(number)


class Awaited:
    def __init__(self, value):
        self.value = value

    def __await__(self):
        return self.value
        yield


def handle_of(proxy):
    return object.__getattribute__(proxy, "_handle")


class Proxy:
    """An object of the code under test; everything that is done to it is done there."""

    def __init__(self, remote, handle, kind):
        for name, value in (("_remote", remote), ("_handle", handle), ("_kind", kind)):
            object.__setattr__(self, name, value)

    def _do(self, what, name, args=()):
        remote = object.__getattribute__(self, "_remote")
        on = {"~": "object", "v": handle_of(self)}
        frame = {"do": what, "on": on, "name": name, "args": remote.pack(list(args))}
        return remote.ask(frame)

    def __getattr__(self, name):
        if name.startswith("__") and name.endswith("__") and name not in ("__name__", "__doc__"):
            raise AttributeError(name)
        return self._do("get", name)

    def __setattr__(self, name, value):
        self._do("set", name, [value])

    def __call__(self, *args, **named):
        remote, kind = (object.__getattribute__(self, each) for each in ("_remote", "_kind"))
        return remote.call(kind, args, named, on={"~": "object", "v": handle_of(self)})


class ClassProxy(Proxy):
    def __instancecheck__(self, instance):
        return isinstance(instance, Proxy) and self._do("isinstance", "", [instance])


def _forward(name, remote_name):
    def method(self, *args):
        return self._do("method", remote_name, args)

    method.__name__ = name
    return method


for _each in ("len", "iter", "next", "repr", "str", "bool", "hash"):
    setattr(Proxy, f"__{_each}__", _forward(f"__{_each}__", _each))
_OPERATORS = """
eq ne lt le gt ge getitem setitem delitem contains add radd sub rsub mul rmul truediv floordiv mod
pow and or xor neg pos abs invert int float enter exit
"""
for _each in _OPERATORS.split():
    setattr(Proxy, f"__{_each}__", _forward(f"__{_each}__", f"__{_each}__"))


def _equal(self, other):
    """As the code under test says, unless it says so of anything."""
    if type(other) in _STRANGERS and self._do("method", "__eq__", [_STRANGERS[type(other)]()]):
        raise AssertionError("what came out says that it is equal to whatever it is compared with")
    return self._do("method", "__eq__", [other])


_STRANGERS = {
    str: lambda: secrets.token_hex(8),
    int: lambda: secrets.randbits(70),
    float: lambda: secrets.randbits(70) + 0.5,
    list: lambda: [secrets.token_hex(8)],
    tuple: lambda: (secrets.token_hex(8),),
    dict: lambda: {secrets.token_hex(8): 1},
}
Proxy.__eq__ = _equal

_error_classes = {}


def error_class(names):
    """A class for an exception of the code under test; one of ours for each of theirs."""
    own = getattr(builtins, str(names[0]), None)
    if isinstance(own, type) and issubclass(own, BaseException):
        # Else SystemExit and the like would end the tests, and not fail them.
        return own if issubclass(own, Exception) else RuntimeError
    key = tuple(str(each) for each in names)
    if key not in _error_classes:
        parent = error_class(key[1:]) if len(key) > 1 else Exception
        _error_classes[key] = type(key[0], (parent,), {})
    return _error_classes[key]


def plain_arguments(args, named):
    try:
        found = {"args": list(args), "named": named}
        json.dumps(found, allow_nan=False)
        return found
    except (TypeError, ValueError, RecursionError):
        return None


def short(value):
    try:
        text = repr(value)
    except Exception as error:
        text = f"<{type(error).__name__} in repr>"
    return text if len(text) <= 300 else f"{text[:200]} ... {text[-80:]} ({len(text)} characters)"


def shown_call(args, named):
    return ", ".join([short(each) for each in args] + [f"{k}={short(v)}" for k, v in named.items()])
