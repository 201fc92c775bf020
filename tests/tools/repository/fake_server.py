"""A language server that misbehaves on request: what it does stands in its first argument."""

import json
import sys
import time


def read() -> dict | None:
    length = 0
    while (line := sys.stdin.buffer.readline()) not in (b"\r\n", b""):
        if line.lower().startswith(b"content-length:"):
            length = int(line.split(b":")[1])
    return json.loads(sys.stdin.buffer.read(length)) if length else None


def write(message: dict) -> None:
    body = json.dumps({"jsonrpc": "2.0", **message}).encode()
    sys.stdout.buffer.write(b"Content-Length: %d\r\n\r\n" % len(body) + body)
    sys.stdout.buffer.flush()


def main(how: str) -> None:
    cancelled, hanging = [], []
    while (message := read()) is not None:
        method, number = message.get("method"), message.get("id")
        if method == "initialize":
            write({"id": number, "result": {"capabilities": {}}})
        elif method == "$/cancelRequest":
            cancelled.append(message["params"]["id"])
        elif method == "test/cancelled":
            write({"id": number, "result": cancelled})
        elif method == "test/hanging":
            write({"id": number, "result": hanging})
        elif method == "test/asked":
            write(
                {
                    "id": "q",
                    "method": "workspace/configuration",
                    "params": {"items": [{"section": "python.pythonPath"}, {"section": "no.such"}]},
                }
            )
            answer = read()
            write({"id": "r", "method": "no/such", "params": {}})
            write({"id": number, "result": [answer, read()]})
        elif number is None:
            continue
        elif how == "hang":
            hanging.append(number)
        elif how == "die":
            sys.exit(3)
        elif how == "huge":
            write({"id": number, "result": "x" * 3_000_000})
        elif how == "nonsense":
            sys.stdout.buffer.write(b"hello\n" * 2_000)
            sys.stdout.buffer.flush()
            time.sleep(30)
        elif how == "no-json":
            sys.stdout.buffer.write(b"Content-Length: 3\r\n\r\n{{{")
            sys.stdout.buffer.flush()
            time.sleep(30)
        elif how == "refuse":
            write({"id": number, "error": {"code": -32603, "message": "cannot"}})
        elif how == "wrong-shape":
            write({"id": number, "result": [{"uri": 5, "range": {"start": {"line": -1}}}]})
        else:
            write({"id": number, "result": message.get("params")})


if __name__ == "__main__":
    main(sys.argv[1])
