"""Any server that speaks the OpenAI chat protocol, through the `openai` client."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, cast
from weakref import WeakKeyDictionary

from treadle.core.chat import ChatDelta, ChatRequest
from treadle.core.errors import ConfigError, ModelError
from treadle.core.threads import run_in_thread
from treadle.serving.addresses import OPENAI_URL, api_url
from treadle.serving.faults import (
    LONGEST_RETRY_AFTER,
    Faults,
    RateLimited,
    limit_too_large,
    refused_field,
)
from treadle.serving.hints import EXTENSIONS, Backend
from treadle.serving.program_end import ProgramEndSignal
from treadle.serving.reply_reader import ReplyReader
from treadle.serving.request_body import Dialect, RequestBody

if TYPE_CHECKING:
    import openai
    from openai.types.chat import ChatCompletionChunk

_END = object()
_ATTEMPTS = 3
_USAGE_SECONDS = 2.0
OLLAMA_KEY = "ollama"
"""The key that Ollama's own documentation tells everybody to send."""

_RETRIED = frozenset(
    {"model_unreachable", "model_rate_limited", "model_server_error", "model_stream_cut"}
)


class OpenAIModel:
    """A `ChatModel` behind an OpenAI-compatible API: OpenAI, vLLM, Ollama, SGLang and others.

    name: how events and messages name it, as `provider:model`.
    model: the model's name on the server; None asks the server once and takes its first.
    base_url: with the `/v1` at its end; None for OpenAI itself.
    api_key: None where the server wants none. It never shows up in a message.
    backend: which extras the server is known to take (see `hint_fields`).
    structured_output: whether it takes a JSON schema as `response_format`. Where it does not, the
        schema goes into the prompt; where it turns out not to, likewise from then on, with a
        warning in the log `treadle.serving`.
    default_headers: sent with every request; treated as secrets in messages.

    Before the first delta, a lost connection, a rate limit and a server's failure are retried,
    three attempts in all, unless the server asks to wait longer than 20 s. After it, nothing is.

    Raises ConfigError: `bad_model` for an address that is none, `bad_api_key` for a key or header
    that cannot be sent.
    """

    def __init__(
        self,
        name: str,
        *,
        model: str | None,
        base_url: str | None = None,
        api_key: str | None = None,
        backend: Backend = "compatible",
        structured_output: bool = True,
        default_headers: Mapping[str, str] | None = None,
    ) -> None:
        self._name = name
        self._model = model
        self._base_url = api_url(base_url or OPENAI_URL)
        self._api_key = _sendable(api_key or "", "the API key") or None
        self._headers = {
            each: _sendable(value, f"the header '{each}'")
            for each, value in (default_headers or {}).items()
        }
        self._dialect = Dialect(backend, structured_output)
        self._end_signal = ProgramEndSignal(self._base_url) if backend == "vllm" else None
        secrets = [self._api_key or "", *self._headers.values()]
        # Whoever echoes a header echoes the longest first, or a part of it would remain.
        secrets = sorted(
            {each for each in secrets if len(each) >= 4 and each != OLLAMA_KEY},
            key=len,
            reverse=True,
        )
        self._faults = Faults(name, self._base_url, tuple(secrets))
        # Connections belong to the event loop that opened them.
        self._clients: WeakKeyDictionary[asyncio.AbstractEventLoop, openai.AsyncOpenAI]
        self._clients = WeakKeyDictionary()

    @property
    def name(self) -> str:
        """How events and reports name the model."""
        return self._name

    @property
    def base_url(self) -> str:
        """Where the server is."""
        return self._base_url

    @property
    def backend(self) -> Backend:
        """What kind of server it is."""
        return self._dialect.backend

    @property
    def structured_output(self) -> bool:
        """Whether schemas are sent as `response_format`; turns False when the server refuses."""
        return self._dialect.structured_output

    @property
    def refused_fields(self) -> frozenset[str]:
        """The optional fields that the server refused and that are no longer sent."""
        return frozenset(self._dialect.refused)

    async def stream(self, request: ChatRequest) -> AsyncIterator[ChatDelta]:
        """Stream the reply. Raises ModelError with the codes of docs/errors.md."""
        reply, first = await self._begun(request)
        async with aclosing(reply):
            yield first
            async for delta in reply:
                yield delta

    async def _begun(
        self, request: ChatRequest
    ) -> tuple[AsyncGenerator[ChatDelta, None], ChatDelta]:
        """A reply and its first delta, after as many attempts as it takes."""
        import stamina

        async for attempt in stamina.retry_context(
            on=_wait_before_retry,
            attempts=_ATTEMPTS,
            timeout=None,
            wait_initial=0.25,
            wait_max=2.0,
            wait_jitter=0.25,
        ):
            with attempt:
                reply = self._reply(request)
                return reply, await anext(reply)
        raise AssertionError("the last attempt raises")

    async def prepare(self) -> None:
        """Make the client ready, which the first call does otherwise. Nothing is contacted."""
        await self._client()

    async def list_models(self) -> tuple[str, ...]:
        """The names of the models that the server has. Raises ModelError."""
        client = await self._client()
        # Not before: making the client has imported it, in a thread.
        import openai

        try:
            page = await client.models.list()
        except openai.APIStatusError as error:
            raise self._faults.of_status(error) from None
        except openai.APITimeoutError as error:
            raise self._faults.timeout() from error
        except openai.APIConnectionError as error:
            raise self._faults.unreachable(error) from error
        except (ValueError, RecursionError) as error:
            raise self._faults.malformed(f"an unreadable list of models: {error}") from error
        listed = getattr(page, "data", None)
        names = [getattr(each, "id", None) for each in listed] if isinstance(listed, list) else []
        return tuple(each for each in names if isinstance(each, str))

    async def program_ended(self, program_id: str) -> None:
        """Tell the server that a program is over, where it may run our scheduler; never raises.

        Off the way of what matters: one short request; see `ProgramEndSignal`.
        """
        if self._end_signal is not None and self._end_signal.wanted:
            await self._end_signal.send(await self._client(), program_id)

    async def aclose(self) -> None:
        """Close the connections of this event loop."""
        client = self._clients.pop(asyncio.get_running_loop(), None)
        if client is not None:
            await client.close()

    async def _client(self) -> openai.AsyncOpenAI:
        loop = asyncio.get_running_loop()
        client = self._clients.get(loop)
        if client is None:
            made = await run_in_thread(self._make_client)
            client = self._clients.setdefault(loop, made)
        return client

    def _make_client(self) -> openai.AsyncOpenAI:
        # Importing the client library takes most of a second.
        from treadle.serving.connection import make_client

        return make_client(self._base_url, self._api_key, self._headers, self._dialect.backend)

    async def _served_model(self) -> str:
        if self._model is None:
            names = await self.list_models()
            if not names:
                raise ModelError(
                    "model_not_found", f"{self._base_url} serves no model; start it with one"
                )
            self._model = names[0]
        return self._model

    async def _reply(self, request: ChatRequest) -> AsyncGenerator[ChatDelta, None]:
        """One attempt."""
        stream, body = await self._open(request)
        reader = ReplyReader(self._faults, request, body.tool_names)
        # Leaving this block closes the response, whoever leaves it and why.
        async with stream:
            self._check_content_type(stream)
            chunks = aiter(stream)
            patience: float | None = None
            while True:
                chunk = await self._next_chunk(chunks, patience)
                if chunk is _END:
                    break
                for delta in reader.read(chunk):
                    yield delta
                if reader.finish_seen and patience is None:
                    patience = asyncio.get_running_loop().time() + _USAGE_SECONDS
        yield reader.finished()

    async def _open(
        self, request: ChatRequest
    ) -> tuple[openai.AsyncStream[ChatCompletionChunk], RequestBody]:
        """Send the request, without what the server turns out not to take."""
        client = await self._client()
        # Not before: making the client has imported it, in a thread.
        import openai

        model = await self._served_model()
        while True:
            body = self._dialect.body(model, request)
            try:
                return await _create(client, body), body
            except openai.APIStatusError as error:
                fault = self._faults.of_status(error)
                if request.max_tokens is not None and limit_too_large(fault):
                    request = replace(request, max_tokens=None)
                    continue
                field = refused_field(error, body.optional)
                if field is None:
                    # Not chained: the client's error may quote the key as the server echoed it.
                    raise fault from None
                self._dialect.drop(field, self._name)
            except openai.APITimeoutError as error:
                raise self._faults.timeout() from error
            except openai.APIConnectionError as error:
                raise self._faults.unreachable(error) from error
            except (ValueError, TypeError, RecursionError) as error:
                raise ModelError(
                    "model_bad_request",
                    f"the request to {self._name} cannot be sent: {self._faults.clean(str(error))}",
                ) from None

    def _check_content_type(self, stream: openai.AsyncStream[Any]) -> None:
        kind = stream.response.headers.get("content-type", "").partition(";")[0].strip()
        # Some servers forget the type or say text/plain; others mean what they say.
        if kind not in ("", "text/event-stream", "text/plain", "application/octet-stream"):
            raise self._faults.malformed(f"'{kind}' in place of an event stream")

    async def _next_chunk(self, chunks: AsyncIterator[object], deadline: float | None) -> object:
        """The next chunk, _END at the end.

        deadline: set once the reply is whole. From then on only its usage is missing, and whatever
        goes wrong is the end as well: usage is then estimated.
        """
        import openai

        try:
            async with asyncio.timeout_at(deadline):
                return await anext(chunks, _END)
        except TimeoutError:
            return _END
        except openai.APITimeoutError as error:
            fault = self._faults.timeout()
            cause: Exception | None = error
        except openai.APIConnectionError as error:
            fault, cause = self._faults.cut("the connection was lost"), error
        except openai.APIError as error:
            fault, cause = self._faults.of_event(error), None
        except (ValueError, RecursionError) as error:
            fault, cause = self._faults.malformed(f"an unreadable event: {error}"), None
        if deadline is not None:
            return _END
        raise fault from cause


