"""Lines are read within limits, and messages are checked."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dinplug.hosts import protocol
from dinplug.hosts.protocol import ProtocolError

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


def depth(value: object) -> int:
    """How many levels of arrays and objects a value has."""
    if isinstance(value, dict):
        return 1 + max(map(depth, value.values()), default=0)
    if isinstance(value, list):
        return 1 + max(map(depth, value), default=0)
    return 0


@given(st.dictionaries(st.text(), VALUES.filter(lambda v: "inf" not in repr(v)), max_size=5))
def test_messages_survive_or_are_too_deep(message: dict[str, object]) -> None:
    line = protocol.encode(message)
    assert line.count(b"\n") == 1 and line.endswith(b"\n") and line.isascii()
    assert protocol.nesting(line) == depth(message)
    if depth(message) <= protocol.DEEPEST:
        assert protocol.decode(line) == message
    else:
        with pytest.raises(ProtocolError, match="levels"):
            protocol.decode(line)


@given(st.binary(max_size=200))
def test_any_bytes_are_a_message_or_an_error(line: bytes) -> None:
    try:
        assert isinstance(protocol.decode(line), dict)
    except ProtocolError as error:
        assert str(error)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"", "no JSON"),
        (b"[]", "no JSON object"),
        (b"[" * 60000, "levels"),
        (b'{"a":' * 9 + b"1" + b"}" * 9, "levels"),
        (b'{"a": NaN}', "NaN"),
        (b'{"a": -Infinity}', "Infinity"),
        (b'{"a": 1, "a": 2}', "twice"),
        (b'{"a": "\xff"}', "no JSON"),
        (b'{"a": "' + b"x" * protocol.LONGEST_LINE + b'"}', "more than"),
        (b'{"a": ' + b"9" * 10000 + b"}", "no JSON"),
    ],
    ids=lambda value: repr(value[:20]),
)
def test_bad_lines_are_refused(line: bytes, reason: str) -> None:
    with pytest.raises(ProtocolError, match=reason):
        protocol.decode(line)


def test_brackets_in_strings_do_not_count() -> None:
    message = {"a": '[[[[[[[[[[{{{{{{{{\\"[[[[[[['}
    assert protocol.decode(json.dumps(message).encode()) == message


@pytest.mark.parametrize("value", [True, 1.0, "1", None, [], 0, 11, -1, 2**70, float("inf")])
def test_whole_numbers_are_checked(value: object) -> None:
    with pytest.raises(ProtocolError, match="n must be a whole number from 1 to 10"):
        protocol.whole({"n": value}, "n", 1, 10)
    assert protocol.whole({"n": 10}, "n", 1, 10) == 10


@pytest.mark.parametrize("value", [True, "1", None, [], float("nan"), float("inf"), 10**400, 1.01])
def test_numbers_are_checked(value: object) -> None:
    with pytest.raises(ProtocolError, match="n must be a number from 0 to 1"):
        protocol.number(value, "n", 0, 1)
    assert protocol.number(1, "n", 0, 1) == 1.0


@pytest.mark.parametrize("value", ["", "a\nb", "\0", "x" * 11, 5, None, "\ud800"])
def test_texts_are_checked(value: object) -> None:
    if value == "":
        assert protocol.text({"t": value}, "t", 10) == ""
        return
    with pytest.raises(ProtocolError):
        protocol.text({"t": value}, "t", 10)


@pytest.mark.parametrize(
    "value",
    [
        [0, 0, 0, 1], [0, 0, 1, 0], [-1, 0, 1, 1], [0, 0, 7, 1], [6, 0, 1, 1], [0, 4, 2, 2],
        [0, 0, 1], [0, 0, 1, 1, 1], [0.0, 0, 1, 1], [True, 0, 1, 1], "0011", {}, [0, 0, 2**80, 1],
    ],
    ids=repr,
)  # fmt: skip
def test_regions_are_checked(value: object) -> None:
    with pytest.raises(ProtocolError, match="region must be"):
        protocol.region_of({"region": value}, 6, 5)


def test_a_region_is_optional() -> None:
    assert protocol.region_of({}, 6, 5) == (0, 0, 6, 5)
    assert protocol.region_of({"region": [1, 2, 5, 3]}, 6, 5) == (1, 2, 5, 3)


def test_unknown_and_missing_fields_are_named() -> None:
    with pytest.raises(ProtocolError, match="picture is missing"):
        protocol.check_keys({"id": 1}, ("id", "picture"))
    with pytest.raises(ProtocolError, match="unknown field 'colour'"):
        protocol.check_keys({"id": 1, "colour": 2}, ("id",), ("region",))


def test_an_error_is_one_short_sentence() -> None:
    answer = protocol.error_answer(3, "internal", "one\ntwo " * 9999, "x" * 99999)
    assert "\n" not in answer["message"]
    assert len(protocol.encode(answer)) < protocol.LONGEST_ANSWER


def test_a_mismatch_names_both_versions_and_what_to_do() -> None:
    said = protocol.version_mismatch((7, "9.1.0"), (1, "0.1.0"))
    for part in ("9.1.0", "protocol 7", "0.1.0", "protocol 1", "dinplug plugin install"):
        assert part in said
