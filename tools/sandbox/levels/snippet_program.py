"""Runs one snippet of Python as `__main__`, and leaves its value where the host finds it.

It runs inside, in the first program's interpreter, which started with `-I -S` and has imported
next to nothing. What it leaves is data that is not trusted: code inside can forge all of it, and
deceives only about itself by that.
"""

import builtins
import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import CodeType
    from typing import Any

    Request = dict[str, str]

ONLY_AST = 0x400
OWNER = os.getpid()


def add_site_names() -> None:
    """`exit` and the like, which scripts use and `-S` leaves out."""
    import _sitebuiltins

    builtins.exit = _sitebuiltins.Quitter("exit", "Ctrl-D (i.e. EOF)")
    builtins.quit = _sitebuiltins.Quitter("quit", "Ctrl-D (i.e. EOF)")


def parts(source: str, name: str) -> "tuple[CodeType, CodeType | None]":
    """The code of all but a last expression, and of that (None where there is none)."""
    tree: Any = compile(source, name, "exec", ONLY_AST, dont_inherit=True)
    last = None
    if tree.body and type(tree.body[-1]).__name__ == "Expr":
        import _ast

        last = compile(_ast.Expression(tree.body.pop().value), name, "eval", dont_inherit=True)
    return compile(tree, name, "exec", dont_inherit=True), last


def as_json(value: object) -> str:
    """`value` as JSON text; raises TypeError or ValueError where it is none."""
    import _json

    def refuse(found: object) -> str:
        raise TypeError(f"a value of the type {type(found).__name__} is not JSON")

    encode = _json.make_encoder(
        {}, refuse, _json.encode_basestring_ascii, None, ": ", ", ", False, False, False
    )
    return "".join(encode(value, 0))


def report(request: "Request", code: int, kind: str, value: object) -> None:
    """Leave what the host is to know, as JSON, in a file of the workspace."""
    if os.getpid() != OWNER:
        return  # a child that the snippet forked came to its end: it has no value to give
    note = ""
    text = "null"
    if value is not None:
        try:
            text = as_json(value)
        except (TypeError, ValueError, RecursionError) as error:
            note = f"its value was left out: {error}"
    content = (
        f'{{"exit": {code}, "kind": {as_json(kind)}, "note": {as_json(note)}, "value": {text}}}'
    )
    place = os.path.join(request["workspace"], request["token"])
    try:
        made = os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o644)
        with os.fdopen(made, "w", encoding="ascii") as file:
            file.write(content)
    except OSError as error:
        os.write(2, f"its value could not be kept: {error.strerror}\n".encode())


def show(error: BaseException, name: str, source: str) -> None:
    """Print the traceback as Python does, without the frames of this program."""
    trace = error.__traceback__
    while trace is not None and trace.tb_frame.f_code.co_filename != name:
        trace = trace.tb_next
    if sys.excepthook is not sys.__excepthook__:
        sys.excepthook(type(error), error, trace)
        return
    try:
        import linecache
        import traceback

        linecache.cache[name] = (len(source), None, source.splitlines(True), name)
        traceback.print_exception(type(error), error, trace)
    except BaseException:  # noqa: BLE001 - whatever it is, the plain way is left
        # Too little memory or stack is left to do it nicely.
        sys.__excepthook__(type(error), error, trace)


def exit_code(error: SystemExit) -> int:
    """What Python makes of a SystemExit."""
    if error.code is None:
        return 0
    if isinstance(error.code, int):
        return error.code & 0xFF
    sys.stderr.write(f"{error.code}\n")
    return 1


def main(request: "Request") -> None:
    """Run it, report, and end as Python would."""
    source, name = request["code"], request["name"]
    add_site_names()
    module = type(sys)("__main__")
    module.__file__ = name
    module.__dict__["__builtins__"] = builtins
    sys.modules["__main__"] = module
    sys.argv = [name]
    sys.path.insert(0, request["workspace"])
    code, kind = 0, ""
    value: object = None
    try:
        body, last = parts(source, name)
        exec(body, module.__dict__)  # noqa: S102 - that is what it is for
        if last is not None:
            value = eval(last, module.__dict__)  # noqa: S307 - the same
    except SystemExit as error:
        code = exit_code(error)
    except BaseException as error:  # noqa: BLE001 - what Python itself would print
        code, kind = 1, type(error).__name__
        show(error, name, source)
    report(request, code, kind, value)
    if code:
        raise SystemExit(code)


# What executes this program puts it there; who only imports it does nothing.
if "request" in globals():
    main(globals()["request"])
