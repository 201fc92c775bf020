"""Frames from inside a sandbox: hostile bytes give messages or one coded error, nothing else."""

import asyncio
import json
import os
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from treadle.tools.sandbox.frames import (
    MAGIC,
    MAX_BODY_BYTES,
    MAX_DEPTH,
    FrameChannel,
    FrameError,
    FrameParser,
    Schema,
    decode_body,
    decode_bytes,
    encode_frame,
    strict_json,
)

SCHEMA: Schema = {"say": {"text": str, "count": int}, "end": {}, "rate": {"value": float}}

messages = st.one_of(
    st.fixed_dictionaries(
        {
            "kind": st.just("say"),
            "text": st.text(st.characters(exclude_categories=["Cs"])),
            "count": st.integers(-(2**60), 2**60),
        }
    ),
    st.just({"kind": "end"}),
    st.fixed_dictionaries(
        {"kind": st.just("rate"), "value": st.floats(allow_nan=False, allow_infinity=False)}
    ),
)


def frame(body: bytes) -> bytes:
    return MAGIC + struct.pack(">I", len(body)) + body


def cut(data: bytes, places: list[int]) -> list[bytes]:
    ends = sorted({min(place, len(data)) for place in places} | {len(data)})
    starts = [0, *ends[:-1]]
    return [data[start:end] for start, end in zip(starts, ends, strict=True)]


@given(st.lists(messages, max_size=8), st.lists(st.integers(0, 2000), max_size=20))
def test_what_was_sent_arrives_however_it_is_cut(sent, places):
    parser = FrameParser(SCHEMA)
    data = b"".join(encode_frame(message) for message in sent)
    got = [message for part in cut(data, places) for message in parser.feed(part)]
    assert got == sent


@given(st.binary(max_size=400), st.lists(st.integers(0, 400), max_size=10))
def test_any_bytes_give_messages_or_a_coded_error(data, places):
    parser = FrameParser(SCHEMA)
    broken = False
    for part in cut(data, places):
        try:
            got = parser.feed(part)
        except FrameError as error:
            assert error.code == "sandbox_frame"
            broken = True
        else:
            assert not broken, "a broken channel takes nothing more"
            assert all(message["kind"] in SCHEMA for message in got)


json_like = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda below: st.lists(below, max_size=4) | st.dictionaries(st.text(), below, max_size=4),
    max_leaves=20,
)


@given(json_like | st.dictionaries(st.sampled_from(["kind", "text", "count", "value"]), json_like))
def test_any_json_is_a_message_of_the_schema_or_refused(value):
    body = json.dumps(value).encode()
    try:
        message = decode_body(body, SCHEMA)
    except FrameError:
        return
    fields = SCHEMA[str(message["kind"])]
    assert set(message) == {"kind", *fields}
    assert all(type(message[name]) is kind for name, kind in fields.items())


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'{"kind": "other"}',
        b'{"kind": ["say"]}',
        b'{"kind": "say", "text": "x"}',
        b'{"kind": "end", "more": 1}',
        b'{"kind": "end", "kind": "end"}',
        b'{"kind": "say", "text": "x", "count": true}',
        b'{"kind": "say", "text": "x", "count": 1.0}',
        b'{"kind": "say", "text": "x", "count": 1, "count": 1}',
        b'{"kind": "say", "text": "\\ud800", "count": 1}',
        b'{"kind": "say", "text": "\xff", "count": 1}',
        b'{"kind": "say", "text": "x", "count": ' + b"9" * 5000 + b"}",
        b'{"kind": "rate", "value": NaN}',
        b'{"kind": "rate", "value": -Infinity}',
        b'{"kind": "rate", "value": 1e999}',
        b'{"kind": "end", "x": ' + b"[" * 50_000 + b"]" * 50_000 + b"}",
        b'\xef\xbb\xbf{"kind": "end"}',
    ],
)
def test_a_body_that_breaks_a_rule_is_refused(body):
    with pytest.raises(FrameError):
        FrameParser(SCHEMA).feed(frame(body))


def test_depth_is_bounded_to_the_level():
    deepest = "[" * MAX_DEPTH + "]" * MAX_DEPTH
    assert strict_json(deepest) is not None
    with pytest.raises(FrameError):
        strict_json(f"[[{deepest}]]")


def test_a_length_is_refused_before_its_body_has_come():
    parser = FrameParser(SCHEMA)
    with pytest.raises(FrameError, match=str(MAX_BODY_BYTES)):
        parser.feed(MAGIC + struct.pack(">I", MAX_BODY_BYTES + 1))
    with pytest.raises(FrameError):
        parser.feed(encode_frame({"kind": "end"}))


def test_the_first_wrong_byte_is_enough():
    with pytest.raises(FrameError):
        FrameParser(SCHEMA).feed(MAGIC[:2] + b"!")


def test_data_must_be_base64():
    assert decode_bytes("aGk=") == b"hi"
    for wrong in ("aGk", "a\n", "ä", 3, None):
        with pytest.raises(FrameError):
            decode_bytes(wrong)


async def test_a_channel_sends_and_receives_more_than_a_pipe_holds():
    (theirs_in, ours_out), (ours_in, theirs_out) = os.pipe(), os.pipe()
    text = "x" * 50_000
    sent = [{"kind": "say", "text": text, "count": number} for number in range(20)]
    try:
        ours = FrameChannel(ours_in, ours_out, SCHEMA)
        theirs = FrameChannel(theirs_in, theirs_out, SCHEMA)
        async with asyncio.timeout(10), asyncio.TaskGroup() as group:
            group.create_task(ours.send([encode_frame(message) for message in sent]))
            for message in sent:
                assert await theirs.receive() == message
        os.close(ours_out)
        assert await theirs.receive() is None
    finally:
        for descriptor in (theirs_in, ours_in, theirs_out):
            os.close(descriptor)


async def test_a_receive_that_is_cancelled_loses_nothing():
    read, write = os.pipe()
    try:
        channel = FrameChannel(read, write, SCHEMA)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await channel.receive()
        os.write(write, encode_frame({"kind": "end"}))
        async with asyncio.timeout(15):
            assert await channel.receive() == {"kind": "end"}
    finally:
        os.close(read)
        os.close(write)


async def test_a_flood_is_read_a_piece_at_a_time():
    read, write = os.pipe()
    try:
        channel = FrameChannel(read, write, SCHEMA)
        one = encode_frame({"kind": "end"})
        os.write(write, one * (60_000 // len(one)))
        received = 0
        async with asyncio.timeout(10):
            while received < 60_000 // len(one):
                assert await channel.receive() == {"kind": "end"}
                received += 1
    finally:
        os.close(read)
        os.close(write)
