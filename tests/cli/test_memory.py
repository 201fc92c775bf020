"""`treadle memory`, in real processes on a database of its own."""

import json
import os
import resource
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.cli.conftest import Outcome

Run = Callable[..., Outcome]


@pytest.fixture
def memory(treadle: Run) -> Run:
    """`treadle memory ...`."""

    def run(*arguments: str, **options: str | bytes) -> Outcome:
        return treadle("memory", *arguments, **options)

    return run


def database_of(environment: dict[str, str]) -> Path:
    return Path(environment["TREADLE_STATE_DIR"]) / "treadle.db"


def test_what_is_added_is_found_with_reasons(memory: Run) -> None:
    kept = memory(
        "add", "my dog is called Rex", "--actor", "Ada", "--at", "2026-03-01", "--source", "a talk",
        "--thread", "one", "--json",
    ).json  # fmt: skip
    assert kept["outcome"] == "new"
    assert kept["worked"] is True
    assert kept["outbox"] == {"waiting": 0, "dead": 0, "error": None}
    episode = kept["episode"]
    assert (episode["actor"], episode["source"], episode["thread"]) == ("Ada", "a talk", "one")
    assert episode["occurred_at"] == "2026-03-01T00:00:00+00:00"
    found = memory("search", "what is the dog called", "--json").json
    assert found["nothing_relevant"] is False
    assert episode["id"] in [hit["id"] for hit in found["hits"]]
    assert all(hit["ranks"] for hit in found["hits"])
    shown = memory("search", "what is the dog called", "--explain", "--kind", "episode")
    assert "2026-03-01  Ada: my dog is called Rex" in shown.out
    assert "lexical #1" in shown.out
    assert episode["id"] in shown.out


def test_nothing_relevant_is_said_plainly(memory: Run) -> None:
    memory("add", "my dog is called Rex", "--no-wait")
    found = memory("search", "quantum chromodynamics")
    assert (found.code, found.out) == (0, "")
    assert found.err.startswith("nothing relevant")
    document = memory("search", "quantum chromodynamics", "--json").json
    assert document["hits"] == []
    assert document["nothing_relevant"] is True
    assert document["reason"]


def test_facts_hold_at_their_time(memory: Run) -> None:
    memory("add", "I live in Paris", "--actor", "Ada", "--at", "2020-01-01")
    memory("add", "I moved to Rome", "--actor", "Ada", "--at", "2023-06-01")
    now = memory("facts", "Ada", "--predicate", "lives_in", "--json").json["facts"]
    assert [fact["object"] for fact in now] == ["Rome"]
    then = memory("facts", "Ada", "--as-of", "2021-01-01", "--json").json
    assert [fact["object"] for fact in then["facts"]] == ["Paris"]
    assert then["as_of"] == "2021-01-01"
    before = memory("facts", "Ada", "--as-of", "2019-01-01", "--json").json["facts"]
    assert before == []
    both = memory("timeline", "Ada").out.splitlines()
    assert [line.split("  ")[1] for line in both] == ["Ada lives in Paris", "Ada lives in Rome"]
    assert both[0].startswith("2020-01-01 to 2023-06-01")
    assert both[1].startswith("2023-06-01 to now")
    unknown = memory("timeline", "Ada", "--known-at", "2001-01-01", "--json").json["facts"]
    assert unknown == []


def test_a_key_is_used_once(memory: Run) -> None:
    first = memory("add", "the code is 4711", "--key", "k1", "--no-wait", "--json").json
    again = memory("add", "the code is 4711", "--key", "k1", "--no-wait", "--json").json
    assert (first["outcome"], again["outcome"]) == ("new", "duplicate")
    assert first["episode"]["id"] == again["episode"]["id"]
    assert first["worked"] is False
    other = memory("add", "another text", "--key", "k1")
    assert other.code == 2
    assert "idempotency_conflict" in other.err


