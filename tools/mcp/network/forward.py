"""Runs inside the sandbox: a loopback port that leads to the proxy's unix socket.

    python3 -I forward.py SOCKET DIRECT -- COMMAND [ARGUMENT...]

DIRECT: hosts that are not asked of the proxy, with commas between them.

Needs nothing but the standard library: Treadle is not to be seen in there. It starts COMMAND with
the usual proxy variables, passes connections on, and ends with COMMAND's exit code.
"""

import contextlib
import os
import socket
import sys
import threading

_BLOCK = 65536


def main() -> None:
    path, direct, dashes, *command = sys.argv[1:]
    if dashes != "--" or not command:
        sys.exit("usage: forward.py SOCKET DIRECT -- COMMAND [ARGUMENT...]")
    listener = socket.create_server(("127.0.0.1", 0), backlog=64)
    address = f"http://127.0.0.1:{listener.getsockname()[1]}"
    environment = dict(os.environ)
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        environment[name] = environment[name.upper()] = address
    environment["no_proxy"] = environment["NO_PROXY"] = direct
    environment["NODE_USE_ENV_PROXY"] = "1"
    child = os.fork()
    if child == 0:
        listener.close()
        try:
            os.execvpe(command[0], command, environment)  # noqa: S606
        except OSError as error:
            os.write(2, f"{command[0]}: {error.strerror}\n".encode())
            os._exit(127)
    # The pipes are the server's alone: where it closes them, the other side is to see that.
    nowhere = os.open(os.devnull, os.O_RDWR)
    os.dup2(nowhere, 0)
    os.dup2(nowhere, 1)
    threading.Thread(target=_accept, args=(listener, path), daemon=True).start()
    _, status = os.waitpid(child, 0)
    os._exit(os.waitstatus_to_exitcode(status) & 0xFF)


def _accept(listener: socket.socket, path: str) -> None:
    while True:
        inner, _ = listener.accept()
        outer = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            outer.connect(path)
        except OSError:
            inner.close()
            outer.close()
            continue
        for source, sink in ((inner, outer), (outer, inner)):
            threading.Thread(target=_pass_on, args=(source, sink), daemon=True).start()


def _pass_on(source: socket.socket, sink: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while block := source.recv(_BLOCK):
            sink.sendall(block)
    for end, how in ((sink, socket.SHUT_WR), (source, socket.SHUT_RD)):
        with contextlib.suppress(OSError):
            end.shutdown(how)


if __name__ == "__main__":
    main()
