# type: ignore
"""Inside the sandbox: the process that holds the code under test, and nothing of the tests.

It is told what to call, one frame at a time, and answers with what came out. It decides nothing:
the worst that the code in it can do is give wrong answers.
"""

# ruff: noqa: S102, BLE001

import asyncio
import base64
import builtins
import inspect
import json
import math
import os
import sys
import types

MOST_TEXT = 2000
MOST_ITEMS = 100_000


class Candidate:
    def __init__(self, source, replies, requests):
        self.source = source
        self.replies = replies
        self.requests = requests
        self.objects = {}
        self.module = types.ModuleType("solution")
        sys.modules["solution"] = self.module

    # ---- values --------------------------------------------------------------------------------

    def pack(self, value, depth=0):
        kind = type(value)
        if value is None or kind in (bool, str):
            return value
        if kind is int:
            return value if value.bit_length() < 4000 else {"~": "int", "v": hex(value)}
        if kind is float:
            return value if math.isfinite(value) else {"~": "float", "v": repr(value)}
        if kind is bytes:
            return {"~": "bytes", "v": base64.b64encode(value).decode()}
        if kind is complex:
            return {"~": "complex", "v": [value.real, value.imag]}
        if depth < 60 and kind in (list, tuple, set, frozenset) and len(value) <= MOST_ITEMS:
            items = [self.pack(each, depth + 1) for each in list(value)]
            return items if kind is list else {"~": kind.__name__, "v": items}
        if depth < 60 and kind is dict and len(value) <= MOST_ITEMS:
            pairs = [[self.pack(k, depth + 1), self.pack(v, depth + 1)] for k, v in value.items()]
            return {"~": "dict", "v": pairs}
        if inspect.iscoroutine(value):
            return {"~": "awaitable", "v": self.pack(asyncio.run(value), depth + 1)}
        handle = len(self.objects)
        self.objects[handle] = value
        return {"~": "object", "v": handle, "t": kind.__name__[:100], "c": isinstance(value, type)}

    def unpack(self, value):
        if isinstance(value, list):
            return [self.unpack(each) for each in value]
        if not isinstance(value, dict):
            return value
        kind, inner = value["~"], value["v"]
        if kind == "int":
            return int(inner, 16)
        if kind == "float":
            return float(inner)
        if kind == "bytes":
            return base64.b64decode(inner)
        if kind == "complex":
            return complex(*inner)
        if kind == "dict":
            return {self.unpack(k): self.unpack(v) for k, v in inner}
        if kind == "object":
            return self.objects[inner]
        if kind == "callback":
            return lambda *args, **named: self.call_back(inner, args, named)
        return {"tuple": tuple, "set": set, "frozenset": frozenset}[kind](
            self.unpack(each) for each in inner
        )

    def call_back(self, number, args, named):
        self.send({"callback": number, "args": self.pack(args), "named": self.pack(named)})
        answer = self.receive()
        if "raise" in answer:
            raise getattr(builtins, answer["raise"], RuntimeError)(answer["text"])
        return self.unpack(answer["value"])

    # ---- frames --------------------------------------------------------------------------------

    def send(self, frame):
        data = json.dumps(frame).encode() + b"\n"
        while data:
            data = data[os.write(self.replies, data) :]

    def receive(self):
        line = self.requests.readline()
        if not line:
            os._exit(0)
        return json.loads(line)

    def serve(self):
        self.send(self.loaded())
        while True:
            self.send(self.guarded(self.receive()))

    def loaded(self):
        frame = self.guarded({"do": "load"})
        if "raise" in frame:
            return frame
        names = {}
        for name, value in vars(self.module).items():
            if name.startswith("__") or isinstance(value, types.ModuleType):
                continue
            if isinstance(value, type) and issubclass(value, BaseException):
                names[name] = {"error": ancestors(value)}
            else:
                names[name] = {"value": self.pack(value)}
        return {"names": names}

    def guarded(self, frame):
        try:
            return {"value": self.pack(self.done(frame))}
        except BaseException as error:
            return {"raise": ancestors(type(error)), "text": text_of(error), "at": place_of(error)}

    def done(self, frame):
        what = frame["do"]
        if what == "load":
            exec(compile(self.source, "solution.py", "exec"), vars(self.module))
            return None
        target = self.unpack(frame["on"]) if "on" in frame else self.module
        args = self.unpack(frame.get("args", []))
        if what == "get":
            return getattr(target, frame["name"])
        if what == "set":
            return setattr(target, frame["name"], args[0])
        if what == "isinstance":
            return isinstance(args[0], target)
        if what == "method":
            # The special methods of an object are those of its type, as Python has it.
            return special(frame["name"], target, args)
        function = target if "on" in frame else getattr(target, frame["name"])
        named = dict(self.unpack(frame["named"])) if "named" in frame else {}
        return function(*args, **named)


def special(name, target, args):
    if name in ("len", "iter", "next", "repr", "str", "bool", "hash"):
        return getattr(builtins, name)(target, *args)
    found = getattr(type(target), name, None)
    if found is None:
        raise TypeError(f"'{type(target).__name__}' object does not support {name}")
    return found(target, *args)


def ancestors(kind):
    return [each.__name__[:100] for each in kind.__mro__ if each is not object]


def text_of(error):
    try:
        return str(error)[:MOST_TEXT]
    except BaseException:
        return ""


def place_of(error):
    place, trace = None, error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == "solution.py":
            place = trace.tb_lineno
        trace = trace.tb_next
    if place is None and isinstance(error, SyntaxError):
        place = error.lineno
    return place


def main():
    requests = os.fdopen(int(sys.argv[1]), "rb")
    replies = int(sys.argv[2])
    source = json.loads(requests.readline())["source"]
    Candidate(source, replies, requests).serve()


main()