def test_text_from_stdin_and_from_files(memory: Run, place: Path) -> None:
    piped = memory("add", "-", "--no-wait", "--json", stdin="said \u00fcber a pipe\n").json
    assert piped["episode"]["text"] == "said \u00fcber a pipe\n"
    read = memory("add", "--file", "a.txt", "--no-wait", "--json").json
    assert read["episode"]["text"] == "one\ntwo\nthree\n"
    assert read["episode"]["source"] == "a.txt"


@pytest.mark.parametrize(
    ("arguments", "stdin", "code"),
    [
        (["add"], b"", "bad_usage"),
        (["add", "x", "--file", "a.txt"], b"", "bad_usage"),
        (["add", ""], b"", "empty_text"),
        (["add", "-"], b"  \n", "empty_text"),
        (["add", "-"], b"\xff\xfe\x00binary", "bad_encoding"),
        (["add", "-"], b"nul \x00 byte", "bad_text"),
        (["add", "-"], b"x" * 10_000_000, "text_too_long"),
        (["add", "--file", "missing.txt"], b"", "file_not_found"),
        (["add", "--file", "."], b"", "is_a_directory"),
        (["add", "x", "--at", "yesterday-ish"], b"", "bad_date"),
        (["add", "x", "--at", "-1000-01-01"], b"", "bad_date"),
        (["add", "x", "--at", "99999-01-01"], b"", "bad_date"),
        (["add", "x", "--namespace", "a//b"], b"", "bad_namespace"),
        (["add", "x", "--tenant", "a/b"], b"", "bad_namespace"),
        (["add", "x", "--embedder", "nonsense"], b"", "bad_embedder"),
        (["add", "x", "--database", "mysql:///x"], b"", "bad_database_url"),
        (["search", "x", "--as-of", "2026-13-01"], b"", "bad_date"),
        (["search", "x", "--as-of", "2026-13"], b"", "bad_date"),
        (["facts", "--database", "sqlite:///nowhere.db"], b"", "database_not_found"),
        (
            ["forget", "--everything", "--yes", "--db", "sqlite:///nowhere.db"],
            b"",
            "database_not_found",
        ),
        (["forget", "--episode", "mem_nobody", "--yes"], b"", "unknown_episode"),
        (["facts", "--known-at", "soon"], b"", "bad_date"),
        (["forget"], b"", "bad_usage"),
        (["forget", "--subject", "x", "--everything"], b"", "bad_usage"),
        (["forget", "--subject", "Rex"], b"y\n", "unconfirmed"),
        (["forget", "--subject", "...", "--yes"], b"", "bad_subject"),
        (["export", "no/such/folder/x.jsonl"], b"", "export_failed"),
        (["import", "missing.jsonl"], b"", "import_failed"),
        (["import", "a.txt"], b"", "bad_import"),
        (["import", "-"], b"\xff\n", "bad_import"),
        (["bench", "--locomo", "a.txt"], b"", "bad_locomo_file"),
        (["bench", "--locomo", "a.txt", "--conversations", "one"], b"", "bad_usage"),
    ],
)
def test_bad_input_is_a_coded_error(
    memory: Run, arguments: list[str], stdin: bytes, code: str
) -> None:
    done = memory(*arguments, "--json", stdin=stdin)
    assert done.code == 2
    assert len(done.err.splitlines()) == 1
    assert done.err.startswith(f"error: {code}: ")
    assert done.json["error"]["code"] == code


def test_a_database_that_is_not_there_is_not_made_by_reading(memory: Run, place: Path) -> None:
    named = ("--database", f"sqlite:///{place / 'named.db'}")
    reading = (["search", "x"], ["facts"], ["timeline"], ["concepts"], ["procedures"], ["stats"],
               ["export", "x.jsonl"], ["limits"])  # fmt: skip
    for arguments in reading:
        done = memory(*arguments, *named)
        assert done.code == 2
        assert done.err.startswith("error: database_not_found: ")
    assert not (place / "named.db").exists()
    assert memory("add", "x", "--no-wait", *named).code == 0
    assert memory("stats", *named).code == 0
    # Where nobody has named one, memory is empty before anything was added.
    assert memory("facts", "--json").json["facts"] == []


