"""One execution cannot see or poison another, nor what watches it."""

import pytest

from treadle.tools.sandbox.contract import SandboxLevel

ZYGOTE = "os.getppid()"


async def test_the_environment_is_empty_of_the_host(pool, monkeypatch):
    monkeypatch.setenv("SECRET_TOKEN", "hunter2")
    environment = (await pool.run("import os; dict(os.environ)")).value
    assert "hunter2" not in str(environment)
    assert set(environment) <= {
        "PATH", "HOME", "LANG", "LC_ALL", "LC_CTYPE", "TMPDIR", "PWD", "PYTHONUNBUFFERED",
    }  # fmt: skip


async def test_only_the_usual_descriptors_are_open(pool):
    code = "import os\n[n for n in range(300) if os.path.exists(f'/proc/self/fd/{n}')]"
    # 3 is the pipe for the snippet's own report.
    assert (await pool.run(code)).value == [0, 1, 2, 3]


@pytest.mark.parametrize("what", ["mem", "environ", "fd/0", "fd/1", "fd/3", "fd/4", "root", "cwd", "maps"])  # fmt: skip
async def test_what_watches_it_is_hidden(pool, what):
    # All other processes in there: the watcher, the zygote, and the namespace's first.
    result = await pool.run(
        "import os\nopened = []\n"
        "for pid in os.listdir('/proc'):\n"
        "    if pid.isdecimal() and int(pid) != os.getpid():\n"
        "        try:\n"
        f"            os.close(os.open(f'/proc/{{pid}}/{what}', os.O_RDONLY))\n"
        "            opened.append(pid)\n"
        "        except OSError as error: print(pid, error)\n"
        "opened"
    )
    assert result.value == [], result.stdout
    assert result.stdout.count("\n") >= 3


async def test_it_cannot_be_traced_or_read(pool):
    result = await pool.run(
        "import ctypes, os\n"
        "libc = ctypes.CDLL(None, use_errno=True)\n"
        f"parent = {ZYGOTE}\n"
        "buffer = ctypes.create_string_buffer(8)\n"
        "class Vector(ctypes.Structure): _fields_ = [('a', ctypes.c_void_p), ('n', ctypes.c_size_t)]\n"
        "own = Vector(ctypes.addressof(buffer), 8)\n"
        "theirs = Vector(id(parent), 8)\n"
        "[libc.ptrace(16, parent, 0, 0), libc.ptrace(0x4206, parent, 0, 0),\n"
        " libc.process_vm_readv(parent, ctypes.byref(own), 1, ctypes.byref(theirs), 1, 0),\n"
        " libc.process_vm_writev(parent, ctypes.byref(own), 1, ctypes.byref(theirs), 1, 0)]"
    )
    assert result.value == [-1, -1, -1, -1]


async def test_nothing_of_an_execution_is_in_the_memory_of_the_next(pool):
    # 24 characters that stand in the first execution's code, its file, its output and its value.
    marker = "kestrel-7c1d9e-obsidian!"
    files = {f"{marker[:12]}.txt": marker.encode() * 10}
    first = await pool.run(f"x = '{marker}'\nprint(x)\nx", files=files)
    assert first.value == marker
    search = (
        "import re\nneedle = bytes(c ^ 1 for c in KEY)\nfound = 0\n"
        "for line in open('/proc/self/maps'):\n"
        "    span, mode = line.split()[:2]\n"
        "    if 'r' not in mode or '[v' in line: continue\n"
        "    start, end = (int(part, 16) for part in span.split('-'))\n"
        "    with open('/proc/self/mem', 'rb') as memory:\n"
        "        memory.seek(start)\n"
        "        try: found += memory.read(end - start).count(needle)\n"
        "        except OSError: pass\n"
        "found"
    )
    # The key is the marker with a bit of each character flipped: the search must not find itself.
    key = bytes(each ^ 1 for each in marker[:12].encode())
    second = await pool.run(search.replace("KEY", repr(key)))
    assert second.status == "ok", second.stderr
    # Once: the needle itself, and what it was being made of.
    assert second.value <= 3
    control = await pool.run(
        f"x = ['{marker}' + str(n) for n in range(50)]\n" + search.replace("KEY", repr(key))
    )
    assert control.value >= 50


