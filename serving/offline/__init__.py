"""The offline stand-in for a language model."""

from treadle.serving.offline.model import OfflineModel

__all__ = ["OfflineModel"]
