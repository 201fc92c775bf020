"""The words that the offline stand-in knows."""

from __future__ import annotations

from typing import Final

EXTENSIONS: Final[dict[str, tuple[str, ...]]] = {
    "python": ("py",),
    "py": ("py",),
    "markdown": ("md",),
    "md": ("md",),
    "text": ("txt",),
    "txt": ("txt",),
    "plaintext": ("txt",),
    "csv": ("csv",),
    "tsv": ("tsv",),
    "json": ("json",),
    "jsonl": ("jsonl",),
    "ndjson": ("ndjson",),
    "parquet": ("parquet",),
    "yaml": ("y*ml",),
    "yml": ("yml",),
    "toml": ("toml",),
    "ini": ("ini",),
    "xml": ("xml",),
    "html": ("htm*",),
    "css": ("css",),
    "log": ("log",),
    "rst": ("rst",),
    "javascript": ("js",),
    "js": ("js",),
    "typescript": ("ts",),
    "ts": ("ts",),
    "rust": ("rs",),
    "rs": ("rs",),
    "go": ("go",),
    "golang": ("go",),
    "java": ("java",),
    "shell": ("sh",),
    "bash": ("sh",),
    "sh": ("sh",),
    "sql": ("sql",),
    "c++": ("[ch]pp",),
    "cpp": ("cpp",),
    "notebook": ("ipynb",),
    "jupyter": ("ipynb",),
    "ipynb": ("ipynb",),
    "png": ("png",),
    "jpg": ("jp*g",),
    "jpeg": ("jp*g",),
    "gif": ("gif",),
    "svg": ("svg",),
    "image": ("png", "jp*g", "gif", "svg", "webp"),
    "picture": ("png", "jp*g", "gif", "svg", "webp"),
    "photo": ("png", "jp*g", "gif", "webp"),
    "pdf": ("pdf",),
    "zip": ("zip",),
    "bin": ("bin",),
}
"""Words for kinds of files, and the extensions they mean, as the last part of a pattern."""

AMBIGUOUS_KINDS: Final = frozenset(
    {"text", "log", "go", "bash", "shell", "sh", "image", "c++", "sql"}
)
"""Kinds whose word means something else unless a file noun stands beside it."""

TABLE_EXTENSIONS: Final = frozenset({"csv", "tsv", "json", "jsonl", "ndjson", "parquet"})

FILE_NOUNS: Final = frozenset({"file", "document", "doc", "script", "module", "source", "page"})

DOMAINS: Final = frozenset({"com", "org", "net", "io", "dev", "edu", "gov", "info", "test"})

MEASURES: Final[dict[str, str]] = {
    "line": "lines",
    "loc": "lines",
    "linecount": "lines",
    "word": "words",
    "wordcount": "words",
    "wordier": "words",
    "wordiest": "words",
    "character": "characters",
    "char": "characters",
    "letter": "characters",
    "byte": "bytes",
    "size": "bytes",
    "filesize": "bytes",
    "kb": "bytes",
    "mb": "bytes",
    "big": "bytes",
    "bigger": "bytes",
    "biggest": "bytes",
    "large": "bytes",
    "larger": "bytes",
    "largest": "bytes",
    "small": "bytes",
    "smaller": "bytes",
    "smallest": "bytes",
    "heavier": "bytes",
    "heaviest": "bytes",
    "lighter": "bytes",
    "lightest": "bytes",
    "space": "bytes",
    "newer": "modified",
    "newest": "modified",
    "older": "modified",
    "oldest": "modified",
    "latest": "modified",
    "recent": "modified",
    "recently": "modified",
    "modified": "modified",
    "changed": "modified",
    "edited": "modified",
    "updated": "modified",
    "sentence": "sentences",
}
"""Words for what a file can be measured by, and the field of `file_statistics` they mean."""

SIZES: Final = frozenset(
    {"big", "bigger", "biggest", "large", "larger", "largest", "small", "smaller", "smallest",
     "heavier", "heaviest", "lighter", "lightest"}
)  # fmt: skip
"""Words that mean bytes only where no other measure is named."""

LENGTHS: Final = frozenset({"long", "longer", "longest", "short", "shorter", "shortest", "length"})
"""Words for length, in the unit that suits what is compared."""

ASCENDING: Final = frozenset(
    {
        "shortest", "shorter", "smallest", "smaller", "fewest", "fewer", "least", "less", "lowest",
        "lower", "minimum", "oldest", "older", "ascending", "increasing", "asc", "lightest",
        "lighter", "cheapest", "worst", "bottom", "youngest",
    }
)  # fmt: skip

DESCENDING: Final = frozenset(
    {
        "longest", "longer", "largest", "larger", "biggest", "bigger", "most", "more", "highest",
        "higher", "maximum", "newest", "newer", "latest", "descending", "decreasing", "desc",
        "heaviest", "heavier", "best", "top", "greatest", "greater", "recent", "wordiest",
        "wordier",
    }
)  # fmt: skip

RANKING: Final = frozenset(
    {"rank", "ranked", "ranking", "sort", "sorted", "order", "ordered", "compare", "compared",
     "comparison", "top", "bottom", "versus", "vs", "biggest", "leaderboard"}
)  # fmt: skip

NUMBERS: Final[dict[str, int]] = {
    "zero": 0, "one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7,
    "eight": 8, "nine": 9, "ten": 10, "eleven": 11, "twelve": 12, "thirteen": 13, "fourteen": 14,
    "fifteen": 15, "sixteen": 16, "seventeen": 17, "eighteen": 18, "nineteen": 19, "twenty": 20,
    "thirty": 30, "forty": 40, "fifty": 50, "sixty": 60, "seventy": 70, "eighty": 80,
    "ninety": 90, "dozen": 12, "hundred": 100, "thousand": 1000, "million": 1000000,
}  # fmt: skip