def test_kinds_that_are_none_are_said_plainly(memory: Run) -> None:
    done = memory("search", "x", "--kind", "concept")
    assert done.code == 2
    assert "'concept' is not one of 'episode', 'fact'" in done.err
    assert "Value error" not in done.err


def test_limits_erase_only_what_was_agreed_to(memory: Run) -> None:
    for number in range(3):
        memory("add", f"note {number} of the loom", "--no-wait")
    refused = memory("limits", "--episodes", "1")
    assert refused.code == 2
    assert refused.err.startswith("error: unconfirmed")
    assert memory("limits", "--json").json["episodes"] is None
    assert memory("stats", "--json").json["rows"]["episode"] == 3
    # What erases nothing asks nobody.
    assert memory("limits", "--episodes", "5", "--days", "30").code == 0
    done = memory("limits", "--episodes", "1", "--yes")
    assert done.code == 0
    assert "erased: 2 episodes" in done.out
    limits = memory("limits", "--json").json
    assert (limits["episodes"], limits["days"], limits["erased"]) == (1, 30.0, {})


def test_an_embedder_that_does_not_answer_is_said(memory: Run) -> None:
    dead = ("--embedder", "http://127.0.0.1:9/v1#m")
    done = memory("add", "the loom is red", *dead)
    assert done.code == 0
    assert "model_unreachable" in done.err
    outbox = memory("add", "the loom is blue", *dead, "--json").json["outbox"]
    assert outbox["waiting"] == 2
    assert outbox["error"].startswith("model_unreachable")


def test_a_budget_that_is_too_small_is_said(memory: Run) -> None:
    memory("add", "my dog is called Rex", "--no-wait")
    done = memory("search", "what is the dog called", "--budget", "1")
    assert (done.code, done.out) == (0, "")
    assert done.err.startswith("nothing fits into 1 tokens")
    document = memory("search", "what is the dog called", "--budget", "1", "--json").json
    assert (document["nothing_relevant"], document["left_out"]) == (False, 1)


def test_what_was_exported_is_moved_to_another_namespace(memory: Run) -> None:
    memory("add", "the door code is 4711", "--namespace", "users/ada", "--no-wait")
    memory("export", "ada.jsonl", "--namespace", "users/ada")
    done = memory("import", "ada.jsonl", "--namespace", "copies/ada")
    assert "1 episode" in done.out
    hits = memory("search", "door code", "--namespace", "copies/ada", "--json").json["hits"]
    assert [hit["text"] for hit in hits] == ["the door code is 4711"]
    again = memory("import", "ada.jsonl", "--namespace", "users", "--json").json
    assert again["added"] == {}


def test_names_are_never_code(memory: Run) -> None:
    hostile = "x'); drop table episode; --"
    assert (
        memory("add", hostile, "--actor", hostile, "--thread", hostile, "--key", hostile).code == 0
    )
    assert memory("add", "other", "--namespace", "a'b;--", "--tenant", '"; drop').code == 0
    assert memory("search", '" OR * NEAR( episode:x').code == 0
    assert memory("facts", hostile, "--predicate", "drop table fact").code == 0
    found = memory("search", "drop table", "--json").json["hits"]
    assert hostile in [hit["text"] for hit in found]


def test_tenants_and_namespaces_do_not_see_each_other(memory: Run) -> None:
    memory("add", "the door code is 4711", "--tenant", "one")
    memory("add", "the door code is 1234", "--namespace", "users/ada")
    for others in (["--tenant", "two"], [], ["--namespace", "users"]):
        assert memory("search", "door code", *others, "--json").json["hits"] == []
    mine = memory("search", "door code", "--namespace", "/users/ada/", "--json").json["hits"]
    assert [hit["text"] for hit in mine if hit["kind"] == "episode"] == ["the door code is 1234"]


