"""The commands about memory: add, search, facts, timeline, concepts, procedures, and the rest."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, TypeAlias

import typer

from treadle.cli.ending import end
from treadle.cli.memory_options import (
    DEFAULT_TENANT,
    AsOf,
    EmbedderName,
    KnownAt,
    MemoryDatabase,
    MemoryOptions,
    NamespacePath,
    Tenant,
)
from treadle.cli.options import Debug, Json, list_of

memory_app = typer.Typer(
    name="memory",
    help="What is remembered: look at it, add to it, forget it.",
    no_args_is_help=True,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)

KindName: TypeAlias = Literal["episode", "fact"]
Subject = Annotated[
    str | None, typer.Argument(metavar="SUBJECT", help="Whom, or what, they are about; all.")
]
Predicate = Annotated[
    str | None, typer.Option("--predicate", metavar="NAME", help="In which respect; lives_in, say.")
]
Retired = Annotated[
    bool, typer.Option("--retired", help="Those that were replaced or turned out bad, too.")
]


@memory_app.command("add")
def add_command(
    text: Annotated[
        str | None, typer.Argument(metavar="TEXT", help="What is to be remembered; - is stdin.")
    ] = None,
    file: Annotated[
        Path | None, typer.Option("--file", metavar="FILE", help="Remember what a file says.")
    ] = None,
    actor: Annotated[str, typer.Option(metavar="NAME", help="Who said or did it.")] = "",
    source: Annotated[str, typer.Option(metavar="TEXT", help="Where it is from.")] = "",
    thread: Annotated[
        str, typer.Option(metavar="NAME", help="The conversation that it belongs to.")
    ] = "",
    at: Annotated[
        str | None, typer.Option(metavar="DATE", help="When it happened.", show_default="now")
    ] = None,
    key: Annotated[
        str | None,
        typer.Option(metavar="KEY", help="The same text with the same key is kept once."),
    ] = None,
    wait: Annotated[
        bool,
        typer.Option("--wait/--no-wait", help="Work out facts and vectors before returning."),
    ] = True,
    namespace: NamespacePath = "",
    tenant: Tenant = DEFAULT_TENANT,
    embedder: EmbedderName = None,
    database: MemoryDatabase = None,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Remember a text; it is durable when this returns. Prints the id of the episode."""
    from treadle.cli.memory_add_command import Addition, add

    options = MemoryOptions(namespace, tenant, database, embedder, json, debug)
    addition = Addition(text, file, actor, source, thread, at, key, wait)
    end(options.common, lambda: add(addition, options))


