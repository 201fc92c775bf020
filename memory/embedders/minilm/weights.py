"""Reading a model's weights from a safetensors file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from treadle.core.errors import ConfigError

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

_LARGEST_HEADER = 16 * 1024 * 1024


def read_weights(path: Path) -> Mapping[str, npt.NDArray[np.float32]]:
    """The float32 tensors in `path` by name, as views of the mapped file.

    The format: the length of a JSON header in 8 bytes, the header, the tensors as they lie in
    memory, little endian. Raises ConfigError (`bad_embedder_files`) for anything else.
    """
    import numpy as np

    try:
        content = np.memmap(path, dtype=np.uint8, mode="r")
        length = int.from_bytes(content[:8].tobytes(), "little")
        if not 2 <= length <= min(_LARGEST_HEADER, len(content) - 8):
            raise ValueError("its header has no such length")
        header = json.loads(content[8 : 8 + length].tobytes())
        body = content[8 + length :]
        return {
            name: _tensor(body, entry)
            for name, entry in header.items()
            if name != "__metadata__" and entry["dtype"] == "F32"
        }
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ConfigError(
            "bad_embedder_files", f"{path} is not the model's weights ({error}): install it again"
        ) from error


def _tensor(body: npt.NDArray[np.uint8], entry: Mapping[str, list[int]]) -> npt.NDArray[np.float32]:
    start, end = entry["data_offsets"]
    if not 0 <= start <= end <= len(body):
        raise ValueError("a tensor lies outside of it")
    return body[start:end].view("<f4").reshape(entry["shape"])