def test_what_is_forgotten_is_in_no_file(memory: Run, environment: dict[str, str]) -> None:
    memory("add", "Zanzibarius keeps a canary", "--actor", "Bob")
    memory("add", "the weather was fine", "--actor", "Bob")
    before = b"".join(path.read_bytes() for path in database_of(environment).parent.glob("*.db*"))
    assert b"Zanzibarius" in before
    receipt = memory("forget", "--subject", "Zanzibarius", "--reason", "asked", "--yes", "--json")
    assert receipt.code == 0
    assert receipt.json["proved"] is True
    assert receipt.json["erased"]["episode"] == 1
    assert receipt.json["proof"]["found"] == 0
    after = b"".join(path.read_bytes() for path in database_of(environment).parent.glob("*.db*"))
    assert b"anzibarius" not in after
    assert memory("search", "weather", "--json").json["hits"]
    again = memory("forget", "--subject", "Zanzibarius", "--yes")
    assert again.code == 0
    assert "there was nothing to erase" in again.out


def test_episodes_are_forgotten_by_their_ids(memory: Run) -> None:
    kept = memory("add", "the code of the safe is 90210", "--json").json["episode"]["id"]
    gone = memory("forget", "--episode", kept, "--yes")
    assert gone.code == 0
    assert "found 0" in gone.out
    assert memory("search", "code of the safe", "--json").json["hits"] == []
    again = memory("forget", "--episode", kept, "--yes")
    assert (again.code, "there was nothing to erase" in again.out) == (0, True)


def test_everything_goes_and_others_stay(memory: Run) -> None:
    memory("add", "kept by another", "--tenant", "two", "--no-wait")
    memory("add", "one", "--namespace", "a", "--no-wait")
    memory("add", "two", "--namespace", "a/b", "--no-wait")
    memory("add", "three", "--namespace", "ab", "--no-wait")
    gone = memory("forget", "--everything", "--namespace", "a", "--yes", "--json").json
    assert gone["erased"]["episode"] == 2
    assert memory("stats", "--json").json["rows"]["episode"] == 1
    assert memory("stats", "--tenant", "two", "--json").json["rows"]["episode"] == 1