@memory_app.command("search")
def search_command(
    query: Annotated[str, typer.Argument(metavar="QUERY", help="In your own words.")],
    k: Annotated[
        int, typer.Option("-k", "--limit", min=1, max=1000, help="How many hits at most.")
    ] = 10,
    kind: Annotated[
        KindName | None,
        typer.Option("--kind", help="Only these.", show_default="episodes and facts"),
    ] = None,
    budget: Annotated[
        int | None,
        typer.Option("--budget", min=1, metavar="TOKENS", help="What they may take in a prompt."),
    ] = None,
    explain: Annotated[
        bool, typer.Option("--explain", help="Say of each hit which signals found it.")
    ] = False,
    as_of: AsOf = None,
    known_at: KnownAt = None,
    namespace: NamespacePath = "",
    tenant: Tenant = DEFAULT_TENANT,
    embedder: EmbedderName = None,
    database: MemoryDatabase = None,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Recall what bears on a query, the best first; or say that nothing does."""
    from treadle.cli.memory_read_command import Asked, Search, search

    options = MemoryOptions(namespace, tenant, database, embedder, json, debug)
    given = Search(query, k, () if kind is None else (kind,), budget, explain)
    end(options.common, lambda: search(given, Asked(as_of, known_at), options))


@memory_app.command("facts")
def facts_command(
    subject: Subject = None,
    predicate: Predicate = None,
    as_of: AsOf = None,
    known_at: KnownAt = None,
    namespace: NamespacePath = "",
    tenant: Tenant = DEFAULT_TENANT,
    database: MemoryDatabase = None,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """List what holds."""
    from treadle.cli.memory_read_command import Asked, facts

    options = MemoryOptions(namespace, tenant, database, json=json, debug=debug)
    end(options.common, lambda: facts(subject, predicate, Asked(as_of, known_at), options))


@memory_app.command("timeline")
def timeline_command(
    subject: Subject = None,
    predicate: Predicate = None,
    known_at: KnownAt = None,
    namespace: NamespacePath = "",
    tenant: Tenant = DEFAULT_TENANT,
    database: MemoryDatabase = None,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """List what has ever held, in the order in which it began."""
    from treadle.cli.memory_read_command import Asked, timeline

    options = MemoryOptions(namespace, tenant, database, json=json, debug=debug)
    end(options.common, lambda: timeline(subject, predicate, Asked(None, known_at), options))


@memory_app.command("concepts")
def concepts_command(
    retired: Retired = False,
    namespace: NamespacePath = "",
    tenant: Tenant = DEFAULT_TENANT,
    database: MemoryDatabase = None,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """List what runs taught: what worked, and warnings."""
    from treadle.cli.memory_read_command import concepts

    options = MemoryOptions(namespace, tenant, database, json=json, debug=debug)
    end(options.common, lambda: concepts(retired, options))


@memory_app.command("procedures")
def procedures_command(
    retired: Retired = False,
    namespace: NamespacePath = "",
    tenant: Tenant = DEFAULT_TENANT,
    database: MemoryDatabase = None,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """List plans that worked, with how often they did."""
    from treadle.cli.memory_read_command import procedures

    options = MemoryOptions(namespace, tenant, database, json=json, debug=debug)
    end(options.common, lambda: procedures(retired, options))


@memory_app.command("forget")
def forget_command(
    subject: Annotated[
        str | None, typer.Option("--subject", metavar="NAME", help="All that says this name.")
    ] = None,
    episode: Annotated[
        list[str] | None,
        typer.Option("--episode", metavar="ID", help="An episode, and what follows from it."),
    ] = None,
    everything: Annotated[
        bool, typer.Option("--everything", help="The namespace, with all below it.")
    ] = False,
    reason: Annotated[str, typer.Option(help="Why; it is kept, without the names.")] = "",
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    namespace: NamespacePath = "",
    tenant: Tenant = DEFAULT_TENANT,
    database: MemoryDatabase = None,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Erase for good, here and in recorded runs, and prove it; asks before.

    Exit codes: 0 nothing of it was found afterwards; 1 something was, or the answer was no.
    """
    from treadle.cli.memory_forget_command import Doom, forget

    options = MemoryOptions(namespace, tenant, database, json=json, debug=debug)
    doom = Doom(subject, list_of(episode), everything, reason, yes)
    end(options.common, lambda: forget(doom, options))


@memory_app.command("export")
def export_command(
    file: Annotated[str, typer.Argument(metavar="FILE", help="Where to; - is stdout.")],
    embeddings: Annotated[
        bool, typer.Option("--embeddings/--no-embeddings", help="Whether vectors come along.")
    ] = True,
    namespace: NamespacePath = "",
    tenant: Tenant = DEFAULT_TENANT,
    database: MemoryDatabase = None,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Write memory as lines of JSON that lose nothing."""
    from treadle.cli.memory_carry_command import export

    options = MemoryOptions(namespace, tenant, database, json=json, debug=debug)
    end(options.common, lambda: export(file, embeddings, options))


@memory_app.command("import")
def import_command(
    file: Annotated[str, typer.Argument(metavar="FILE", help="What export wrote; - is stdin.")],
    namespace: NamespacePath = "",
    tenant: Tenant = DEFAULT_TENANT,
    database: MemoryDatabase = None,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Add what export wrote; what is there already is left as it is.

    With --namespace it is moved there, unless it was exported from there or below.
    """
    from treadle.cli.memory_carry_command import import_

    options = MemoryOptions(namespace, tenant, database, json=json, debug=debug)
    end(options.common, lambda: import_(file, options))


@memory_app.command("stats")
def stats_command(
    namespace: NamespacePath = "",
    tenant: Tenant = DEFAULT_TENANT,
    embedder: EmbedderName = None,
    database: MemoryDatabase = None,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Count what is there, what is still to be worked out, and what could not be."""
    from treadle.cli.memory_stats_command import stats

    options = MemoryOptions(namespace, tenant, database, embedder, json, debug)
    end(options.common, lambda: stats(options))


@memory_app.command("limits")
def limits_command(
    episodes: Annotated[
        int | None, typer.Option(metavar="N", help="How many are kept; -1 is no limit.")
    ] = None,
    size: Annotated[
        int | None, typer.Option("--bytes", metavar="N", help="Of their texts; -1 is no limit.")
    ] = None,
    days: Annotated[
        float | None, typer.Option(metavar="N", help="How long they are kept; -1 is no limit.")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    namespace: NamespacePath = "",
    tenant: Tenant = DEFAULT_TENANT,
    database: MemoryDatabase = None,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Show how much of a namespace is kept, or change it; the least useful goes first.

    It asks before anything goes. Exit codes: 0 as asked; 1 the answer was no.
    """
    from treadle.cli.memory_limits_command import limits

    options = MemoryOptions(namespace, tenant, database, json=json, debug=debug)
    end(options.common, lambda: limits(episodes, size, days, yes, options))


@memory_app.command("salvage")
def salvage_command(
    path: Annotated[Path, typer.Argument(metavar="FILE", help="A damaged SQLite database.")],
    out: Annotated[Path, typer.Argument(metavar="OUT", help="The new one; it must not be there.")],
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Save what can still be read of a damaged database, runs included, into a new one."""
    from treadle.cli.memory_limits_command import salvage

    options = MemoryOptions(json=json, debug=debug)
    end(options.common, lambda: salvage(path, out, json))


@memory_app.command("bench")
def bench_command(
    locomo: Annotated[
        Path, typer.Option("--locomo", metavar="FILE", help="The conversations, .json or .json.gz.")
    ],
    conversations: Annotated[
        str | None,
        typer.Option(metavar="I,J", help="Which of them, from 0.", show_default="all"),
    ] = None,
    embedder: EmbedderName = None,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Measure recall on LoCoMo's questions: how many evidence turns are found."""
    from treadle.cli.memory_bench_command import bench

    options = MemoryOptions(embedder=embedder, json=json, debug=debug)
    end(options.common, lambda: bench(locomo, conversations, options))


def register(app: typer.Typer) -> None:
    """Add the commands to `app`."""
    app.add_typer(memory_app)
