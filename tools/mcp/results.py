"""What a call gave, as a JSON value of bounded size."""

from __future__ import annotations

from typing import TYPE_CHECKING

from treadle.core.errors import ToolError
from treadle.core.json_value import JsonValue, compact_json
from treadle.tools.mcp.scan.finding import Finding
from treadle.tools.mcp.scan.results import clean_result

if TYPE_CHECKING:
    from mcp_types import CallToolResult, ContentBlock

_LONGEST_ERROR = 2_000


def value_of(
    tool: str, result: CallToolResult, *, most: int, structured: bool
) -> tuple[JsonValue, tuple[Finding, ...]]:
    """The value of `result`, cleaned, and what was found in it.

    Structured content as it is; text alone as one text; anything else as a list of parts, each
    with its `type`: text, image and audio (base64 in `data`), resource, resource_link.

    most: characters of JSON. structured: whether the tool has promised structured content.

    Raises ToolError: `mcp_result_too_large`, `mcp_bad_result`.
    """
    place = f"the result of '{tool}'"
    if structured and result.structured_content is None:
        raise ToolError(
            "mcp_bad_result", f"'{tool}' gave no structured content, as it had promised"
        )
    value: JsonValue = result.structured_content
    findings: tuple[Finding, ...] = ()
    try:
        if value is None:
            value, findings = _content(result.content, place)
        else:
            _check_size(tool, value, most)
            cleaned = clean_result(value, place)
            value, findings = cleaned.value, cleaned.findings
        _check_size(tool, value, most)
    except (ValueError, TypeError, RecursionError) as error:
        raise ToolError("mcp_bad_result", f"'{tool}' gave no value: {error}") from None
    return value, findings


def failure_of(tool: str, result: CallToolResult) -> tuple[ToolError, tuple[Finding, ...]]:
    """The `mcp_tool_error` of a `result` that says that `tool` failed, and what was found in it."""
    text = "\n".join(each.text for each in result.content if each.type == "text")
    cleaned = clean_result(text[:_LONGEST_ERROR], f"the error of '{tool}'")
    message = f"'{tool}' failed: {cleaned.value or 'it says no more'}"
    return ToolError("mcp_tool_error", message), cleaned.findings


def _check_size(tool: str, value: JsonValue, most: int) -> None:
    size = len(compact_json(value))
    if size > most:
        raise ToolError(
            "mcp_result_too_large",
            f"'{tool}' gave {size:,} characters, {most:,} are allowed; ask for less, or raise "
            f"max_result of its server",
        )


def _content(blocks: list[ContentBlock], place: str) -> tuple[JsonValue, tuple[Finding, ...]]:
    if all(each.type == "text" for each in blocks):
        text = "\n".join(each.text for each in blocks if each.type == "text")
        cleaned = clean_result(text, place)
        return cleaned.value, cleaned.findings
    findings: list[Finding] = []
    parts: list[JsonValue] = []
    for index, block in enumerate(blocks):
        words, data = _part(block)
        cleaned = clean_result(words, f"{place}, part {index + 1}")
        findings += cleaned.findings
        assert isinstance(cleaned.value, dict)
        # Not scanned: base64 is for programs, and a mark would spoil it.
        parts.append({"type": block.type, **cleaned.value, **data})
    return parts, tuple(findings)


def _part(block: ContentBlock) -> tuple[dict[str, JsonValue], dict[str, JsonValue]]:
    """The texts of a block, and its data."""
    if block.type == "text":
        return {"text": block.text}, {}
    if block.type == "image" or block.type == "audio":
        return {"mime_type": block.mime_type}, {"data": block.data}
    if block.type == "resource_link":
        return {"uri": str(block.uri), "name": block.name, "description": block.description}, {}
    resource = block.resource
    words: dict[str, JsonValue] = {"uri": str(resource.uri), "mime_type": resource.mime_type}
    text = getattr(resource, "text", None)
    if isinstance(text, str):
        return {**words, "text": text}, {}
    return words, {"data": str(getattr(resource, "blob", ""))}
