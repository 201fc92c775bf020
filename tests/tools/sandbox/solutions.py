"""Small problems with solutions: right ones, wrong ones, some that raise and some that never end."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Solution:
    """A function and its tests; `ends` is what running both comes to."""

    name: str
    code: str
    tests: str
    ends: str


def _right(name: str, code: str, *tests: str) -> Solution:
    return Solution(name, code, "\n".join(f"assert {each}" for each in tests), "ok")


def _wrong(name: str, code: str, *tests: str) -> Solution:
    return Solution(name, code, "\n".join(f"assert {each}" for each in tests), "AssertionError")


def _raises(kind: str, name: str, code: str, tests: str) -> Solution:
    return Solution(name, code, tests, kind)


def _endless(name: str, code: str, tests: str) -> Solution:
    return Solution(name, code, tests, "timeout")


SOLUTIONS = (
    _right(
        "running_total",
        """
def running_total(numbers):
    totals, so_far = [], 0
    for number in numbers:
        so_far += number
        totals.append(so_far)
    return totals
""",
        "running_total([]) == []",
        "running_total([3, -1, 4]) == [3, 2, 6]",
    ),
    _right(
        "is_palindrome",
        """
def is_palindrome(text):
    letters = [each.lower() for each in text if each.isalnum()]
    return letters == letters[::-1]
""",
        "is_palindrome('A man, a plan, a canal: Panama')",
        "not is_palindrome('treadle')",
        "is_palindrome('')",
    ),
    _right(
        "primes_below",
        """
def primes_below(limit):
    sieve = bytearray([1]) * max(limit, 0)
    found = []
    for number in range(2, limit):
        if sieve[number]:
            found.append(number)
            sieve[number * number::number] = bytes(len(range(number * number, limit, number)))
    return found
""",
        "primes_below(2) == []",
        "primes_below(30) == [2, 3, 5, 7, 11, 13, 17, 19, 23, 29]",
        "len(primes_below(10_000)) == 1229",
    ),
    _right(
        "merge_intervals",
        """
def merge_intervals(intervals):
    merged = []
    for start, end in sorted(intervals):
        if merged and start <= merged[-1][1]:
            merged[-1][1] = max(merged[-1][1], end)
        else:
            merged.append([start, end])
    return merged
""",
        "merge_intervals([[5, 6], [1, 3], [2, 4]]) == [[1, 4], [5, 6]]",
        "merge_intervals([]) == []",
    ),
    _right(
        "balanced",
        """
def balanced(text):
    closing, open_ones = {")": "(", "]": "[", "}": "{"}, []
    for each in text:
        if each in closing.values():
            open_ones.append(each)
        elif each in closing and (not open_ones or open_ones.pop() != closing[each]):
            return False
    return not open_ones
""",
        "balanced('{[()]}')",
        "not balanced('(]')",
        "not balanced('((')",
    ),
    _right(
        "roman",
        """
def roman(number):
    parts = [(1000, "M"), (900, "CM"), (500, "D"), (400, "CD"), (100, "C"), (90, "XC"),
             (50, "L"), (40, "XL"), (10, "X"), (9, "IX"), (5, "V"), (4, "IV"), (1, "I")]
    text = ""
    for value, letters in parts:
        count, number = divmod(number, value)
        text += letters * count
    return text
""",
        "roman(1994) == 'MCMXCIV'",
        "roman(4) == 'IV'",
        "roman(3999) == 'MMMCMXCIX'",
    ),
    _right(
        "edit_distance",
        """
def edit_distance(one, other):
    row = list(range(len(other) + 1))
    for i, a in enumerate(one, 1):
        before, row[0] = row[0], i
        for j, b in enumerate(other, 1):
            before, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, before + (a != b))
    return row[-1]
""",
        "edit_distance('kitten', 'sitting') == 3",
        "edit_distance('', 'abc') == 3",
        "edit_distance('same', 'same') == 0",
    ),
    _right(
        "transpose",
        "def transpose(rows):\n    return [list(each) for each in zip(*rows, strict=True)]\n",
        "transpose([[1, 2, 3], [4, 5, 6]]) == [[1, 4], [2, 5], [3, 6]]",
        "transpose([]) == []",
    ),
    _right(
        "word_counts",
        """
import collections, re
def word_counts(text):
    return dict(collections.Counter(re.findall(r"[a-z']+", text.lower())))
""",
        "word_counts('The cat. The hat!') == {'the': 2, 'cat': 1, 'hat': 1}",
        "word_counts('') == {}",
    ),
    _right(
        "greatest_common_divisor",
        """
def greatest_common_divisor(a, b):
    while b:
        a, b = b, a % b
    return abs(a)
