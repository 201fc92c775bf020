"""On the host: the text of a program that runs inside a sandbox, made of the modules beside it."""

from __future__ import annotations

import json
from functools import cache
from importlib import resources
from typing import Final, Literal, TypeAlias

from treadle.core.json_value import JsonValue

PACKAGE: Final = "treadle.tools.sandbox.guest"

Entry: TypeAlias = Literal["zygote", "session"]

# In an order in which each imports only what stands before it.
_MODULES: Final[dict[Entry, tuple[str, ...]]] = {
    "zygote": (
        "wire",
        "process",
        "cell",
        "relay",
        "workspace",
        "runner",
        "wiper",
        "zygote",
    ),
    "session": (
        "wire",
        "process",
        "cell",
        "relay",
        "kernel_wire",
        "python_kernel",
        "sql_kernel",
        "bash_kernel",
        "session",
    ),
}

# The modules import each other by the names they have on the host; inside, those names exist
# while they are loaded and not afterwards: a snippet finds no half of a package there.
_LOADER: Final = """\
import json, os, sys, types
_sources = json.loads({sources!r})
_parts = {package!r}.split(".")
for _end in range(1, len(_parts) + 1):
    _name = ".".join(_parts[:_end])
    sys.modules[_name] = types.ModuleType(_name)
    sys.modules[_name].__path__ = []
for _name, _source in _sources:
    _full = {package!r} + "." + _name
    _module = sys.modules[_full] = types.ModuleType(_full)
    exec(compile(_source, "<guest " + _name + ">", "exec", dont_inherit=True), _module.__dict__)
for _name in [_name for _name in sys.modules if _name.split(".")[0] == "treadle"]:
    del sys.modules[_name]
_status = 1
try:
    _module.main(json.loads({options!r}))
    _status = 0
except BaseException as _error:
    os.write(2, (type(_error).__name__ + ": " + str(_error)).encode("utf-8", "replace"))
finally:
    # Whoever runs this text has nothing to add.
    os._exit(_status)
"""


def guest_program(entry: Entry, options: JsonValue) -> str:
    """The source of a program whose module `entry` is called as `main(options)`."""
    return _LOADER.format(
        sources=_sources(entry),
        package=PACKAGE,
        options=json.dumps(options),
    )


@cache
def _sources(entry: Entry) -> str:
    folder = resources.files(PACKAGE)
    return json.dumps(
        [[name, (folder / f"{name}.py").read_text("utf-8")] for name in _MODULES[entry]]
    )
