# pyright: reportMissingImports=false
"""How fast KV comes back from a slower tier, where vLLM is set up with one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vllm.config import VllmConfig
    from vllm.v1.kv_cache_interface import KVCacheConfig

BYTES_PER_SECOND = 50e9
"""Expected of a CPU tier before anything is measured: 50 of the 64 GB/s of PCIe 5 x16."""

CONNECTORS = frozenset(
    {
        "OffloadingConnector",
        "SimpleCPUOffloadConnector",
        "LMCacheConnectorV1",
        "LMCacheMPConnector",
        "FlexKVConnectorV1",
    }
)
"""vLLM's connectors that keep KV of their own engine in a slower tier."""

_KEPT = 0.9
_FEWEST_TOKENS = 256


class TierRate:
    """Tokens a second; None without a tier.

    given: by the settings, and then nothing is measured. expected: until something was measured.

    Measured is the time in which anything loads, and what has come in it: loads that wait for
    each other on one link do not make it slower. Small ones are mostly latency, and not counted.
    """

    def __init__(self, given: float | None, expected: float | None = None) -> None:
        self.rate = given if given is not None else expected
        self._measures = given is None and expected is not None
        self._loading = 0
        self._since = 0.0
        self._coming = 0
        self._tokens = self._seconds = 0.0

    def began(self, tokens: int, now: float) -> None:
        """The load of so many tokens begins."""
        if not self._loading:
            self._since, self._coming = now, 0
        self._loading += 1
        self._coming += tokens

    def ended(self, now: float) -> None:
        """One of them is there, or was given up."""
        self._loading -= 1
        seconds = now - self._since
        if not self._measures or self._loading or self._coming < _FEWEST_TOKENS or seconds <= 0:
            return
        self._tokens = self._tokens * _KEPT + self._coming
        self._seconds = self._seconds * _KEPT + seconds
        self.rate = self._tokens / self._seconds


def expected_rate(config: VllmConfig, cache: KVCacheConfig) -> float | None:
    """What to expect of the tier that vLLM is set up with; None where there is none."""
    transfer = config.kv_transfer_config
    if transfer is None or transfer.kv_connector is None:
        return None
    if not CONNECTORS.intersection(
        _names(transfer.kv_connector, transfer.kv_connector_extra_config)
    ):
        return None
    # Each worker has its own part of the layers or heads, and a link of its own.
    size = sum(
        group.kv_cache_spec.page_size_bytes
        * len(group.layer_names)
        / group.kv_cache_spec.block_size
        for group in cache.kv_cache_groups
    )
    return BYTES_PER_SECOND / size if size else None


def _names(connector: str, extra: Mapping[str, object]) -> Iterable[str]:
    yield connector
    several = extra.get("connectors")
    if connector == "MultiConnector" and isinstance(several, list):
        yield from (
            str(each.get("kv_connector", "")) for each in several if isinstance(each, Mapping)
        )