""",
        "greatest_common_divisor(84, 36) == 12",
        "greatest_common_divisor(0, 5) == 5",
        "greatest_common_divisor(-4, 6) == 2",
    ),
    _right(
        "fibonacci",
        """
import functools
@functools.cache
def fibonacci(n):
    return n if n < 2 else fibonacci(n - 1) + fibonacci(n - 2)
""",
        "fibonacci(10) == 55",
        "fibonacci(90) == 2880067194370816120",
    ),
    _right(
        "caesar",
        """
def caesar(text, shift):
    out = ""
    for each in text:
        if each.isascii() and each.isalpha():
            start = ord("a" if each.islower() else "A")
            each = chr((ord(each) - start + shift) % 26 + start)
        out += each
    return out
""",
        "caesar('Hello, World', 3) == 'Khoor, Zruog'",
        "caesar(caesar('Zebra!', 11), -11) == 'Zebra!'",
    ),
    _right(
        "longest_common_prefix",
        """
import os.path
def longest_common_prefix(words):
    return os.path.commonprefix(list(words))
""",
        "longest_common_prefix(['flow', 'flower', 'flight']) == 'fl'",
        "longest_common_prefix([]) == ''",
    ),
    _right(
        "binary_search",
        """
import bisect
def find(items, wanted):
    at = bisect.bisect_left(items, wanted)
    return at if at < len(items) and items[at] == wanted else -1
""",
        "find([1, 3, 5, 7], 5) == 2",
        "find([1, 3, 5, 7], 4) == -1",
        "find([], 1) == -1",
    ),
    _right(
        "shortest_path",
        """
import heapq
def shortest(graph, start, end):
    queue, seen = [(0, start)], set()
    while queue:
        length, node = heapq.heappop(queue)
        if node == end:
            return length
        if node not in seen:
            seen.add(node)
            for other, weight in graph.get(node, {}).items():
                heapq.heappush(queue, (length + weight, other))
    return None
""",
        "shortest({'a': {'b': 4, 'c': 1}, 'c': {'b': 2}}, 'a', 'b') == 3",
        "shortest({}, 'a', 'b') is None",
    ),
    _right(
        "queens",
        """
def queens(n, columns=()):
    if len(columns) == n:
        return 1
    return sum(
        queens(n, (*columns, column))
        for column in range(n)
        if all(column != other and abs(column - other) != len(columns) - row
               for row, other in enumerate(columns))
    )
""",
        "queens(6) == 4",
        "queens(1) == 1",
        "queens(3) == 0",
    ),
    _right(
        "flatten",
        """
def flatten(value):
    if isinstance(value, list):
        for each in value:
            yield from flatten(each)
    else:
        yield value
""",
        "list(flatten([1, [2, [3, []]], 4])) == [1, 2, 3, 4]",
    ),
    _right(
        "to_base",
        """
def to_base(number, base):
    digits = ""
    while number:
        number, digit = divmod(number, base)
        digits = "0123456789abcdefghijklmnopqrstuvwxyz"[digit] + digits
    return digits or "0"
""",
        "to_base(255, 16) == 'ff'",
        "to_base(0, 2) == '0'",
        "int(to_base(123456, 36), 36) == 123456",
    ),
    _right(
        "rotate_matrix",
        "def rotate(rows):\n    return [list(each) for each in zip(*rows[::-1])]\n",
        "rotate([[1, 2], [3, 4]]) == [[3, 1], [4, 2]]",
    ),
    _right(
        "run_lengths",
        """
import itertools
def run_lengths(text):
    return [(each, len(list(group))) for each, group in itertools.groupby(text)]
""",
        "run_lengths('aaabcc') == [('a', 3), ('b', 1), ('c', 2)]",
        "run_lengths('') == []",
    ),
    _right(
        "exact_sum",
        """
import decimal, fractions
def exact_sum(numbers):
    return sum(map(fractions.Fraction, numbers)), sum(map(decimal.Decimal, numbers))
""",
        "exact_sum(['0.1', '0.2'])[0] * 10 == 3",
        "str(exact_sum(['0.1', '0.2'])[1]) == '0.3'",
    ),
    _right(
        "weekday",
        """
import datetime
def weekday(text):
    return datetime.date.fromisoformat(text).strftime("%A")
""",
        "weekday('2024-02-29') == 'Thursday'",
    ),
    _right(
        "json_round",
        """
import json
def rounded(value):
    return json.loads(json.dumps(value, ensure_ascii=False))
""",
        "rounded({'ä': [1, 2.5, None, True, '☃']}) == {'ä': [1, 2.5, None, True, '☃']}",
    ),
    _right(
        "class_with_state",
        """
