"""Tasks that look like learned ones and ask for something else; a list against the plan cache."""

from __future__ import annotations

from treadle.memory.learning.template import Wire


def one(tool: str, answer: str | None = None, **args: object) -> Wire:
    """A plan of one step."""
    plan: Wire = {"steps": [{"id": "step", "tool": tool, "args": dict(args)}]}  # type: ignore[dict-item]
    return plan if answer is None else {**plan, "answer": answer}


LEARNED: list[tuple[str, Wire]] = [
    ("Sum 2 and 3", one("sum", a=2, b=3)),
    ("Sum 10 and 7", one("sum", a=10, b=7)),
    ("subtract 3 from 5", one("subtract", a=5, b=3)),
    ("subtract 20 from 90", one("subtract", a=90, b=20)),
    ("Total sales in 2023", one("query", where="year = 2023")),
    ("Total sales in 2021", one("query", where="year = 2021")),
    ("Show the 2 newest files", one("newest", limit=2, round=2)),
    ("Show the 5 newest files", one("newest", limit=5, round=2)),
    ("Read notes.txt", one("read_file", path="notes.txt")),
    ("Read todo.txt", one("read_file", path="todo.txt")),
    ("Copy a.txt to b.txt", one("copy", source="a.txt", target="b.txt")),
    ("Copy one.txt to two.txt", one("copy", source="one.txt", target="two.txt")),
    ("Convert data.csv to xlsx", one("convert", source="data.csv", target="data.xlsx")),
    ("Convert sales.csv to xlsx", one("convert", source="sales.csv", target="sales.xlsx")),
    ("Back up in/a.csv to safe", one("copy", source="in/a.csv", target="safe/a.csv")),
    ("Back up in/old.csv to safe", one("copy", source="in/old.csv", target="safe/old.csv")),
    ("What is the weather in Paris", one("weather", lat=48.86, lon=2.35, label="Paris")),
    ("What is the weather in Rome", one("weather", lat=41.9, lon=12.5, label="Rome")),
    ("Find lines with 'error' in app.log", one("grep", pattern="error", path="app.log")),
    ("Find lines with 'timeout' in sys.log", one("grep", pattern="timeout", path="sys.log")),
    ("List rows where price is over 100", one("query", where="price > 100")),
    ("List rows where price is over 250", one("query", where="price > 250")),
    ("Fetch https://api.example.org/users", one("fetch", url="https://api.example.org/users")),
    ("Fetch https://api.example.org/orders", one("fetch", url="https://api.example.org/orders")),
    ("Mail bob@example.org the report", one("mail", to="bob@example.org")),
    ("Mail eve@example.org the report", one("mail", to="eve@example.org")),
    ("Delete the file old.tmp", one("delete", path="old.tmp")),
    ("Delete the file older.tmp", one("delete", path="older.tmp")),
    ("Add 4 and 4", one("add", a=4, b=4)),
    ("Add 6 and 6", one("add", a=6, b=6)),
    ("Repeat the test 3 times", {"steps": [{"id": f"t{n}", "tool": "test", "args": {}} for n in range(3)]}),
    ("Repeat the test 2 times", {"steps": [{"id": f"t{n}", "tool": "test", "args": {}} for n in range(2)]}),
    ("Search name = 'Kim'", one("sql", query="select * from t where name = 'Kim'")),
    ("Search name = 'Lee'", one("sql", query="select * from t where name = 'Lee'")),
    ("Sales in Oslo", one("query", where="city = 'Oslo'")),
    ("Sales in Rome", one("query", where="city = 'Rome'")),
    ("Total for 'north'", one("query", where="region = 'north'")),
    ("Total for 'south'", one("query", where="region = 'south'")),
    ("Total of 'x' and 'y'", one("total", first="x", second="y")),
    ("Total of 'a' and 'b'", one("total", first="a", second="b")),
    ("Wait until the count is 9", {"steps": [
        {"id": "count", "tool": "count", "args": {}},
        {"id": "go", "tool": "go", "args": {}, "when": "${count} == 9"}]}),
    ("Wait until the count is 4", {"steps": [
        {"id": "count", "tool": "count", "args": {}},
        {"id": "go", "tool": "go", "args": {}, "when": "${count} == 4"}]}),
]  # fmt: skip
"""Tasks and the plans that a planner wrote for them, in order."""

