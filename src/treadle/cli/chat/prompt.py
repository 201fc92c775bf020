"""The prompt: editing, several lines, completion, history."""

from __future__ import annotations

from prompt_toolkit import PromptSession
from prompt_toolkit.completion import CompleteEvent, Completer, get_common_complete_suffix
from prompt_toolkit.enums import DEFAULT_BUFFER
from prompt_toolkit.filters import has_completions, has_focus
from prompt_toolkit.formatted_text import FormattedText
from prompt_toolkit.history import History
from prompt_toolkit.input import Input
from prompt_toolkit.input.typeahead import clear_typeahead
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from prompt_toolkit.output import Output
from prompt_toolkit.styles import Style

from treadle.cli.chat.slash import parse_entry
from treadle.cli.interrupts import forget_typed
from treadle.core.errors import InputError

STYLE = Style.from_dict({"prompt": "bold ansicyan", "continuation": "ansibrightblack"})


class ChatPrompt:
    """Reads what a person types.

    Enter sends; Esc Enter (Alt-Enter) or a backslash at the end begins another line; pasted text
    keeps its lines.
    """

    def __init__(
        self,
        completer: Completer,
        history: History,
        *,
        source: Input | None = None,
        screen: Output | None = None,
    ) -> None:
        self._session: PromptSession[str] = PromptSession(
            FormattedText([("class:prompt", "> ")]),
            prompt_continuation=_continuation,
            multiline=True,
            completer=completer,
            complete_while_typing=True,
            history=history,
            enable_history_search=False,
            key_bindings=_bindings(completer),
            style=STYLE,
            mouse_support=False,
            input=source,
            output=screen,
        )

    async def entry(self) -> str:
        """What was typed. Raises KeyboardInterrupt for Ctrl-C and EOFError for Ctrl-D."""
        text = await self._session.prompt_async()
        # Pasted bytes that are no UTF-8 arrive as lone surrogates, which nothing can encode.
        return text.encode("utf-8", "replace").decode("utf-8")

    async def answer(self, question: str) -> str | None:
        """One line after a question; None for Ctrl-C and Ctrl-D.

        What was typed before the question appeared does not answer it.
        """
        clear_typeahead(self._session.app.input)
        forget_typed()
        asking: PromptSession[str] = PromptSession(
            FormattedText([("class:prompt", question)]),
            style=STYLE,
            input=self._session.app.input,
            output=self._session.app.output,
        )
        try:
            return (await asking.prompt_async()).encode("utf-8", "replace").decode("utf-8")
        except (KeyboardInterrupt, EOFError):
            return None


def _continuation(width: int, line: int, wrapped: int) -> FormattedText:
    """What stands before each further line; nothing where a long line is merely wrapped."""
    return FormattedText([("class:continuation", "  " if wrapped else "· ")])


def _bindings(completer: Completer) -> KeyBindings:
    bindings = KeyBindings()
    # Not while the history is searched (Ctrl-R): these keys mean something else there.
    editing = has_focus(DEFAULT_BUFFER)

    @bindings.add("enter", filter=editing)
    def send(event: KeyPressEvent) -> None:
        buffer = event.current_buffer
        menu = buffer.complete_state
        if (
            menu is not None
            and menu.current_completion is not None
            and not _is_command(buffer.text)
        ):
            # Enter takes what was chosen from the menu: half a task must not be sent.
            buffer.complete_state = None
        elif buffer.document.current_line.endswith("\\") and buffer.document.is_cursor_at_the_end:
            buffer.delete_before_cursor()
            buffer.newline(copy_margin=False)
        else:
            buffer.validate_and_handle()

    @bindings.add("tab", filter=editing)
    def complete(event: KeyPressEvent) -> None:
        buffer = event.current_buffer
        menu = buffer.complete_state
        if menu is not None and (menu.current_completion is not None or len(menu.completions) > 1):
            buffer.complete_next()
            return
        # At once and not in the background, where a request is dropped while another one runs:
        # whoever types fast would press Tab in vain.
        asked = CompleteEvent(completion_requested=True)
        found = list(completer.get_completions(buffer.document, asked))
        if len(found) == 1:
            buffer.apply_completion(found[0])
        elif found:
            buffer.insert_text(get_common_complete_suffix(buffer.document, found))
            buffer.start_completion()

    @bindings.add("escape", "enter", filter=editing)
    def new_line(event: KeyPressEvent) -> None:
        event.current_buffer.newline(copy_margin=False)

    @bindings.add("escape", filter=editing & has_completions)
    def close_menu(event: KeyPressEvent) -> None:
        event.current_buffer.cancel_completion()

    return bindings


def _is_command(text: str) -> bool:
    try:
        return not isinstance(parse_entry(text), str)
    except InputError:
        return False
