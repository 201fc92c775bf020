"""Words of English that say nothing about what a text is about."""

from __future__ import annotations

_WORDS = """
    a an the and or but if then else of at by for with about against between into through during
    before after above below to from up down in out on off over under again further once here there
    when where why how all any both each few more most other some such no nor not only own same so
    than too very can will just should now i me my myself we our ours ourselves you your yours
    yourself yourselves he him his himself she her hers herself it its itself they them their theirs
    themselves what which who whom whose this that these those am is are was were be been being have
    has had having do does did doing would could shall may might must let don doesn didn isn aren
    wasn weren haven hasn hadn won wouldn couldn shouldn s t d m re ve ll
"""

STOP_WORDS = frozenset(_WORDS.split())
