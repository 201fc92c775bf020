"""Where brackets close something, in JSON text that comes in pieces."""

from __future__ import annotations

import re

_STRING_REST = re.compile(r'(?:[^"\\]++|\\.)*+', re.DOTALL)
_STOP = re.compile(r'["}\]]')


class ClosingBrackets:
    """Finds the brackets that close something: those outside of strings.

    It only follows the quotes; whether the text is JSON is for the parser to say.
    """

    def __init__(self) -> None:
        self._in_string = False
        self._escaped = False

    def next_in(self, text: str, start: int) -> int:
        """The position behind the next closing bracket in `text` from `start` on.

        -1 where there is none: then all of `text` has been taken, and the next call goes on with
        the text that follows it.
        """
        position = start
        if self._escaped and position < len(text):
            position += 1
            self._escaped = False
        while position < len(text):
            if self._in_string:
                rest = _STRING_REST.match(text, position)
                assert rest is not None
                position = rest.end()
                if position == len(text):
                    break
                if text[position] == "\\":
                    self._escaped = True  # what it escapes comes with the next text
                    break
                self._in_string = False
                position += 1
            stop = _STOP.search(text, position)
            if stop is None:
                break
            position = stop.end()
            if stop[0] != '"':
                return position
            self._in_string = True
        return -1