POISON = {
    "a module": ("import json\njson.dumps = None", "import json; json.dumps(1)", "1"),
    "a builtin": ("import builtins\nbuiltins.len = None", "len('abc')", 3),
    "the environment": ("import os\nos.environ['X'] = '1'", "import os; 'X' in os.environ", False),
    "a file": ("open('json.py', 'w').write('boom')", "import json; json.dumps(1)", "1"),
    "a file in /tmp": ("open('/tmp/f', 'w').write('x')", "import os; os.listdir('/tmp')", []),
    "shared memory": ("open('/dev/shm/f', 'w').write('x')", "import os; os.listdir('/dev/shm')", []),
    "folders": (
        "import os\nfor n in range(15): os.mkdir('d'); os.chdir('d'); open('f', 'w')\n"
        "os.chmod('.', 0)",
        "import os; os.listdir('.')",
        [],
    ),
    "odd files": (
        "import os, socket\nos.mkfifo('p'); os.symlink('/', 'l')\n"
        "socket.socket(socket.AF_UNIX).bind('s')\nopen('a\\nb\\x1b[2J', 'w')",
        "import os; os.listdir('.')",
        [],
    ),
    "the mode of a folder": (
        "import os\nos.chmod('/tmp', 0o500); os.chmod('.', 0o500)",
        "import os\n[oct(os.stat(p).st_mode & 0o777) for p in ('/tmp', '.')]",
        ["0o700", "0o700"],
    ),
    "an attribute of a folder": (
        "import os\nos.setxattr('/tmp', 'user.note', b'hello')",
        "import os; os.listxattr('/tmp')",
        [],
    ),
    "a daemon": (
        "import os, time\nif os.fork() == 0:\n    os.setsid()\n    if os.fork() == 0:\n"
        "        while True: open('/tmp/alive', 'a').write('x'); time.sleep(0.001)\n    os._exit(0)",
        "import os, time; time.sleep(0.1); os.listdir('/tmp')",
        [],
    ),
    "many daemons": (
        "import os, time\nfor _ in range(20):\n    if os.fork() == 0:\n        os.setsid(); time.sleep(60)",
        "import os; len([p for p in os.listdir('/proc') if p.isdecimal()])",
        4,
    ),
    "the watcher's limits": (
        f"import os, resource\nfor pid in (2, {ZYGOTE}):\n"
        "    resource.prlimit(pid, resource.RLIMIT_NOFILE, (20, 20))",
        "import resource; resource.getrlimit(resource.RLIMIT_NOFILE)[0] > 20",
        True,
    ),
    "the watcher's priority": (
        "import os\nos.setpriority(os.PRIO_PROCESS, 2, 19)",
        "import os; os.getpriority(os.PRIO_PROCESS, 0)",
        0,
    ),
    "the watcher's processors": (
        "import os\nos.sched_setaffinity(2, {min(os.sched_getaffinity(0))})",
        "import os; len(os.sched_getaffinity(0)) == os.cpu_count()",
        None,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", POISON)
async def test_what_one_execution_leaves_the_next_does_not_meet(pool, name):
    poison, look, expected = POISON[name]
    before = (await pool.run(look)).value
    left = await pool.run(poison)
    assert left.status in ("ok", "killed", "error"), left.reason
    after = await pool.run(look)
    assert after.status == "ok", after.stderr
    assert after.value == (before if expected is None else expected)
    assert after.value == before


async def test_queues_of_messages_cannot_be_left(pool, boundary):
    result = await pool.run(
        "import ctypes\nlibc = ctypes.CDLL(None, use_errno=True)\n"
        "[libc.mq_open(b'/left', 66, 0o600, None), libc.shmget(1, 4096, 0o1600),\n"
        " libc.msgget(1, 0o1600), libc.semget(1, 1, 0o1600)]"
    )
    assert result.value[0] == -1
    if boundary.level is SandboxLevel.STRICT:
        assert result.value == [-1, -1, -1, -1]


ATTACKS = {
    "kill everything": "import os; os.kill(-1, 9)",
    "kill the watcher": f"import os; os.kill({ZYGOTE}, 9)",
    "kill the zygote": "import os; os.kill(2, 9); import time; time.sleep(60)",
    "stop the watcher": f"import os, time; os.kill({ZYGOTE}, 19); time.sleep(60)",
    "stop the zygote": "import os; os.kill(2, 19)",
    "abort": "import os; os.abort()",
    "crash": "import ctypes; ctypes.string_at(0)",
}


@pytest.mark.parametrize("name", ATTACKS)
async def test_an_attack_on_the_watcher_ends_the_execution_only(pool, brief, name):
    result = await pool.run(ATTACKS[name], limits=brief)
    assert result.status in ("killed", "timeout")
    assert result.exit_code is None
    assert result.reason
    following = await pool.run("6 * 7", limits=brief)
    assert following.value == 42


async def test_a_forged_report_is_its_own_word_only(pool):
    forged = await pool.run("import os\nos.write(3, b'j{\"a\": NaN}')\nos._exit(0)")
    assert (forged.status, forged.value) == ("ok", None)
    flood = await pool.run("import os\nwhile True: os.write(3, b'x' * 65536)")
    assert flood.status == "killed"
    assert (await pool.run("1")).value == 1


async def test_domains_never_share_a_worker(pool):
    # The hash of a text is random for each interpreter, and the same in all its forks.
    code = "hash('one interpreter')"
    mine = {(await pool.run(code, trust_domain="mine")).value for _ in range(3)}
    theirs = {(await pool.run(code, trust_domain="theirs")).value for _ in range(3)}
    assert len(mine) == len(theirs) == 1
    assert mine != theirs


async def test_random_numbers_differ_between_executions(pool):
    values = [(await pool.run("import random; random.random()")).value for _ in range(3)]
    assert len(set(values)) == 3
