"""What the tests of models share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import stamina


@pytest.fixture(autouse=True)
def no_backoff() -> Iterator[None]:
    """Retries come at once; how many there are stays as it is."""
    with stamina.set_testing(True, attempts=100, cap=True):
        yield
