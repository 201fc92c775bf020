"""An embedder behind an OpenAI-compatible endpoint."""

from __future__ import annotations

import ipaddress
import threading
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from treadle.core.errors import ModelError
from treadle.memory.embedders.endpoint_faults import EndpointFaults, worth_another_try

if TYPE_CHECKING:
    import openai

MOST_TEXTS = 64
"""In one request."""

MOST_BYTES = 16_000
"""Of one text in UTF-8: below the 8,191 tokens that OpenAI's models take, in any script."""

_BYTES_PER_REQUEST = 200_000
_CONNECT_SECONDS = 10.0
_NO_KEY = "unused"


class EndpointEmbedder:
    """Vectors from a server, in batches; what may pass is tried again.

    model: the name that the server knows.
    base_url: of the API; it usually ends in /v1.
    dimensions: how many numbers to ask for, where the model can give fewer; None for its own.
    timeout: seconds for one request.
    attempts: how often a batch is sent, at most.
    first_wait: seconds before the second attempt; it doubles from then on, up to 4.
    """

    def __init__(
        self,
        model: str,
        base_url: str,
        api_key: str | None = None,
        *,
        dimensions: int | None = None,
        timeout: float = 60.0,
        attempts: int = 4,
        first_wait: float = 0.25,
    ) -> None:
        self.name = model
        self._base_url = base_url
        self._key = api_key or _NO_KEY
        self._dimensions = dimensions
        self._timeout = timeout
        self._attempts = attempts
        self._first_wait = first_wait
        self._faults = EndpointFaults(model, base_url, (api_key,) if api_key else ())
        self._client: openai.OpenAI | None = None
        self._lock = threading.Lock()

    def embed(self, texts: Sequence[str]) -> list[list[float]]:
        """One vector for each text. Raises ModelError with the codes of docs/errors.md."""
        return [vector for batch in _batches(texts) for vector in self._retried(batch)]

    def close(self) -> None:
        """Close the connections; the next call opens new ones."""
        with self._lock:
            client, self._client = self._client, None
        if client is not None:
            client.close()

    def _retried(self, batch: list[str]) -> list[list[float]]:
        import stamina

        for attempt in stamina.retry_context(
            on=worth_another_try,
            attempts=self._attempts,
            timeout=None,
            wait_initial=self._first_wait,
            wait_max=4.0,
            wait_jitter=self._first_wait,
        ):
            with attempt:
                return self._request(batch)
        raise AssertionError("the last attempt raises")

    def _request(self, batch: list[str]) -> list[list[float]]:
        import openai

        client = self._connected()
        try:
            reply = client.embeddings.create(
                model=self.name,
                input=batch,
                # The client would ask for base64, which not every server knows.
                encoding_format="float",
                dimensions=openai.omit if self._dimensions is None else self._dimensions,
            )
            return self._vectors(getattr(reply, "data", None), len(batch))
        except openai.APIStatusError as error:
            raise self._faults.of_status(error) from None
        except openai.APITimeoutError as error:
            raise self._faults.timeout() from error
        except openai.APIConnectionError as error:
            # What our own limits raise arrives as a cause.
            if isinstance(error.__cause__, ModelError):
                raise error.__cause__ from None
            raise self._faults.unreachable(error) from error
        except (ValueError, RecursionError) as error:
            raise self._faults.malformed(f"an unreadable reply: {error}") from error

    def _vectors(self, data: object, expected: int) -> list[list[float]]:
        """The vectors of a reply in the order of the texts, which `index` tells."""
        if not isinstance(data, list):
            raise self._faults.malformed("a reply without a list of vectors")
        found: dict[object, list[float]] = {}
        for entry in data:
            vector = getattr(entry, "embedding", None)
            if not isinstance(vector, list) or not all(
                isinstance(each, int | float) for each in vector
            ):
                raise self._faults.malformed("a vector that is no list of numbers")
            found[getattr(entry, "index", None)] = vector
        if len(data) != expected or set(found) != set(range(expected)):
            raise ModelError(
                "bad_embedding",
                f"{self._faults.where} gave {len(data)} vectors for {expected} texts, or numbers "
                "them in another way",
            )
        return [found[place] for place in range(expected)]

    def _connected(self) -> openai.OpenAI:
        with self._lock:
            if self._client is None:
                self._client = _make_client(self._base_url, self._key, self._timeout)
            return self._client


def _make_client(base_url: str, key: str, timeout: float) -> openai.OpenAI:
    """Nothing is taken from the environment but proxies, and no redirect is followed.

    A key that is meant for OpenAI must not reach another server, nor the texts.
    """
    import httpx2
    import openai

    from treadle.memory.embedders.endpoint_reply import limited

    host = urlsplit(base_url).hostname or ""
    times = httpx2.Timeout(timeout, connect=min(timeout, _CONNECT_SECONDS))
    client = openai.OpenAI(
        api_key=key,
        base_url=base_url,
        max_retries=0,
        # Compressed replies would get past the limit on their size.
        default_headers={"Accept-Encoding": "identity", "Authorization": f"Bearer {key}"},
        http_client=httpx2.Client(
            follow_redirects=False,
            trust_env=not _is_loopback(host),
            event_hooks={"response": [limited]},
            timeout=times,
        ),
        timeout=times,
    )
    if host != "api.openai.com":
        client.organization = None
        client.project = None
    return client


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _batches(texts: Sequence[str]) -> Iterator[list[str]]:
    batch: list[str] = []
    size = 0
    for text in texts:
        content = text.encode("utf-8", "replace")[:MOST_BYTES]
        if batch and (len(batch) == MOST_TEXTS or size + len(content) > _BYTES_PER_REQUEST):
            yield batch
            batch, size = [], 0
        batch.append(content.decode("utf-8", "ignore"))
        size += len(content)
    if batch:
        yield batch