def test_export_and_import_lose_nothing(memory: Run, place: Path) -> None:
    memory("add", "I live in Paris", "--actor", "Ada", "--at", "2020-01-01")
    memory("add", "the weather was fine", "--namespace", "diary")
    assert memory("export", "all.jsonl", "--json").json["bytes"] > 100
    piped = memory("export", "-")
    assert piped.out == (place / "all.jsonl").read_text("utf-8")
    there = memory("import", "all.jsonl", "--tenant", "other", "--json").json
    assert there["added"]["episode"] == 2
    assert there["present"] == {}
    again = memory("import", "-", "--tenant", "other", "--json", stdin=piped.out).json
    assert again["added"] == {}
    assert again["present"]["episode"] == 2
    facts = memory("facts", "Ada", "--tenant", "other").out
    assert facts == memory("facts", "Ada").out
    cut = piped.out[: len(piped.out) // 2]
    broken = memory("import", "-", "--tenant", "third", stdin=cut)
    assert broken.code == 2
    assert memory("stats", "--tenant", "third", "--json").json["rows"] == {}
    both = memory("export", "-", "--json")
    assert both.code == 2


def test_stats_count_what_is_there_and_what_waits(memory: Run) -> None:
    memory("add", "I live in Paris", "--actor", "Ada")
    memory("add", "I love tea", "--actor", "Ada", "--no-wait")
    stats = memory("stats", "--embedder", "hashing", "--json").json
    assert stats["rows"]["episode"] == 2
    assert stats["rows"]["fact"] == 1
    assert stats["outbox"]["waiting"] == {"extract": 1}
    assert stats["outbox"]["dead"] == {}
    assert stats["embedder"]["episode"] == {"embedded": 0, "of": 2}
    assert stats["bytes"]["treadle.db"] > 0
    shown = memory("stats").out
    assert "2 episode" in shown
    assert "no embedder: words alone" in shown


def test_terminal_escapes_are_made_harmless(memory: Run) -> None:
    text = "red \x1b[31m alert \x1b]0;owned\x07 \u202e nam\x9b"
    memory("add", text, "--actor", "E\x1bve")
    shown = memory("search", "red alert", "--explain")
    assert "\x1b" not in shown.out
    assert "\\x1b[31m alert" in shown.out
    assert "\u202e" not in shown.out
    assert memory("search", "red alert", "--json").json["hits"][0]["text"] == text


def test_a_damaged_database_is_named(memory: Run, environment: dict[str, str]) -> None:
    path = database_of(environment)
    path.parent.mkdir(parents=True)
    path.write_bytes(b"this is no database" * 1000)
    for arguments in (["search", "x"], ["add", "x"], ["stats"]):
        done = memory(*arguments)
        assert done.code == 1
        assert done.err.startswith("error: database_")
        assert str(path) in done.err
        assert len(done.err.splitlines()) <= 3


def test_a_newer_schema_is_left_alone(memory: Run, environment: dict[str, str]) -> None:
    memory("add", "x", "--no-wait")
    with sqlite3.connect(database_of(environment)) as connection:
        connection.execute("update treadle_schema set version_num = '9999'")
    connection.close()
    done = memory("add", "y")
    assert done.code == 2
    assert "database_too_new" in done.err


def test_export_puts_nothing_but_files_out_of_the_way(memory: Run, place: Path) -> None:
    os.mkfifo(place / "pipe")
    for name in ("pipe", "."):
        done = memory("export", name)
        assert done.code == 2
        assert done.err.startswith("error: export_failed: ")
    assert (place / "pipe").is_fifo()


def test_a_full_disk_is_said(memory: Run, environment: dict[str, str]) -> None:
    """As a full disk looks to SQLite: the file may not grow."""
    memory("add", "I live in Paris", "--no-wait")
    path = database_of(environment)
    size = path.stat().st_size
    text = "no room for this " * 20_000

    def limited() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))

    done = subprocess.run(
        [sys.executable, "-m", "treadle", "memory", "add", "-"],
        input=text.encode(),
        capture_output=True,
        env=environment,
        preexec_fn=limited,
        timeout=120,
    )
    assert done.returncode == 1
    assert done.stderr.startswith(b"error: database_")
    assert len(done.stderr.splitlines()) == 1
    kept = memory("search", "where do I live", "--kind", "episode", "--json").json["hits"]
    assert [hit["text"] for hit in kept] == ["I live in Paris"]


def test_bench_prints_the_figures(memory: Run, place: Path) -> None:
    turns = [
        {"speaker": "Ann", "dia_id": "D1:1", "text": "I adopted a parrot called Kiwi"},
        {"speaker": "Bob", "dia_id": "D1:2", "text": "I went to the dentist"},
        {"speaker": "Ann", "dia_id": "D1:3", "text": "The weather in Oslo was awful"},
    ]
    conversation = {
        "speaker_a": "Ann",
        "speaker_b": "Bob",
        "session_1_date_time": "1:56 pm on 8 May, 2023",
        "session_1": turns,
    }
    questions = [
        {"question": "What is Ann's parrot called?", "answer": "Kiwi", "evidence": ["D1:1"],
         "category": 4},
        {"question": "Who went to the dentist?", "adversarial_answer": "Ann", "evidence": ["D1:2"],
         "category": 5},
    ]  # fmt: skip
    sample = {"sample_id": "conv-1", "conversation": conversation, "qa": questions}
    (place / "talk.json").write_text(json.dumps([sample]), "utf-8")
    done = memory("bench", "--locomo", "talk.json", "--conversations", "0", "--json")
    assert done.code == 0
    figures = done.json
    assert list(figures) == [
        "recall", "all_at_10_multihop", "mrr", "by_category", "questions", "ranked",
    ]  # fmt: skip
    assert figures["questions"] == 1
    assert figures["recall"] == {"5": 1.0, "10": 1.0, "20": 1.0}
    assert figures["ranked"][0]["ids"][0] == "D1:1"
    table = memory("bench", "--locomo", "talk.json", "--embedder", "none").out
    assert "1.0000" in table
