"""A function in a process of its own: what one side loads or leaves behind slows no other."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from typing import ParamSpec, TypeVar

Given = ParamSpec("Given")
Answer = TypeVar("Answer")


def alone(function: Callable[Given, Answer], *args: Given.args, **named: Given.kwargs) -> Answer:
    """What `function` gives, called in a fresh process; what it raises is raised here."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context) as pool:
        return pool.submit(function, *args, **named).result()
