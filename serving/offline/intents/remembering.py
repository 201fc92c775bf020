"""Memory: "remember that my dog is called Rex", "what is my dog called?", "forget all about Rex".

Unlike other requests these are read as they were written: what is to be remembered keeps its words.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal

from treadle.serving.offline.draft import Draft, escaped, reference, shown
from treadle.serving.offline.wording import UNREAD

_POLITE = (
    r"(?:(?:please|kindly|ok|okay|hey|also|and|then|now|can you|could you|would you|will you|"
    r"i want you to|i need you to|i'd like you to)[\s,]+){0,4}"
)
_END = r"[\s.!?,;:]*$"

_REMEMBER = re.compile(
    rf"\s*{_POLITE}(?:remember|memori[sz]e|note down|take note|keep in mind|bear in mind|"
    r"don't forget|do not forget|note|remind yourself)\b(?:\s+(?:this|the following))?"
    r"(?:\s*:\s*|\s+that\s+|\s*,\s*|\s+)(?P<text>\S.*)",
    re.IGNORECASE | re.DOTALL,
)
_FORGET = re.compile(
    rf"\s*{_POLITE}(?:forget|erase|delete|remove)\s+(?:all|everything|anything|whatever|"
    r"all (?:memories|that))(?:\s+(?:that )?(?:you (?:know|remember|have)|(?:is )?known|"
    rf"there is))?\s+(?:about|of|on)\s+(?P<subject>\S.{{0,200}}?){_END}"
    rf"|\s*{_POLITE}forget\s+about\s+(?P<short>\S.{{0,200}}?){_END}",
    re.IGNORECASE | re.DOTALL,
)
_ABOUT = re.compile(
    rf"\s*{_POLITE}(?:what|tell me what|tell me everything|tell me all)\s+(?:else\s+)?"
    r"(?:do you|can you|you)\s+(?:know|remember|recall|tell me)\s+(?:about|of)\s+"
    rf"(?P<subject>\S.{{0,200}}?){_END}",
    re.IGNORECASE | re.DOTALL,
)
_RECALL = re.compile(
    rf"\s*{_POLITE}(?:recall|do you (?:remember|know|recall)|can you (?:remember|recall)|"
    r"what (?:did|have) (?:i|we) (?:say|said|tell you|told you|mention|mentioned)|"
    r"what was (?:it )?(?:that )?i (?:said|told you)|search (?:your |my |the )?memory for|"
    r"look (?:in|into|through) (?:your |my |the )?memory for|remind me(?: of| about| what| when| "
    rf"where| who)?)\b(?P<query>.{{0,2000}}?){_END}",
    re.IGNORECASE | re.DOTALL,
)
_MY_DATE = re.compile(
    rf"\s*{_POLITE}(?:what|which|on what|at what) (?:time|day|date) (?:is|are|was|were) "
    r"(?:my|our) \S.{0,200}",
    re.IGNORECASE | re.DOTALL,
)
_QUESTION = re.compile(
    rf"\s*{_POLITE}(?P<word>what|what's|whats|who|who's|whose|when|where|where's|which|how|why|"
    r"is|are|am|do|does|did|was|were|has|have|tell me)\b(?P<rest>.*)",
    re.IGNORECASE | re.DOTALL,
)
_PERSONAL = re.compile(r"\b(?:my|mine|i|me|our|ours|we|us|i'm|i've)\b", re.IGNORECASE)
_HITS = 3
_MOST_TEXT = 20_000
_MOST_QUERY = 500

MemoryAct = Literal["remember", "recall", "about", "forget"]


@dataclass(frozen=True, slots=True)
class MemoryRequest:
    """What is asked of memory; `words` are the text, the query or the name."""

    act: MemoryAct
    words: str

    @property
    def tool(self) -> str:
        """The tool that does it."""
        return "recall_about" if self.act == "about" else self.act


def memory_request(source: str) -> MemoryRequest | None:
    """What `source` asks of memory in so many words; None where it is about something else."""
    plain = source.replace("’", "'")
    if found := _ABOUT.fullmatch(plain[:_MOST_QUERY]):
        return MemoryRequest("about", _name(found["subject"]))
    if found := _FORGET.fullmatch(plain[:_MOST_QUERY]):
        return MemoryRequest("forget", _name(found["subject"] or found["short"]))
    if found := _REMEMBER.fullmatch(plain):
        text = source[found.start("text") :].strip()
        if text.endswith("?") or len(text) > _MOST_TEXT:
            return None
        return MemoryRequest("remember", text)
    if found := _RECALL.fullmatch(plain[: 4 * _MOST_QUERY]):
        # In the words of the question: what is looked for is said in them.
        return MemoryRequest("recall", found["query"].strip(" ,:") or plain.strip())
    if _MY_DATE.fullmatch(plain[:_MOST_QUERY]):
        return MemoryRequest("recall", plain.strip())
    return None


def memory_draft(request: MemoryRequest) -> Draft:
    """The steps for `request`, and the answer."""
    draft = Draft()
    words = escaped(request.words)
    match request.act:
        case "remember":
            step = draft.step("remember", "remember", {"text": words})
            draft.say(f"I keep in mind: {reference(step, '.text')}")
        case "recall":
            step = draft.step("recall", "recall", {"query": words, "limit": _HITS})
            draft.say(f"From memory: {reference(step, '.text')}")
        case "about":
            step = draft.step("about", "recall_about", {"subject": words})
            draft.say(f"From memory: {reference(step, '.text')}")
        case "forget":
            step = draft.step("forget", "forget", {"subject": words})
            # Without the name, which would stand in the conversation again.
            draft.say(f"{reference(step, '.text')}")
    return draft


def question_to_memory(source: str, offered: Collection[str]) -> Draft | None:
    """A question that nothing else understands, looked up in memory where there is one; unless it
    is about whoever asks, with the plain word that nothing more than that can be done.
    """
    if "recall" not in offered or len(source) > _MOST_QUERY:
        return None
    plain = source.replace("’", "'").strip()
    question = _QUESTION.fullmatch(plain)
    if question is None:
        return None
    draft = Draft()
    step = draft.step("recall", "recall", {"query": escaped(plain), "limit": _HITS})
    draft.say(f"From memory: {reference(step, '.text')}")
    if _PERSONAL.search(question["rest"]) is None:
        draft.say(UNREAD)
    return draft


def is_personal(source: str) -> bool:
    """Whether `source` asks about whoever asks."""
    question = _QUESTION.fullmatch(source[:_MOST_QUERY].replace("’", "'").strip())
    return question is not None and _PERSONAL.search(question["rest"]) is not None


def _name(words: str) -> str:
    name = words.strip(" \t\n\"'“”.,;:!?")
    return name if shown(name) else words.strip()