VERBS: Final = frozenset(
    {
        "add", "aggregate", "analyse", "analyze", "calculate", "calc", "check", "compare",
        "compute", "condense", "contrast", "count", "describe", "determine", "diff", "display",
        "divide", "download", "evaluate", "extract", "fetch", "figure", "find", "get", "give",
        "grep", "group", "list", "locate", "look", "measure", "multiply", "name", "open", "order",
        "output", "pick", "print", "rank", "read", "report", "retrieve", "return",
        "scan", "search", "see", "show", "solve", "sort", "subtract", "sum", "summarise",
        "summarize", "tally", "tell", "total", "view", "work", "write", "enumerate", "identify",
        "load", "produce", "explain", "tldr", "tl_dr", "cat", "head", "tail", "average", "recap",
        "shorten", "outline", "convert", "translate", "delete", "remove", "send", "create", "make",
        "book", "play", "draw", "install", "run", "execute", "rename", "move", "copy", "email",
        "crawl", "visit", "browse", "inspect", "profile", "verify", "digest", "do", "repeat",
        "double", "halve", "square", "plot", "say", "buy", "sing", "edit", "replace",
        "generate", "build", "deploy", "remind", "schedule", "commit", "push", "post", "upload",
        "remember", "recall", "forget", "memorise", "memorize",
    }
)  # fmt: skip
"""Verbs that a request starts with; those we cannot serve are here to be told apart."""

QUESTIONS: Final = frozenset(
    {"what", "which", "how", "who", "when", "where", "why", "is", "are", "does", "do", "did",
     "has", "have", "was", "were", "whats", "compared"}
)  # fmt: skip

FILLERS: Final = frozenset(
    {
        "please", "kindly", "can", "could", "would", "will", "you", "then", "also", "and", "next",
        "finally", "lastly", "first", "firstly", "second", "secondly", "third", "thirdly",
        "afterwards", "after", "that", "i", "we", "want", "need", "like", "to", "know", "just",
        "now", "additionally", "furthermore", "moreover", "besides", "plus", "let", "lets", "us",
        "me", "hey", "hi", "hello", "ok", "okay", "so", "id", "i'd", "i'm", "help", "thanks",
        "thank", "well", "as", "too", "again", "quickly", "briefly", "try", "should", "must",
        "go", "ahead", "treadle", "curious", "am", "wondering", "wonder", "all", "right", "but",
        "or", "may", "might", "using", "dear", "good", "morning", "the", "a", "an", "let's",
        "meanwhile", "parallel", "in", "at", "same", "time", "once", "done", "oh", "yes", "no",
        "great", "cheers", "afterward", "of", "for", "it", "both", "everything", "here",
    }
)  # fmt: skip
"""Words that carry no request of their own."""

OPENERS: Final = frozenset(
    {
        "please", "kindly", "can", "could", "would", "will", "you", "then", "also", "and", "next",
        "finally", "lastly", "first", "firstly", "second", "secondly", "third", "thirdly",
        "afterwards", "i", "we", "want", "need", "like", "to", "know", "just", "now", "i'd",
        "additionally", "furthermore", "moreover", "besides", "plus", "hey", "hi", "hello", "ok",
        "okay", "so", "but", "oh", "well", "should", "must", "let", "lets", "let's", "us",
        "quickly", "briefly", "help", "me", "go", "ahead", "try", "treadle", "wonder", "wondering",
        "am", "curious", "do", "after", "that", "id", "using", "or", "love", "i'm", "today's",
    }
)  # fmt: skip
"""Words that may stand before a request's first word."""

ANAPHORA: Final = frozenset(
    {"it", "its", "them", "they", "their", "each", "these", "those", "this", "both", "that",
     "result", "all", "one", "same", "every"}
)  # fmt: skip

PREPARATIONS: Final = frozenset(
    {"fetch", "read", "open", "load", "download", "get", "retrieve", "visit", "browse", "take",
     "crawl", "look", "consider", "given"}
)  # fmt: skip
"""Verbs of a request that may only prepare the one after it ("read a.txt and summarise it")."""

STOP_WORDS: Final = frozenset(
    {"the", "a", "an", "of", "in", "on", "at", "to", "for", "by", "and", "or", "is", "are", "was",
     "be", "with", "from", "that", "this", "these", "those", "it", "its", "as", "all", "every",
     "each", "any", "my", "our", "your", "their", "which", "what", "how", "there", "here", "do",
     "does", "have", "has", "had", "me", "per", "into", "than", "then", "please", "you", "i", "we",
     "file", "under", "inside", "within", "using", "via", "about", "not", "no", "but", "if",
     "can", "could", "would", "both", "them", "they", "parallel", "total", "order", "terms",
     "ascending", "descending", "case", "detail", "full", "general", "one", "two",
     "three", "sentence", "line", "word", "short", "common", "addition", "between", "most"}
)  # fmt: skip
"""Words that name no folder, no column and nothing to search for."""


def singular(word: str) -> str:
    """`word` without a plural ending, as far as spelling tells."""
    if word in {"this", "is", "was", "does", "has", "its", "vs", "us", "js", "ts", "rs", "less",
                "always", "status", "address", "class", "access", "process", "css", "yes", "as",
                "sales", "bus", "gas", "plus", "minus", "times", "whats"}:  # fmt: skip
        return word
    if len(word) > 4 and word.endswith("ies"):
        return word[:-3] + "y"
    if len(word) > 4 and word.endswith(("sses", "shes", "ches", "xes")):
        return word[:-2]
    if len(word) > 2 and word.endswith("s") and not word.endswith("ss"):
        return word[:-1]
    return word
