"""What became of an attack, judged by what the host has seen."""

from __future__ import annotations

import json

from treadle.tools.sandbox.attacks.report import Verdict, printable
from treadle.tools.sandbox.attacks.trial import Trial
from treadle.tools.sandbox.contract import SandboxResult


def verdict_of(trial: Trial) -> tuple[Verdict, str]:
    """What became of the attack, and why."""
    if seen := breaches_of(trial):
        return Verdict.BREACHED, "; ".join(seen)
    attack, result = trial.attack, trial.result
    if trial.error is not None:
        if attack.may_refuse:
            return Verdict.HELD, f"refused: {printable(trial.error.message)}"
        return Verdict.UNCLEAR, printable(str(trial.error))
    if result is None:
        return Verdict.UNCLEAR, "there is no result"
    if attack.may_refuse and result.status == "refused":
        return Verdict.HELD, printable(result.reason)
    if result.status == "refused":
        return Verdict.UNCLEAR, f"it was refused: {printable(result.reason)}"
    if attack.command is not None:
        return Verdict.HELD, printable(result.reason)
    if attack.silenced and result.status in ("killed", "timeout"):
        return Verdict.HELD, printable(result.reason)
    if not _word(trial, "began"):
        return Verdict.UNCLEAR, f"it never began: {_told(result)}"
    if result.status == "error" and not _word(trial, "ended"):
        return Verdict.UNCLEAR, f"the attack failed by itself: {_told(result)}"
    return Verdict.HELD, ""


def breaches_of(trial: Trial) -> list[str]:
    """Everything that speaks for a breach, in words; nothing if it held."""
    seen = [*_said(trial), *trial.evidence, *trial.watched]
    for each in (trial.result, trial.later):
        if each is not None and trial.secret in _everything(each):
            seen.append("the host's secret came out")
    if trial.left:
        seen.append(f"{trial.left} processes outlived the call")
    seen += [each for each in (trial.failure, trial.victim) if each]
    later = trial.later
    if trial.attack.then and trial.result is not None and (later is None or later.status != "ok"):
        seen.append(f"an innocent execution after it failed: {_told(later)}")
    if more := trial.attack.breached(trial):
        seen.append(more)
    return [printable(each) for each in dict.fromkeys(seen)]


def _said(trial: Trial) -> list[str]:
    """What the attack itself reports as gained."""
    mark = f"@got {trial.nonce} "
    texts = [each.stdout for each in (trial.result, trial.later) if each is not None]
    return [line.partition(mark)[2] for text in texts for line in text.splitlines() if mark in line]


def _word(trial: Trial, word: str) -> bool:
    """Whether the code came to the point where it says `word`."""
    return trial.result is not None and f"@{word} {trial.nonce}" in trial.result.stdout


def _everything(result: SandboxResult) -> str:
    files = " ".join(content.decode("latin-1") for content in result.files.values())
    value = json.dumps(result.value, default=str)
    return f"{result.stdout} {result.stderr} {result.reason} {value} {files}"


def _told(result: SandboxResult | None) -> str:
    if result is None:
        return "no result"
    last = result.stderr.strip().splitlines()[-1:] or [""]
    return f"{result.status} ({result.exit_code}) {result.reason} {last[0]}".strip()
