"""Which types a caller can ask an answer to have."""

from __future__ import annotations

from typing import Any

from pydantic import TypeAdapter
from pydantic.errors import PydanticUserError

from treadle.core.errors import ConfigError


def adapter_for(output_type: Any) -> TypeAdapter[Any]:
    """The adapter that checks values of `output_type` and describes it to a model.

    Raises ConfigError (`bad_output_type`) for a type that has no JSON schema: better before a run
    than at its end.
    """
    try:
        adapter: TypeAdapter[Any] = TypeAdapter(output_type)
        adapter.json_schema()
    except (PydanticUserError, NameError, TypeError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ConfigError(
            "bad_output_type",
            f"{output_type!r} cannot be described to a model ({reason}); use a pydantic model or "
            f"a plain type",
        ) from None
    return adapter
