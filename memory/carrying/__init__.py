"""Carrying memory from one store to another: lines of JSON that lose nothing."""

from treadle.memory.carrying.exporting import export, export_file
from treadle.memory.carrying.importing import Imported, import_, import_file

__all__ = ["Imported", "export", "export_file", "import_", "import_file"]
