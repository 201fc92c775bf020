"""Whether a server may be used as it is, and which of its tools."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from treadle.core.errors import ToolError, TreadleError
from treadle.core.json_value import JsonValue
from treadle.tools.mcp.changes import Change, changes_since
from treadle.tools.mcp.config import McpServer, StdioTransport
from treadle.tools.mcp.definition import ToolDefinition
from treadle.tools.mcp.names import check_names, check_shadowing
from treadle.tools.mcp.pins import ServerPin
from treadle.tools.mcp.scan import Finding, Severity, scan_command, scan_tool
from treadle.tools.mcp.scan.characters import spelled
from treadle.tools.mcp.schema import argument_schema, output_schema

_HOPELESS = frozenset({"bad_name", "bad_schema"})
"""What no approval makes usable."""


@dataclass(frozen=True, slots=True)
class ServerReport:
    """What a look at a server has shown.

    status: `approved`, `new`, `changed`, `poisoned` (severe findings that nobody has accepted) or
    `failed` (it could not be looked at). refusals: by tool, why it is not offered. error: the one
    that stands for all of it; None where everything is approved.
    """

    server: str
    status: Literal["approved", "new", "changed", "poisoned", "failed"]
    identity: dict[str, JsonValue] = field(default_factory=dict)
    tools: Mapping[str, ToolDefinition] = field(default_factory=dict)
    findings: tuple[Finding, ...] = ()
    changes: tuple[Change, ...] = ()
    refusals: Mapping[str, TreadleError] = field(default_factory=dict)
    error: TreadleError | None = None

    @property
    def pin(self) -> ServerPin:
        """What an approval of this report would keep."""
        severe = (each.key for each in self.findings if each.severity is Severity.SEVERE)
        return ServerPin(self.identity, dict(self.tools), frozenset(severe))

    def as_json(self) -> dict[str, JsonValue]:
        """What `treadle mcp inspect --json` prints of it."""
        error: JsonValue = None
        if self.error is not None:
            error = {"code": self.error.code, "message": self.error.message}
        return {
            "server": self.server,
            "status": self.status,
            "identity": self.identity,
            "tools": [
                {
                    "name": f"{self.server}.{spelled(name)}",
                    "hash": each.hash,
                    "refused": self.refusals[name].code if name in self.refusals else None,
                    "definition": dict(each.document),
                }
                for name, each in self.tools.items()
            ],
            "findings": [each.as_json() for each in self.findings],
            "changes": [each.as_json() for each in self.changes],
            "error": error,
        }


def judge(
    server: McpServer,
    identity: dict[str, JsonValue],
    definitions: Mapping[str, ToolDefinition],
    pin: ServerPin | None,
    others: Mapping[str, Iterable[str]],
) -> ServerReport:
    """What may be used of a server that shows itself as `identity` with `definitions`.

    pin: what was approved of it. others: names of tools by server, see `check_shadowing`.
    """
    findings = find(server, definitions, others)
    changes = () if pin is None else changes_since(pin, identity, definitions)
    accepted = frozenset[str]() if pin is None else pin.accepted
    open_findings = [
        each
        for each in findings
        if each.severity is Severity.SEVERE and (each.key not in accepted or each.kind in _HOPELESS)
    ]
    refusals = {
        name: refusal
        for name in definitions
        if (refusal := _refusal(server.name, name, pin, changes, open_findings)) is not None
    }
    status, error = _status(server.name, pin, changes, open_findings, refusals)
    return ServerReport(
        server.name, status, identity, definitions, findings, changes, refusals, error
    )


def find(
    server: McpServer,
    definitions: Mapping[str, ToolDefinition],
    others: Mapping[str, Iterable[str]],
) -> tuple[Finding, ...]:
    """Everything that does not belong into what a server says of itself and its tools."""
    found: list[Finding] = []
    if isinstance(server.transport, StdioTransport):
        found += scan_command(server.transport.command, server.transport.arguments)
    for definition in definitions.values():
        found += scan_tool(definition.document)
        found += _schema_findings(definition)
    found += check_names(definitions)
    descriptions = {name: each.description for name, each in definitions.items()}
    found += check_shadowing(server.name, descriptions, others)
    return tuple(found)


def _schema_findings(definition: ToolDefinition) -> list[Finding]:
    name = spelled(definition.name)[:80]
    try:
        argument_schema(name, definition.document.get("inputSchema"))
        if definition.document.get("outputSchema") is not None:
            output_schema(name, definition.document["outputSchema"])
    except ToolError as error:
        return [
            Finding("bad_schema", Severity.SEVERE, f"tool '{name}', schema", spelled(error.message))
        ]
    return []


def _refusal(
    server: str,
    name: str,
    pin: ServerPin | None,
    changes: tuple[Change, ...],
    findings: list[Finding],
) -> TreadleError | None:
    full = f"{server}.{spelled(name)[:80]}"
    own = [each for each in findings if _concerns(each, name)]
    hopeless = next((each for each in own if each.kind in _HOPELESS), None)
    if hopeless is not None:
        return ToolError("mcp_bad_schema", f"'{full}' cannot be used: {hopeless.message}")
    if pin is None:
        return _not_approved(server)
    for change in changes:
        if change.kind == "server":
            return _changed("mcp_server_changed", server, (change,))
        if change.name == name:
            return _changed("mcp_tool_changed", server, (change,))
    return _poisoned(server, own) if own else None


def _concerns(finding: Finding, name: str) -> bool:
    shown = f"tool '{spelled(name)[:80]}', "
    return finding.place.startswith(shown) or not finding.place.startswith("tool '")


def _status(
    server: str,
    pin: ServerPin | None,
    changes: tuple[Change, ...],
    findings: list[Finding],
    refusals: Mapping[str, TreadleError],
) -> tuple[Literal["approved", "new", "changed", "poisoned"], TreadleError | None]:
    if pin is None:
        return "new", _not_approved(server, findings)
    if changes:
        code = "mcp_server_changed" if changes[0].kind == "server" else "mcp_tool_changed"
        return "changed", _changed(code, server, changes)
    if findings:
        only_hopeless = all(each.kind in _HOPELESS for each in findings)
        if only_hopeless and all(each.key in pin.accepted for each in findings):
            return "approved", None  # known to be unusable; the others are as they were
        return "poisoned", next(iter(refusals.values()), _poisoned(server, findings))
    return "approved", None


def _not_approved(server: str, findings: Iterable[Finding] = ()) -> ToolError:
    severe = sum(1 for _ in findings)
    warning = f" ({severe} severe findings)" if severe else ""
    return ToolError(
        "mcp_not_approved",
        f"nobody has approved MCP server '{server}'{warning}; look at it with treadle mcp inspect "
        f"{server}, then treadle mcp approve {server}",
    )


def _changed(code: str, server: str, changes: Iterable[Change]) -> ToolError:
    shown = "\n".join(map(str, changes))
    return ToolError(
        code,
        f"MCP server '{server}' is not what was approved; if you agree, treadle mcp approve "
        f"{server}\n{shown}",
    )


def _poisoned(server: str, findings: list[Finding]) -> ToolError:
    first = findings[0]
    more = f" (and {len(findings) - 1} more)" if len(findings) > 1 else ""
    return ToolError(
        "mcp_poisoned",
        f"MCP server '{server}': {first}{more}; treadle mcp inspect {server} shows all, treadle "
        f"mcp approve {server} accepts them",
    )
