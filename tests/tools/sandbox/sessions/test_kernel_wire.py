"""What a session's supervisor reads from its kernel, which may have become anything."""

import os

from hypothesis import given
from hypothesis import strategies as st

from treadle.tools.sandbox.guest.kernel_wire import Reports


def read_all(pieces, most=100):
    read, write = os.pipe()
    try:
        reports = Reports(read, most)
        found = []
        for piece in pieces:
            os.write(write, piece)
            answer = reports.next()
            while answer is not None:
                found.append(answer)
                answer = reports.next()
        return found
    finally:
        os.close(read)
        os.close(write)


def report(code, what):
    body = b"%d %s" % (code, what)
    return b"%d\n%s" % (len(body), body)


@given(st.lists(st.tuples(st.integers(0, 255), st.binary(max_size=40)), max_size=5), st.integers(1, 30))  # fmt: skip
def test_reports_arrive_however_they_are_cut(sent, size):
    data = b"".join(report(*each) for each in sent)
    pieces = [data[start : start + size] for start in range(0, len(data), size)]
    assert read_all(pieces) == sent


@given(st.lists(st.binary(min_size=1, max_size=200), max_size=8))
def test_any_bytes_give_reports_or_a_value_error(pieces):
    try:
        found = read_all(pieces)
    except ValueError:
        return
    assert all(0 <= code <= 255 and len(what) <= 100 for code, what in found)


def test_what_was_said_out_of_turn_is_forgotten():
    read, write = os.pipe()
    try:
        reports = Reports(read, 100)
        os.write(write, report(0, b"forged") * 3)
        reports.discard()
        assert reports.next() is None
        os.write(write, report(1, b"real"))
        assert reports.next() == (1, b"real")
    finally:
        os.close(read)
        os.close(write)
