# type: ignore
"""Inside the sandbox: runs one call and notes the variables before and after each basic block.

What it says is about the code that runs in this very process, which may lie: it goes to the model
that wrote the code, and decides nothing.
"""

# ruff: noqa: S102, BLE001

import ast
import asyncio
import inspect
import json
import os
import reprlib
import sys
import types

PLAIN = (ast.Assign, ast.AugAssign, ast.AnnAssign, ast.Expr, ast.Pass, ast.Delete, ast.Assert)


def blocks_of(source):
    """The block of each line: straight runs of statements; a compound one's head is its own."""
    found = []

    def walk(body):
        run = []
        for node in body:
            if isinstance(node, PLAIN):
                run.append(node)
                continue
            if isinstance(node, (ast.Return, ast.Raise, ast.Break, ast.Continue)):
                add([*run, node])
                run = []
                continue
            add(run)
            run = []
            inner = [getattr(node, each, []) for each in ("body", "orelse", "finalbody")]
            inner += [each.body for each in getattr(node, "handlers", [])]
            inner += [each.body for each in getattr(node, "cases", [])]
            inner = [each for each in inner if each]
            function = isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef))
            if not function:
                last = inner[0][0].lineno - 1 if inner else node.end_lineno
                found.append((node.lineno, max(node.lineno, last)))
            for each in inner:
                walk(each)
        add(run)

    def add(run):
        if run:
            found.append((run[0].lineno, run[-1].end_lineno))

    walk(ast.parse(source).body)
    return sorted(set(found))


class Tracer:
    def __init__(self, blocks, most_runs, most_events, most_text):
        self.blocks = blocks
        self.most_runs, self.left = most_runs, most_events
        self.block_of = {}
        for number, (first, last) in enumerate(blocks):
            for line in range(first, last + 1):
                self.block_of.setdefault(line, number)
        self.seen = {}
        self.order = []
        self.open = {}
        self.shortener = reprlib.Repr()
        self.shortener.maxstring = self.shortener.maxother = self.shortener.maxlong = most_text
        self.shortener.maxlist = self.shortener.maxtuple = self.shortener.maxdict = 8
        self.shortener.maxset = 8

    def __call__(self, frame, event, argument):
        if frame.f_code.co_filename != "solution.py":
            return None
        if frame.f_code.co_name in ("<module>", "<lambda>", "<listcomp>", "<genexpr>"):
            return None
        return self.line

    def line(self, frame, event, argument):
        if self.left <= 0:
            sys.settrace(None)
            return None
        self.left -= 1
        key = id(frame)
        opened = self.open.get(key)
        if event == "line":
            block = self.block_of.get(frame.f_lineno)
            if block is None:
                return self.line
            again = opened and opened[0] == block and frame.f_lineno == self.blocks[block][0]
            if opened is None or opened[0] != block or again:
                self.close(key, frame)
                self.open[key] = (block, self.variables(frame), frame.f_code.co_name)
        elif event == "return":
            self.close(key, frame, {"return": self.short(argument)})
            self.open.pop(key, None)
        elif event == "exception":
            kind, error, _ = argument
            self.close(key, frame, {"raised": f"{kind.__name__}: {self.short(error)}"})
            self.open.pop(key, None)
        return self.line

    def close(self, key, frame, more=None):
        opened = self.open.get(key)
        if opened is None:
            return
        block, before, function = opened
        if block not in self.seen:
            self.seen[block] = {"times": 0, "runs": [], "function": function}
            self.order.append(block)
        entry = self.seen[block]
        entry["times"] += 1
        after = {k: v for k, v in self.variables(frame).items() if before.get(k) != v}
        run = {"before": before, "after": {**after, **(more or {})}, "time": entry["times"]}
        # Of a loop the first times and the last one say most.
        if len(entry["runs"]) < self.most_runs:
            entry["runs"].append(run)
        else:
            entry["runs"][-1] = run

    def variables(self, frame):
        return {
            name: self.short(value)
            for name, value in list(frame.f_locals.items())[:20]
            if not name.startswith("__") and not isinstance(value, (types.ModuleType, type))
        }

    def short(self, value):
        try:
            return self.shortener.repr(value)[:300]
        except BaseException as error:
            return f"<{type(error).__name__} in repr>"

    def report(self, source):
        lines = source.splitlines()
        found = []
        for block in self.order:
            first, last = self.blocks[block]
            text = "\n".join(lines[first - 1 : last])[:1000]
            found.append({"first": first, "last": last, "source": text, **self.seen[block]})
        return found


def main():
    with open("job.json", "rb") as file:
        job = json.loads(file.read())
    out = os.dup(1)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    call, answer = job["call"], {"blocks": []}
    try:
        module = types.ModuleType("solution")
        sys.modules["solution"] = module
        exec(compile(job["code"], "solution.py", "exec"), vars(module))
        function = getattr(module, call["function"])
        tracer = Tracer(
            blocks_of(job["code"]), job["most_runs"], job["most_events"], job["most_text"]
        )
        sys.settrace(tracer)
        try:
            result = function(*call["args"], **call["named"])
            if inspect.iscoroutine(result):
                result = asyncio.run(result)
            elif inspect.isgenerator(result):
                result = list(result)
            answer["result"] = f"returned {tracer.short(result)}"
        except BaseException as error:
            answer["result"] = f"raised {type(error).__name__}: {str(error)[:300]}"
        finally:
            sys.settrace(None)
        answer["blocks"] = tracer.report(job["code"])
        answer["cut"] = tracer.left <= 0
    except BaseException as error:
        answer["result"] = f"did not load: {type(error).__name__}: {str(error)[:300]}"
    os.write(out, f"\n{job['nonce']} {json.dumps(answer)}\n".encode())


main()
