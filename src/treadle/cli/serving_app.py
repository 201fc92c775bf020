"""The commands about serving models: engine, route, sim."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from treadle.cli.options import Debug, Json


def engine_command(
    model: Annotated[
        str, typer.Argument(metavar="MODEL", help="A model as vLLM names it, or a folder.")
    ],
    flags: Annotated[
        list[str] | None,
        typer.Argument(metavar="FLAGS", help="Handed on to vLLM's server as they are."),
    ] = None,
    debug: Debug = False,
) -> None:
    """Serve a model with vLLM and keep programs' KV caches warm."""
    from treadle.cli.engine_command import run_engine_command

    raise typer.Exit(run_engine_command(model, flags or [], debug=debug))


def route_command(
    engines: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="ENGINE...",
            help="URL for any OpenAI-compatible server, or vllm:URL, treadle:URL (vLLM with "
            "Treadle's plugin), sglang:URL, dynamo:URL, openai:URL.",
        ),
    ] = None,
    config: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Engines, rules, tenants, limits: TOML or JSON."),
    ] = None,
    host: Annotated[str, typer.Option(help="The address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 for any that is free.")] = 8080,
    kv_tokens: Annotated[
        int | None,
        typer.Option(
            min=1, help="KV pool of each engine.", show_default="asked from vLLM, else 100,000"
        ),
    ] = None,
    max_in_flight: Annotated[
        int | None,
        typer.Option(min=1, help="Calls sent to each engine at once.", show_default="64"),
    ] = None,
    policy: Annotated[
        str | None,
        typer.Option(help="treadle, or vllm: first come, first served.", show_default="treadle"),
    ] = None,
    key_env: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="The environment variable with the key to ask for."),
    ] = None,
    debug: Debug = False,
) -> None:
    """Route calls to one or more engines, the programs' KV caches in mind."""
    from treadle.cli.route_command import RouteOptions, run_route_command

    options = RouteOptions(
        tuple(engines or ()), config, host, port, kv_tokens, max_in_flight, policy, key_env
    )
    raise typer.Exit(run_route_command(options, debug=debug))


def sim_command(
    trace: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Programs as JSON lines, plain or gzip."),
    ] = None,
    programs: Annotated[
        int | None,
        typer.Option(help="Generate so many programs instead.", show_default="100"),
    ] = None,
    policy: Annotated[
        str, typer.Option(metavar="NAME,...", help="The policies to compare.")
    ] = "vllm,continuum,treadle",
    programs_per_second: Annotated[
        float | None, typer.Option(help="Open loop: programs arrive at this rate.")
    ] = None,
    concurrency: Annotated[
        int | None,
        typer.Option(help="Closed loop: so many programs at any time.", show_default="16"),
    ] = None,
    seed: Annotated[
        str, typer.Option(metavar="N,...", help="Results of several seeds are pooled.")
    ] = "0",
    engine: Annotated[
        str, typer.Option(help="fast: a model of vLLM; vllm: vLLM's own scheduler.")
    ] = "fast",
    cpu_tier_gb: Annotated[float, typer.Option(help="CPU memory for KV, in 10^9 bytes.")] = 0.0,
    pool_tokens: Annotated[int, typer.Option(help="GPU memory for KV, in tokens.")] = 397_000,
    kv_bytes: Annotated[int, typer.Option(help="KV of a token, in bytes.")] = 131_072,
    step_tokens: Annotated[int, typer.Option(help="Tokens computed in a step.")] = 8_192,
    max_running: Annotated[int, typer.Option(help="Calls that run at once.")] = 256,
    block_tokens: Annotated[int, typer.Option(help="Tokens of a block of KV.")] = 16,
    parameters: Annotated[float, typer.Option(help="Of the model.")] = 8.03e9,
    layers: Annotated[int, typer.Option(help="Of the model.")] = 32,
    width: Annotated[int, typer.Option(help="Of the model's layers.")] = 4_096,
    flops: Annotated[float, typer.Option(help="Operations a second of prefill.")] = 0.55 * 989e12,
    bandwidth: Annotated[float, typer.Option(help="Bytes a second of decoding.")] = 0.8 * 3.35e12,
    overhead_seconds: Annotated[float, typer.Option(help="What a step takes beside.")] = 0.001,
    cpu_bandwidth: Annotated[float, typer.Option(help="Bytes a second from CPU memory.")] = 50e9,
    plot: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Draw the results: .html or .png.")
    ] = None,
    write_trace: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write the first seed's programs.")
    ] = None,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Try scheduling policies on agent programs, without a GPU."""
    from treadle.cli.sim_command import SimOptions, run_sim_command
    from treadle.serving.simulator.hardware import Hardware

    hardware = Hardware(
        pool_tokens, kv_bytes, step_tokens, max_running, block_tokens, parameters, layers, width,
        flops, bandwidth, overhead_seconds, 0, cpu_bandwidth,
    )  # fmt: skip
    options = SimOptions(
        hardware, trace, programs, policy, programs_per_second, concurrency, seed, engine,
        cpu_tier_gb, plot, write_trace,
    )  # fmt: skip
    raise typer.Exit(run_sim_command(options, json=json, debug=debug))


def register(app: typer.Typer) -> None:
    """Add the commands to `app`."""
    # What follows MODEL is vLLM's, --help included.
    app.command(
        "engine",
        context_settings={"allow_interspersed_args": False, "help_option_names": ["--help"]},
    )(engine_command)
    app.command("route")(route_command)
    app.command("sim")(sim_command)