from dataclasses import dataclass, field
@dataclass
class Account:
    balance: int = 0
    history: list = field(default_factory=list)
    def pay(self, amount):
        if amount > self.balance:
            raise ValueError("not enough")
        self.balance -= amount
        self.history.append(-amount)
account = Account(10)
account.pay(4)
""",
        "account.balance == 6",
        "account.history == [-4]",
        "Account() == Account()",
    ),
    _right(
        "async_order",
        """
import asyncio
async def slow(name, wait):
    await asyncio.sleep(wait)
    return name
async def both():
    return await asyncio.gather(slow("a", 0.02), slow("b", 0.01))
""",
        "asyncio.run(both()) == ['a', 'b']",
    ),
    _right(
        "threads",
        """
import threading
def in_threads(count):
    found, lock = [], threading.Lock()
    def work(number):
        with lock:
            found.append(number * number)
    threads = [threading.Thread(target=work, args=(number,)) for number in range(count)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    return sorted(found)
""",
        "in_threads(5) == [0, 1, 4, 9, 16]",
    ),
    _right(
        "files_of_its_own",
        """
import pathlib, tempfile
def kept(text):
    path = pathlib.Path("note.txt")
    path.write_text(text, encoding="utf-8")
    with tempfile.TemporaryDirectory() as folder:
        (pathlib.Path(folder) / "x").write_text(text, encoding="utf-8")
    return path.read_text(encoding="utf-8")
""",
        "kept('größer') == 'größer'",
    ),
    _right(
        "a_child_program",
        """
import subprocess, sys
def asked(expression):
    done = subprocess.run([sys.executable, "-c", f"print({expression})"], capture_output=True, text=True)
    return done.stdout.strip()
""",
        "asked('6 * 7') == '42'",
    ),
    _right(
        "sqlite",
        """
import sqlite3
def total(rows):
    with sqlite3.connect(":memory:") as connection:
        connection.execute("create table t (x integer)")
        connection.executemany("insert into t values (?)", [(each,) for each in rows])
        return connection.execute("select sum(x) from t").fetchone()[0]
""",
        "total([1, 2, 3]) == 6",
        "total([]) is None",
    ),
    _right(
        "seeded",
        """
import random
def drawn(seed):
    return random.Random(seed).sample(range(100), 3)
""",
        "drawn(7) == drawn(7)",
        "len(set(drawn(1))) == 3",
    ),
    _right(
        "hashes",
        """
import hashlib, base64
def digest(text):
    return base64.b16encode(hashlib.sha256(text.encode()).digest()).decode().lower()
""",
        "digest('').startswith('e3b0c44298fc1c14')",
    ),
    _right(
        "deep_recursion",
        """
import sys
def depth(n):
    return 0 if n == 0 else 1 + depth(n - 1)
sys.setrecursionlimit(5000)
""",
        "depth(3000) == 3000",
    ),
    _right(
        "large_numbers",
        "def digits(n):\n    return sum(map(int, str(2 ** n)))\n",
        "digits(1000) == 1366",
    ),
    _right(
        "printing",
        """
def hello(name):
    print("hello", name)
    print("to stderr", file=__import__("sys").stderr)
    return len(name)
""",
        "hello('Wörld ☃') == 7",
        "hello('') == 0",
    ),
    _right(
        "main_guard",
        """
def answer():
    return 42
ran = False
if __name__ == "__main__":
    ran = True
""",
        "answer() == 42",
        "ran",
    ),
    _right("empty_text", "", "True"),
    _right(
        "spiral",
        """
def spiral(rows):
    rows, out = [list(each) for each in rows], []
    while rows:
        out += rows.pop(0)
        rows = [list(each) for each in zip(*rows)][::-1]
    return out
""",
        "spiral([[1, 2, 3], [4, 5, 6], [7, 8, 9]]) == [1, 2, 3, 6, 9, 8, 7, 4, 5]",
    ),
    _right(
        "knapsack",
        """
def knapsack(items, room):
    best = [0] * (room + 1)
    for weight, value in items:
        for size in range(room, weight - 1, -1):
            best[size] = max(best[size], best[size - weight] + value)
    return best[room]
""",
        "knapsack([(1, 1), (3, 4), (4, 5), (5, 7)], 7) == 9",
        "knapsack([], 5) == 0",
    ),
    _wrong(
        "wrong_median",
        "def median(numbers):\n    return sorted(numbers)[len(numbers) // 2]\n",
        "median([1, 2, 3]) == 2",
        "median([1, 2, 3, 4]) == 2.5",
    ),
    _wrong(
        "wrong_leap_year",
        "def is_leap(year):\n    return year % 4 == 0\n",
        "is_leap(2024)",
        "not is_leap(1900)",
    ),
    _wrong(
        "wrong_default",
        "def collect(each, into=[]):\n    into.append(each)\n    return into\n",
        "collect(1) == [1]",
        "collect(2) == [2]",
    ),
    _wrong(
        "wrong_float",
        "def total(numbers):\n    return sum(numbers)\n",
        "total([0.1, 0.2]) == 0.3",
    ),
    _wrong(
        "wrong_off_by_one",
        "def up_to(n):\n    return list(range(1, n))\n",
        "up_to(3) == [1, 2, 3]",
    ),
    _wrong(
        "wrong_rounding",
        "def rounded(x):\n    return round(x)\n",
        "rounded(0.5) == 1",
    ),
    _wrong(
        "wrong_closure",
        "def adders():\n    return [lambda x: x + n for n in range(3)]\n",
        "[each(10) for each in adders()] == [10, 11, 12]",
    ),
    _wrong(
        "wrong_sort",
        "def ordered(words):\n    return sorted(words)\n",
        "ordered(['b', 'A', 'c']) == ['A', 'b', 'c']",
        "ordered(['b', 'a', 'C']) == ['a', 'b', 'C']",
    ),
    _wrong(
        "wrong_reverse",
        "def backwards(text):\n    return text[:0:-1]\n",
        "backwards('abc') == 'cba'",
    ),
    _wrong(
        "wrong_message",
        "def sign(x):\n    return 'positive' if x > 0 else 'negative'\n",
        "sign(1) == 'positive'",
        "sign(0) == 'zero', 'zero is neither'",
    ),
    _raises("ZeroDivisionError", "divides_by_zero", "def f(x):\n    return 1 / x\n", "f(0)"),
    _raises("KeyError", "misses_a_key", "def f(d):\n    return d['gone']\n", "f({})"),
    _raises("IndexError", "goes_past_the_end", "def f(x):\n    return x[10]\n", "f([1])"),
    _raises("TypeError", "adds_apples", "def f(a, b):\n    return a + b\n", "f(1, 'x')"),
    _raises("AttributeError", "asks_none", "def f():\n    pass\n", "f().strip()"),
    _raises("NameError", "forgets_an_import", "def f():\n    return math.pi\n", "f()"),
    _raises("ModuleNotFoundError", "wants_a_package", "import no_such_package_at_all\n", "pass"),
    _raises("SyntaxError", "is_no_python", "def f(:\n    return 1\n", "f()"),
    _raises("IndentationError", "is_badly_indented", "def f():\nreturn 1\n", "f()"),
    _raises("RecursionError", "never_stops_calling", "def f(n):\n    return f(n + 1)\n", "f(0)"),
    _raises("ValueError", "cannot_parse", "def f(x):\n    return int(x)\n", "f('seven')"),
    _raises(
        "FileNotFoundError", "reads_what_is_not_there", "def f(p):\n    return open(p)\n", "f('no')"
    ),
    _raises(
        "Custom",
        "raises_its_own",
        "class Custom(Exception):\n    pass\ndef f():\n    raise Custom('with words')\n",
        "f()",
    ),
    _raises(
        "RuntimeError",
        "raises_from_another",
        """
def f():
    try:
        {}["x"]
    except KeyError as error:
        raise RuntimeError("outer") from error
""",
        "f()",
    ),
    _raises("exit 3", "exits_by_itself", "import sys\ndef f():\n    sys.exit(3)\n", "f()"),
    _raises("exit 1", "exits_with_words", "def f():\n    raise SystemExit('no more')\n", "f()"),
    _raises("ok", "exits_with_nothing", "def f():\n    raise SystemExit\n", "f()\nassert False"),
    _raises("exit 9", "exits_at_once", "import os\ndef f():\n    os._exit(9)\n", "f()"),
    _endless("loops", "def f():\n    while True:\n        pass\n", "f()"),
    _endless(
        "waits_for_nobody", "import threading\ndef f():\n    threading.Event().wait()\n", "f()"
    ),
    _endless("sleeps", "import time\ndef f():\n    time.sleep(3600)\n", "f()"),
    _endless(
        "wanders",
        """
def steps(n):
    count = 0
    while n != 1:
        n = n * 3 + 1 if n % 2 else n - 0
        count += 1
    return count
""",
        "steps(6)",
    ),
    _endless(
        "backtracks",
        "import re\ndef f(text):\n    return re.match(r'(a+)+$', text)\n",
        "f('a' * 40 + 'b')",
    ),
    _endless(
        "catches_all",
        """
import time
def f():
    while True:
        try:
            time.sleep(1)
        except BaseException:
            pass
""",
        "f()",
    ),
)
"""The problems; each is small, and none depends on another."""
