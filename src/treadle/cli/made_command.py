"""`treadle tools made`: the tools that models have made, and what a person says of them."""

from __future__ import annotations

import getpass
from typing import TYPE_CHECKING

from treadle.cli.harmless import harmless, one_line
from treadle.cli.options import settings, state_folder
from treadle.cli.output import print_json, print_note, stdout_is_terminal, write_stdout
from treadle.core.errors import InputError, ToolError
from treadle.core.json_value import JsonValue, compact_json

if TYPE_CHECKING:
    from treadle.tools.making import MadeTool, ToolLibrary

_SHOWN = 300  # characters of an example


def made_library() -> ToolLibrary:
    """The library of the command line: the folder `made_tools` in the user's state folder."""
    from treadle.tools.making import ToolLibrary

    return ToolLibrary(state_folder(settings()) / "made_tools")


async def list_made(json: bool) -> int:
    """Print the newest version of each tool, and which version is approved."""
    library = made_library()
    running = {each.name: each.version for each in library.approved()}
    newest = library.latest()
    if json:
        print_json([{**_row(each), "approved_version": running.get(each.name)} for each in newest])
        return 0
    width = max((len(each.title) for each in newest), default=0)
    for made in newest:
        said = _said(made.version, running.get(made.name))
        write_stdout(f"{made.title:{width}}  version {made.version}  {made.effect:5}  {said}\n")
    if not newest:
        print_note("no tools were made yet")
    return 0


async def show_made(name: str, version: int | None, json: bool) -> int:
    """Print all of a version: what an approval would let run."""
    library = made_library()
    made = _found(library, name, version)
    approved = library.is_approved(made)
    if json:
        print_json({**made.as_json(), "digest": made.digest, "approved": approved})
        return 0
    text = _text(made, approved)
    write_stdout(harmless(text) if stdout_is_terminal() else text)
    return 0


async def approve_made(name: str, version: int | None, digest: str | None, json: bool) -> int:
    """Let a version run from now on.

    Raises InputError (`unknown_tool`), and ToolError: `made_tool_damaged`, and `made_tool_changed`
    where it is not what `digest` names.
    """
    library = made_library()
    made = _found(library, name, version)
    if digest is not None and digest != made.digest:
        raise ToolError(
            "made_tool_changed",
            f"version {made.version} of '{made.title}' is not {digest[:80]}; show it again",
        )
    if not json and digest is None:
        # Whoever names no digest has perhaps not read it: what was approved stands above.
        print_note(harmless(_text(made, library.is_approved(made))).rstrip())
    library.approve(made, _person())
    if json:
        print_json({**_row(made), "approved": True})
    else:
        print_note(f"approved {made.title}, version {made.version}; --made uses it")
    return 0


async def revoke_made(name: str, version: int | None, json: bool) -> int:
    """Take approvals back: of one version, or of all."""
    library = made_library()
    versions = [version] if version is not None else library.versions(_plain(name))
    gone: list[MadeTool] = []
    if not versions:
        _found(library, name, None)  # says that there is none
    for each in versions:
        made = _found(library, name, each)
        if library.is_approved(made):
            library.revoke(made)
            gone.append(made)
    if json:
        print_json({"name": _plain(name), "revoked": [each.version for each in gone]})
    elif gone:
        print_note(f"revoked {', '.join(f'version {each.version}' for each in gone)}")
    else:
        print_note("it was not approved")
    return 0


def _found(library: ToolLibrary, name: str, version: int | None) -> MadeTool:
    """Raises InputError (`unknown_tool`) for what is not there, as for any wrong argument."""
    plain = _plain(name)
    versions = library.versions(plain)
    if not versions:
        message = f"no tool '{plain[:100]}' was ever made; treadle tools made list shows those made"
        raise InputError("unknown_tool", message)
    if version is not None and version not in versions:
        known = ", ".join(map(str, versions))
        raise InputError("unknown_tool", f"'{plain}' has no version {version}, only {known}")
    return library.get(plain, version)


def _plain(name: str) -> str:
    """As the library knows it; `made.NAME`, as plans write it, is meant as well."""
    from treadle.tools.making.made_tool import PREFIX

    return name.removeprefix(PREFIX)


def _person() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "somebody at the command line"  # a uid without a name


def _said(version: int, running: int | None) -> str:
    if running is None:
        return "not approved"
    return "approved" if running == version else f"version {running} approved"


def _row(made: MadeTool) -> dict[str, JsonValue]:
    return {
        "tool": made.title,
        "name": made.name,
        "version": made.version,
        "digest": made.digest,
        "effect": str(made.effect),
        "open_world": made.open_world,
    }


def _text(made: MadeTool, approved: bool) -> str:
    """A version for people, its code as it is."""
    world = ", open world" if made.open_world else ""
    lines = [
        f"{made.title}, version {made.version}: {made.effect}{world}, "
        f"{'approved' if approved else 'not approved'}",
        f"digest: {made.digest}",
        "",
        made.source.rstrip("\n"),
        "",
    ]
    for example in made.examples:
        arguments = one_line(compact_json(example.arguments), _SHOWN)
        lines.append(f"{arguments} -> {one_line(compact_json(example.result), _SHOWN)}")
    return "\n".join(lines) + "\n"
