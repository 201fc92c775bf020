"""Tools from descriptions that others wrote: OpenAPI documents and function specs."""

from treadle.tools.importing.functions import tools_from_functions
from treadle.tools.importing.openapi import tools_from_openapi

__all__ = ["tools_from_functions", "tools_from_openapi"]
