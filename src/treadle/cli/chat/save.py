"""Writing a conversation to a file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from treadle.core.errors import InputError

if TYPE_CHECKING:
    from treadle.agents.session import ChatSession


def save(name: str, session: ChatSession) -> Path:
    """Write the conversation and its last plan; an existing file is never overwritten.

    Raises InputError: `no_file_name`, `file_exists`, `file_unwritable`.
    """
    if not name:
        raise InputError("no_file_name", "name a file: /save talk.md or /save talk.json")
    path = Path(name).expanduser()
    text = _as_json(session) if path.suffix == ".json" else _as_markdown(session)
    try:
        with path.open("x", encoding="utf-8", errors="backslashreplace") as file:
            file.write(text)
    except FileExistsError:
        raise InputError("file_exists", f"{path} is there already; choose another name") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError("file_unwritable", f"{path}: {reason}") from None
    return path


def _as_json(session: ChatSession) -> str:
    plan = session.last_plan
    document = {
        "messages": [{"role": each.role, "content": each.content} for each in session.messages],
        "last_plan": None if plan is None else plan.wire(),
        "usage": session.usage.as_json(),
    }
    return json.dumps(document, ensure_ascii=False, indent=2) + "\n"


def _as_markdown(session: ChatSession) -> str:
    parts = [
        f"**{'You' if each.role == 'user' else 'Treadle'}:** {each.content}"
        for each in session.messages
    ]
    if session.last_plan is not None:
        parts.append(f"The last plan:\n\n```json\n{session.last_plan.to_json()}\n```")
    return "\n\n".join(parts) + "\n"
