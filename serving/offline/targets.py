"""What a request is about: files, sets of files, pages, texts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from treadle.serving.offline.token import Kind, Token
from treadle.serving.offline.vocabulary import (
    AMBIGUOUS_KINDS,
    EXTENSIONS,
    FILE_NOUNS,
    MEASURES,
    STOP_WORDS,
    TABLE_EXTENSIONS,
)

_INTO = frozenset({"in", "under", "inside", "within", "from", "below", "beneath", "at", "into",
                   "underneath", "across", "through", "throughout"})  # fmt: skip
_FOLDER_NOUNS = frozenset({"folder", "directory", "dir", "subfolder", "subdirectory", "tree"})
HERE = frozenset({"this", "current", "here", "workspace", "project", "repo", "repository",
                   "present", "working", "codebase", "root"})  # fmt: skip
_SETS = frozenset({"every", "each", "all", "any"})
_FLAT = ("top level", "not recursively", "non recursively", "without subfolders", "top-level",
         "directly in", "no subfolders", "directly under")  # fmt: skip
_EXACT_NAMES = frozenset({"Makefile", "Dockerfile", "LICENSE", "LICENCE", "NOTICE", "AUTHORS",
                          "CODEOWNERS", "License"})  # fmt: skip
_FIND_VERBS = frozenset({"which", "what", "many", "list", "find", "show", "count", "name"})


@dataclass(frozen=True, slots=True)
class FileTarget:
    """A named file; `loose` when only its beginning is given ("the readme")."""

    path: str
    loose: bool = False


@dataclass(frozen=True, slots=True)
class FileSet:
    """The files below `folder` that match one of `patterns`."""

    patterns: tuple[str, ...]
    folder: str = "."
    kind: str = ""

    @property
    def spoken(self) -> str:
        """How an answer names the set."""
        what = f"{self.kind} files" if self.kind else "files"
        where = "" if self.folder == "." else f" in {self.folder}"
        if self.kind or self.patterns == ("**/*",):
            return what + where
        return f"files matching {' or '.join(self.patterns)}{where}"


@dataclass(frozen=True, slots=True)
class Targets:
    """Everything that a request names."""

    files: tuple[FileTarget, ...] = ()
    sets: tuple[FileSet, ...] = ()
    urls: tuple[str, ...] = ()
    texts: tuple[str, ...] = ()
    folder: str = ""

    @property
    def any(self) -> bool:
        """Whether there is anything that a request can be carried out on."""
        return bool(self.files or self.sets or self.urls or self.texts)

    @property
    def tables(self) -> tuple[str, ...]:
        """The named files that hold a table."""
        return tuple(each.path for each in self.files if extension(each.path) in TABLE_EXTENSIONS)


def extension(path: str) -> str:
    """The extension of `path` in lower case, without the dot."""
    name = path.rpartition("/")[2]
    return name.rpartition(".")[2].lower() if "." in name else ""


def find_targets(tokens: tuple[Token, ...]) -> Targets:
    """The targets that `tokens` name."""
    folders, used = _folders(tokens)
    files: dict[FileTarget, None] = {}
    urls: dict[str, None] = {}
    texts: dict[str, None] = {}
    globs: dict[str, None] = {}
    for at, token in enumerate(tokens):
        if at in used:
            continue
        if token.kind is Kind.URL:
            urls[token.text] = None
        elif token.kind is Kind.GLOB:
            globs[token.text] = None
        elif token.kind is Kind.PATH and not _is_extension(token.text):
            files[_file(token)] = None
        elif token.kind is Kind.QUOTED and token.text.strip():
            texts[token.text] = None
    flat = any(phrase in " ".join(token.word for token in tokens) for phrase in _FLAT)
    sets = [*_sets(tokens, folders, used, globs, flat)]
    if not sets and folders and not files and not urls and not globs:
        sets = _whole_folders(tokens, folders)
    folder = folders[0] if folders else ""
    return Targets(tuple(files), tuple(sets), tuple(urls), tuple(texts), folder)


def _whole_folders(tokens: tuple[Token, ...], folders: list[str]) -> list[FileSet]:
    """A folder alone stands for its files: "how big is src/", "what is in docs"."""
    explicit = any(token.text.endswith("/") or "/" in token.text for token in tokens)
    named = any(token.stem in _FOLDER_NOUNS for token in tokens)
    return [FileSet(("**/*",), folder) for folder in folders] if explicit or named else []


def _sets(
    tokens: tuple[Token, ...],
    folders: list[str],
    used: set[int],
    globs: dict[str, None],
    flat: bool,
) -> Iterator[FileSet]:
    where = folders or ["."]
    for glob in globs:
        pattern = glob.removeprefix("./")
        deep = pattern if "/" in pattern or flat else f"**/{pattern}"
        for folder in where:
            simple = pattern if deep != pattern and pattern.startswith("*.") else ""
            yield FileSet((deep,), folder, simple)
    kinds = [*_kinds(tokens, used)]
    if globs and not kinds:
        return
    for name, extensions in dict(kinds).items():
        patterns = tuple(f"*.{each}" if flat else f"**/*.{each}" for each in extensions)
        for folder in where:
            yield FileSet(patterns, folder, name)
    if not kinds and not globs and _any_files(tokens, used):
        for folder in where:
            yield FileSet(("*" if flat else "**/*",), folder)


def _kinds(tokens: tuple[Token, ...], used: set[int]) -> Iterator[tuple[str, tuple[str, ...]]]:
    """The kinds of files that are spoken of: "python files", ".md documents", "csvs"."""
    named = any(token.kind is Kind.PATH and not _is_extension(token.text) for token in tokens)
    for at, token in enumerate(tokens):
        if at in used:
            continue
        noun = _file_noun_near(tokens, at)
        if token.kind is Kind.PATH and _is_extension(token.text):
            yield token.text[1:].lower(), (token.text[1:].lower(),)
            continue
        stem = token.stem if token.stem in EXTENSIONS else token.word
        if stem not in EXTENSIONS or token.quoted:
            continue
        of_lines = at > 1 and tokens[at - 1].word == "of" and tokens[at - 2].stem == "line"
        noun = noun or (of_lines and not named)
        plural = token.word != token.stem
        quantified = any(each.word in _SETS for each in tokens[max(0, at - 2) : at])
        if (
            noun
            or (stem not in AMBIGUOUS_KINDS and not named and (plural or quantified))
            or (
                stem in {"image", "picture", "photo", "log", "notebook"}
                and (plural or quantified)
                and not named
            )
        ):
            yield stem, EXTENSIONS[stem]


def _file_noun_near(tokens: tuple[Token, ...], at: int) -> bool:
    """Whether a noun for files follows, perhaps after more kinds: "csv and json files"."""
    for token in tokens[at + 1 : at + 6]:
        if token.stem in FILE_NOUNS or token.word == "code":
            return True
        joined = token.word in {"and", "or", "data", "test"}
        kind = token.stem in EXTENSIONS or _is_extension(token.text)
        if not (joined or kind or token.kind is Kind.COMMA or token.text == "/"):
            return False
    return False


def _any_files(tokens: tuple[Token, ...], used: set[int]) -> bool:
    """Whether files in general are meant: "all files", "the largest file", "how many files".

    Beside named files only "all files" does: "the files a.txt and b.txt" are those two.
    """
    named = any(
        token.kind is Kind.PATH and at not in used and not _is_extension(token.text)
        for at, token in enumerate(tokens)
    )
    for at, token in enumerate(tokens):
        if token.stem not in {"file", "document", "doc"} or at in used:
            continue
        before = {each.word for each in tokens[max(0, at - 2) : at]}
        if not named or before & _SETS:
            return True
    return False


def _folders(tokens: tuple[Token, ...]) -> tuple[list[str], set[int]]:
    """The folders that are named, and the places of the tokens that name them."""
    found: dict[str, None] = {}
    used: set[int] = set()
    for at, token in enumerate(tokens):
        before, after = _at(tokens, at - 1), _at(tokens, at + 1)
        if token.kind is Kind.PATH or token.quoted:
            is_path = token.kind in (Kind.PATH, Kind.QUOTED)
            if is_path and _is_folder(tokens, at, found):
                found[_clean(token.text)] = None
                used.add(at)
            continue
        if not token.word or at in used:
            continue
        noun = after is not None and after.stem in _FOLDER_NOUNS
        led = _led(tokens, at)
        here = token.word in HERE and (led or (before is not None and before.stem in HERE))
        if here:
            continue
        named = before is not None and before.stem in _FOLDER_NOUNS and _led(tokens, at - 1)
        if (
            _names_folder(token, tokens)
            and (
                noun
                or named
                or (before is not None and before.word in {"folder", "directory"})
                or (
                    led
                    and (
                        _speaks_of_files(tokens)
                        or (before is not None and before.word in {"ls", "dir"})
                    )
                )
            )
        ) or (
            before is not None
            and before.word == "and"
            and at - 2 in used
            and after is None
            and _names_folder(token, tokens)
        ):
            found[token.text] = None
            used.add(at)
    return list(found), used


def _is_folder(tokens: tuple[Token, ...], at: int, found: dict[str, None]) -> bool:
    token = tokens[at]
    before, after = _at(tokens, at - 1), _at(tokens, at + 1)
    text = token.text
    if text.endswith("/") or text in {".", "..", "./"}:
        return True
    near = (before is not None and before.stem in _FOLDER_NOUNS) or (
        after is not None and after.stem in _FOLDER_NOUNS
    )
    if near:
        return True
    if token.kind is Kind.QUOTED or _file(token).loose or extension(text) or text in _EXACT_NAMES:
        return False
    if "/" not in text:
        return False
    return _led(tokens, at) or _speaks_of_files(tokens)


def _led(tokens: tuple[Token, ...], at: int) -> bool:
    """Whether "in", "under", ... stands before the token, perhaps with "the" between."""
    before = _at(tokens, at - 1)
    if before is not None and before.word in {"the", "my", "our", "your"}:
        before = _at(tokens, at - 2)
    return before is not None and before.word in _INTO | {"ls", "dir"}


def _names_folder(token: Token, tokens: tuple[Token, ...]) -> bool:
    word, stem = token.word, token.stem
    if word in STOP_WORDS or stem in STOP_WORDS or word in HERE or stem in _FOLDER_NOUNS:
        return False
    if stem in FILE_NOUNS and word not in {"docs", "scripts", "sources", "modules", "source"}:
        return False
    if word in MEASURES or (stem in MEASURES and word != "changes"):
        return False
    at = tokens.index(token)
    return not (stem in EXTENSIONS and _file_noun_near(tokens, at))


def _speaks_of_files(tokens: tuple[Token, ...]) -> bool:
    return any(
        token.stem in FILE_NOUNS - {"page", "source"}
        or token.kind is Kind.GLOB
        or (token.kind is Kind.PATH and _is_extension(token.text))
        or (token.stem in EXTENSIONS and token.word != token.stem)
        or (token.stem in EXTENSIONS and token.stem not in AMBIGUOUS_KINDS)
        for token in tokens
    )


def _file(token: Token) -> FileTarget:
    text = token.text.removeprefix("./") or token.text
    bare = "." not in text and "/" not in text
    loose = bare and text not in _EXACT_NAMES and not token.quoted
    if loose and text.lower() in {"makefile", "dockerfile"}:
        return FileTarget(text.capitalize())
    return FileTarget(text, loose)


def _clean(folder: str) -> str:
    return folder.removeprefix("./").rstrip("/") or "."


def _is_extension(text: str) -> bool:
    return text.startswith(".") and text[1:].lower() in EXTENSIONS


def _at(tokens: tuple[Token, ...], at: int) -> Token | None:
    return tokens[at] if 0 <= at < len(tokens) else None
