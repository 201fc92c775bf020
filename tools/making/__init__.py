"""Making tools out of code that worked: abstracted, tried, stored, approved."""

from treadle.tools.making.library import ToolLibrary
from treadle.tools.making.made_tool import Example, MadeTool
from treadle.tools.making.made_tools import as_tool, made_tools
from treadle.tools.making.maker import Made, ToolMaker

__all__ = ["Example", "Made", "MadeTool", "ToolLibrary", "ToolMaker", "as_tool", "made_tools"]
