"""What a recorded run looks like: as text, JSON, Mermaid or one HTML page."""

from treadle.cli.show.render import render
from treadle.cli.show.timeline import StepLine, Stretch, Timeline, timeline_of

__all__ = ["StepLine", "Stretch", "Timeline", "render", "timeline_of"]
