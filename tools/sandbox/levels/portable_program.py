"""Runs one job where our other programs cannot: in a container, under sandbox-exec, or bare.

It is executed by a bare Python (`-I -S -c`), gets the job as JSON on stdin and answers with JSON
on stdout. Standard library only, and nothing newer than Python 3.8. What it answers comes from a
place where code that is not trusted ran as the same user: data, to be checked by the host.
"""

import base64
import contextlib
import json
import os
import resource
import selectors
import signal
import stat
import subprocess
import sys
import time

RUN = (
    "import sys\n"
    "r = {'code': sys.stdin.read(), 'name': 'main.py', 'workspace': '.', 'token': sys.argv[1]}\n"
    "exec(compile(sys.argv[2], '<snippet>', 'exec'), {'__name__': 'snippet', 'request': r})\n"
)


def write_files(files: "dict[str, str]") -> None:
    """Put the host's files, whose names it has checked, into the workspace."""
    for name, content in files.items():
        folder = os.path.dirname(name)
        if folder:
            os.makedirs(folder, exist_ok=True)
        with open(name, "xb") as file:
            file.write(base64.b64decode(content))


def limit(job: "dict[str, int]") -> None:
    """Set what the system knows of; the host has bounded the rest."""
    for name, value in (
        ("RLIMIT_CPU", job["cpu_seconds"]),
        ("RLIMIT_FSIZE", job["file_bytes"]),
        ("RLIMIT_NOFILE", job["open_files"]),
        ("RLIMIT_AS", job["memory_bytes"]),
        ("RLIMIT_CORE", 1),
    ):
        try:
            resource.setrlimit(getattr(resource, name), (value, value))
        except (ValueError, OSError, AttributeError):
            continue  # macOS has no limit of the address space


def read_outputs(
    process: "subprocess.Popen[bytes]", most: int, deadline: float
) -> "tuple[list[bytes], str]":
    """stdout and stderr up to `most` bytes each, and why it was ended, or nothing."""
    assert process.stdout is not None
    assert process.stderr is not None
    pipes = [process.stdout, process.stderr]
    read = [bytearray(), bytearray()]
    chosen = selectors.DefaultSelector()
    for number, pipe in enumerate(pipes):
        chosen.register(pipe, selectors.EVENT_READ, number)
    why = ""
    while chosen.get_map():
        left = deadline - time.monotonic()
        if left <= 0:
            why = "timeout"
            break
        for key, _ in chosen.select(left):
            part = os.read(key.fd, 65536)
            read[key.data] += part[: most - len(read[key.data]) + 1]
            if not part:
                chosen.unregister(key.fileobj)
            if len(read[key.data]) > most:
                why = "output"
        if why:
            break
    return [bytes(each) for each in read], why


def collect(names: "list[str]", most_files: int, most_bytes: int) -> "dict[str, str]":
    """All regular files below, or none where none are wanted; the host picks by name."""
    found: dict[str, str] = {}
    if not names:
        return found
    for folder, folders, files in os.walk(".", followlinks=False):
        folders.sort()
        for name in sorted(files):
            path = os.path.relpath(os.path.join(folder, name), ".")
            try:
                held = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
            except OSError:
                continue
            with os.fdopen(held, "rb") as file:
                kind = os.fstat(held)
                regular = stat.S_ISREG(kind.st_mode) and kind.st_nlink == 1
                if not regular or kind.st_size > most_bytes or len(found) >= most_files:
                    continue
                most_bytes -= kind.st_size
                found[path] = base64.b64encode(file.read(kind.st_size)).decode()
    return found


def main() -> None:
    """Run the job and answer."""
    job = json.load(sys.stdin)
    os.chdir(job["workspace"])
    write_files(job["files"])
    limit(job)
    command = job["command"]
    if command is None:
        command = [sys.executable, "-I", "-S", "-u", "-c", RUN, job["token"], job["snippet"]]
    try:
        process = subprocess.Popen(  # noqa: S603 - that is what it is for
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={
                "PATH": "/usr/local/bin:/usr/bin:/bin",
                "HOME": job["workspace"],
                "PYTHONUNBUFFERED": "1",
            },
            start_new_session=True,
        )
    except OSError as error:
        sys.stdout.write(json.dumps({"exit": 127, "why": "", "stderr": str(error)}))
        return
    deadline = time.monotonic() + job["seconds"]
    try:
        assert process.stdin is not None
        process.stdin.write((job["code"] or "").encode())
        process.stdin.close()
    except OSError:
        pass  # it has ended without reading that
    outputs, why = read_outputs(process, job["output_bytes"], deadline)
    if not why:
        try:
            process.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            why = "timeout"
    with contextlib.suppress(OSError):  # it has ended, and so has its group
        os.killpg(process.pid, signal.SIGKILL)
    code = process.wait()
    report = None
    try:
        with open(job["token"], encoding="ascii") as file:
            report = file.read(job["output_bytes"])
        os.unlink(job["token"])
    except (OSError, ValueError):
        report = None
    sys.stdout.write(
        json.dumps(
            {
                "exit": code,
                "why": why,
                "report": report,
                "stdout": base64.b64encode(outputs[0]).decode(),
                "stderr": base64.b64encode(outputs[1]).decode(),
                "files": collect(job["results"], job["result_files"], job["result_bytes"]),
            }
        )
    )


main()
