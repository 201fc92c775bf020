# type: ignore
"""Inside the sandbox: the process that holds the code under test, and nothing of the tests.

It is told what to call, one frame at a time, and answers with what came out. It decides nothing:
the worst that the code in it can do is give wrong answers. Its text goes behind that of
`wire_values`, so that `pack` and `unpack` are there without a file.
"""

# ruff: noqa: S102, BLE001, F821

import asyncio
import builtins
import inspect
import json
import os
import sys
import types

MOST_TEXT = 2000
MOST_ITEMS = 100_000
DEEPEST = 60


class Candidate:
    def __init__(self, source, replies, requests):
        self.source = source
        self.replies = replies
        self.requests = requests
        self.objects = {}
        self.module = types.ModuleType("solution")
        sys.modules["solution"] = self.module

    # ---- values --------------------------------------------------------------------------------

    def pack(self, value):
        return pack(value, self.other, DEEPEST, MOST_ITEMS)

    def other(self, value, deepest):
        if inspect.iscoroutine(value):
            inner = pack(asyncio.run(value), self.other, deepest - 1, MOST_ITEMS)
            return {"~": "awaitable", "v": inner}
        handle = len(self.objects)
        self.objects[handle] = value
        name = type(value).__name__[:100]
        return {"~": "object", "v": handle, "t": name, "c": isinstance(value, type)}

    def unpack(self, value):
        return unpack(value, self.named)

    def named(self, kind, value):
        inner = value["v"]
        if kind == "callback":
            return lambda *args, **named: self.call_back(inner, args, named)
        return self.objects[inner]

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