REUSED: list[tuple[str, Wire]] = [
    ("Sales in Rome", one("query", where="city = 'Rome'")),
    ("Total for 'south'", one("query", where="region = 'south'")),
    ("Total of 'y' and 'x'", one("total", first="y", second="x")),
    ("sum 3 and 2", one("sum", a=3, b=2)),
    ("Sum  4  and 9.", one("sum", a=4, b=9)),
    ("Sum 5 and 5", one("sum", a=5, b=5)),
    ("subtract 5 from 3", one("subtract", a=3, b=5)),
    ("Total sales in 2019", one("query", where="year = 2019")),
    ("Read c.txt", one("read_file", path="c.txt")),
    ("Copy b.txt to a.txt", one("copy", source="b.txt", target="a.txt")),
    ("Convert bills.csv to xlsx", one("convert", source="bills.csv", target="bills.xlsx")),
    ("Find lines with 'a b' in x.log", one("grep", pattern="a b", path="x.log")),
    ("Find lines with 'not' in x.log", one("grep", pattern="not", path="x.log")),
    ("What is the weather in Paris", one("weather", lat=48.86, lon=2.35, label="Paris")),
    ("Fetch https://api.example.org/items", one("fetch", url="https://api.example.org/items")),
    ("Mail kim@example.org the report", one("mail", to="kim@example.org")),
    ("Add 8 and 8", one("add", a=8, b=8)),
    ("Repeat the test 3 times", LEARNED[30][1]),
]
"""Tasks that ask for the same with other values, and the plan that each must get."""

NEAR_MISSES = [
    "Sales in Germany", "Sales in December", "Total for 'widgets'", "Total for '2023'",
    "Total sales in 12", "Total sales in 20233", "Search name = 'Ada'", "Total of 'x' and y",
    "Total of 'x' or 'y'", "Total of 'x', 'y'", "Sum 2023 and 3",
    "Subtract 2 and 3", "Sum 2 from 3", "Sum 2 and 3 and 4", "Sum 2", "Sum -2 and 3", "Sum 2 and -3",
    "Sum 2.5 and 3", "Sum 2 and 3%", "Sum 2 and '3'", "Sum two and 3", "Sum 2 or 3", "Sum 2 and 3?",
    "Sum 02 and 3", "Sum 2,000 and 3", "Do not sum 2 and 3", "Sum 2 and 3 squared", "Sum $2 and 3",
    "Sum 2 and 3 and print it", "SUM 2 and 3", "Sum 2kg and 3", "Sum ${x} and 3", "Sum {int} and 3",
    "subtract 3 and 5", "subtract 3 from 5 twice", "subtract 3 from 5.0", "don't subtract 3 from 5",
    "Total sales not in 2023", "Total sales in 2023 or 2024", "Total sales before 2023",
    "Total sales since 2023", "Total sales in 2023-01-01", "Total Sales in 2020",
    "Total sales in all but 2023", "Average sales in 2023", "Total sales in 2023 by month",
    "Show the 7 oldest files", "Show the 5 newest folders", "Show the newest files",
    "Show all but the 5 newest files", "Hide the 5 newest files", "Show the 2 newest 5 files",
    "Read notes.pdf", "Read a/notes.txt", "Read /etc/notes.txt", "Read ~/notes.txt", "Read ../a.txt", "Read notes.txt aloud", "Read notes.txt and todo.txt", "Don't read notes.txt",
    "Write notes.txt", "Read everything but notes.txt", "Read notes", "Read \"notes.txt\"",
    "Copy a.txt to b.csv", "Copy a.txt to x/b.txt", "Back up a.csv to safe", "Back up in/a.csv from safe", "Copy b.txt from a.txt", "Move a.txt to b.txt", "Copy a.txt over b.txt",
    "Copy a.txt to b.txt and c.txt", "Convert x/sales.csv to xlsx", "Convert data.csv to json",
    "Convert data.csv from xlsx", "What is the weather in Oslo", "What is the weather not in Paris",
    "What is the weather in Paris tomorrow", "What was the weather in Paris",
    "What is the weather in Paris and Rome", "Find lines without 'error' in app.log",
    "Find lines with 'error' not in app.log", "Find files with 'error' in app.log",
    "Find lines with 'error' in app.txt", "Find lines with '${step}' in app.log",
    "Find lines with error in app.log", "Find lines with 'error' in every log but app.log",
    "Count lines with 'error' in app.log", "List rows where price is under 100",
    "List rows where price is not over 100", "List rows where cost is over 100",
    "List rows where price is over 100 or 200", "Delete rows where price is over 100",
    "Fetch https://evil.example.com/users", "Fetch http://api.example.org/users",
    "Fetch https://api.example.org/users.zip", "Fetch https://api.example.org/users twice",
    "Post https://api.example.org/users", "Mail bob@example.org and eve@example.org the report",
    "Mail bob@example.org no report", "Mail bob the report", "Delete the file old.txt",
    "Delete the folder old.tmp", "Delete the file named old", "Restore the file old.tmp",
    "Delete the file old.tmp if it is empty", "Delete every file but old.tmp", "Add 4 and 5",
    "Add 4 to 4", "Repeat the test 5 times", "Repeat the test 30 times", "Repeat the tests 3 times",
    "Search name = 'O''Brien'; drop table t --'", "Search name = 'x\\' or 1=1'",
    "Search name = \"Kim\"", "Search name != 'Kim'", "Search name = 'a;b'", "Search name = '${step}'",
    "Wait until the count is not 9", "Wait until the count is over 9", "Wait until the count is 9.5",
    "Wait until the count is '1 or true'", "Wait while the count is 9",
]  # fmt: skip
"""Tasks for which no learned plan is right."""