async def _create(
    client: openai.AsyncOpenAI, body: RequestBody
) -> openai.AsyncStream[ChatCompletionChunk]:
    """Call the API. What the client's signature does not know goes through `extra_body`."""
    known = {name: each for name, each in body.optional.items() if name not in EXTENSIONS}
    extra = {name: each for name, each in body.optional.items() if name not in known}
    # The fields are checked by the server, not by the client's overloads.
    create = cast("Any", client.chat.completions.create)
    call = partial(
        create,
        **body.fields,
        **known,
        stream=True,
        extra_headers=dict(body.headers) or None,
        extra_body=extra or None,
    )
    return cast("openai.AsyncStream[ChatCompletionChunk]", await call())


def _sendable(value: str, what: str) -> str:
    """`value` without blanks around it, as they come with keys read from files.

    What cannot stand in a header is refused here: the HTTP client would quote it in its error.
    """
    value = value.strip()
    if not (value.isascii() and value.isprintable()):
        raise ConfigError(
            "bad_api_key", f"{what} has characters that cannot be sent; check how it is set"
        )
    return value


def _wait_before_retry(error: Exception) -> bool | float:
    """For stamina: whether to try again, and after how many seconds where the server says so."""
    if not isinstance(error, ModelError) or not error.retryable or error.code not in _RETRIED:
        return False
    if isinstance(error, RateLimited) and error.retry_after is not None:
        return error.retry_after if error.retry_after <= LONGEST_RETRY_AFTER else False
    return True
