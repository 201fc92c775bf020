"""The Python that runs Treadle, as the sandbox sees it."""

from __future__ import annotations

import functools
import sys
import sysconfig
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Interpreter:
    """A Python without what was installed for it.

    prefix: the folder that holds it on the host. host_path: its executable there. The sandbox
    shows the prefix at the same place, read-only, unless it lies in /usr, which is there anyway.
    packages: the folders of installed packages below the prefix, which the sandbox hides.
    """

    prefix: Path
    host_path: Path
    packages: tuple[Path, ...]
    shared_library: bool

    @classmethod
    @functools.cache
    def current(cls) -> Interpreter:
        """The one that this process runs on, past any virtual environment."""
        prefix = Path(sys.base_prefix).resolve()
        name = f"python{sys.version_info.major}.{sys.version_info.minor}"
        candidates = (prefix / "bin" / name, prefix / "bin" / "python3")
        host_path = next((each for each in candidates if each.exists()), Path(sys.executable))
        schemes = (sysconfig.get_path(kind, vars=_based(prefix)) for kind in ("purelib", "platlib"))
        packages = {Path(each) for each in schemes if each}
        return cls(
            prefix,
            host_path.resolve(),
            tuple(sorted(each for each in packages if each.is_dir())),
            bool(sysconfig.get_config_var("Py_ENABLE_SHARED")),
        )

    @property
    def in_usr(self) -> bool:
        """Whether it comes with /usr."""
        return self.prefix.is_relative_to("/usr")


def _based(prefix: Path) -> dict[str, str]:
    return {"base": str(prefix), "platbase": str(prefix)}
