"""mem0, in an environment of its own: reads one job from standard input, prints its answer.

It imports nothing of Treadle. What mem0 needs a network for is turned off or replaced: messages are
kept as they are (infer=False), vectors are prepared, telemetry and its notices are off.
"""

from __future__ import annotations

import json
import os
import sys
import time
from importlib import import_module
from pathlib import Path


def main() -> None:
    """One job: "ranked", "writes" or "searches"."""
    job = json.load(sys.stdin)
    folder = Path(job["folder"])
    os.environ.update(
        MEM0_TELEMETRY="False", MEM0_DIR=str(folder), HOME=str(folder), OPENAI_API_KEY="not used",
        HTTPS_PROXY="http://127.0.0.1:9", HTTP_PROXY="http://127.0.0.1:9", HF_HUB_OFFLINE="1",
    )  # fmt: skip
    memory = _memory(folder, job.get("vectors"))
    answers = {"ranked": _ranked, "writes": _writes, "searches": _searches}
    print(json.dumps(answers[job["what"]](memory, job)))


def _memory(folder, vectors):
    from benchmarks.memory.vectors import DIMENSIONS, Prepared

    class Embedding:
        """What mem0 asks for vectors."""

        def __init__(self) -> None:
            self._prepared = Prepared(None if vectors is None else Path(vectors))

        def embed(self, text, memory_action=None):
            return self._prepared.embed([text])[0]

        def embed_batch(self, texts, memory_action=None):
            return self._prepared.embed(texts)

    store = {
        "collection_name": "bench",
        "path": str(folder / "qdrant"),
        "on_disk": True,
        "embedding_model_dims": DIMENSIONS,
    }
    memory = import_module("mem0").Memory.from_config(
        {
            "vector_store": {"provider": "qdrant", "config": store},
            "history_db_path": str(folder / "history.db"),
        }
    )
    memory.embedding_model = Embedding()
    return memory


def _ranked(memory, job):
    found = []
    for name, turns, questions in job["talks"]:
        for turn, text in turns:
            memory.add(text, user_id=name, metadata={"turn": turn}, infer=False)
        for question in questions:
            hits = memory.search(question, filters={"user_id": name}, top_k=20)["results"]
            found.append([each["metadata"]["turn"] for each in hits])
    return found


def _writes(memory, job):
    from benchmarks.memory.stopwatch import Stopwatch

    watch = Stopwatch()
    for text in job["texts"]:
        with watch.measuring():
            memory.add(text, user_id="writes", infer=False)
    return [watch.wall, watch.cpu]


def _searches(memory, job):
    from benchmarks.memory.stopwatch import Stopwatch
    from benchmarks.memory.workload import Load

    load = Load(job["items"], job["asked"], job["seed"])
    start = time.perf_counter()
    for number in range(load.items):
        memory.add(load.text(number), user_id="items", infer=False)
    filled = time.perf_counter() - start
    watch = Stopwatch()
    for query in load.queries():
        with watch.measuring():
            memory.search(query.text, filters={"user_id": "items"}, top_k=10)
    return [watch.wall, watch.cpu, filled]


if __name__ == "__main__":
    main()
