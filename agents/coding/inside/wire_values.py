# type: ignore
"""Inside the sandbox: values as JSON, as both sides of the pipe to the code under test write them.

What JSON has is written as it is; anything else is `{"~": its kind, "v": what is in it}`.
"""

import base64
import builtins
import math

_MADE = {
    "int": lambda inner: int(inner, 16),
    "float": float,
    "bytes": base64.b64decode,
    "complex": lambda inner: complex(*inner),
}


def pack(value, other, deepest=math.inf, longest=math.inf):
    """`value` for the wire; `other(value, deepest)` writes what is not plain, too deep or long."""
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
    if kind in (list, tuple, set, frozenset, dict) and deepest > 0 and len(value) <= longest:
        # A copy: packing a part may run code that changes the whole.
        parts = [[*pair] for pair in value.items()] if kind is dict else [*value]
        items = [pack(each, other, deepest - (kind is not dict), longest) for each in parts]
        return items if kind is list else {"~": kind.__name__, "v": items}
    return other(value, deepest)


def unpack(value, other):
    """What was packed as `value`; `other(kind, value)` makes what is not plain."""
    if isinstance(value, list):
        return [unpack(each, other) for each in value]
    if not isinstance(value, dict):
        return value
    kind, inner = value.get("~"), value.get("v")
    if kind == "dict":
        return {unpack(key, other): unpack(each, other) for key, each in inner}
    if kind in ("tuple", "set", "frozenset"):
        return getattr(builtins, kind)(unpack(each, other) for each in inner)
    made = _MADE.get(kind)
    return other(kind, value) if made is None else made(inner)
