"""Notes on how a result was made, in packets of every origin."""

import resource
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dinplug.imaging import xmp, xmp_tree
from dinplug.imaging.history import NAMESPACE, read_history, with_history
from tests.imaging.test_xmp import PACKET

RDF = xmp_tree.RDF


def packet_of(inner: str) -> bytes:
    """A packet around the description of one thing."""
    return (
        f'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="{RDF}">'
        f'<rdf:Description rdf:about="" xmlns:d="{NAMESPACE}">{inner}</rdf:Description>'
        "</rdf:RDF></x:xmpmeta>"
    ).encode()


@pytest.mark.parametrize("packet", [None, PACKET, b"no XMP at all", b"<a xmlns:rdf='b'/>"])
def test_steps_are_told_in_order(packet: bytes | None) -> None:
    first = with_history(packet, {"Task": "derain", "Options": "old"})
    again = with_history(first, {"Task": "dehaze", "Options": 'a "b" <c> & d\x01\ud800'})
    expected = [
        {"Task": "derain", "Options": "old"},
        {"Task": "dehaze", "Options": 'a "b" <c> & d'},
    ]
    assert read_history(again) == expected
    assert again.count(b"</dinplug:Restorations>") == 1
    if packet == PACKET:
        start = again.index(b'<rdf:Description xmlns:rdf="')
        end = again.index(b"</rdf:Description>\n", start) + len(b"</rdf:Description>\n")
        assert again[:start] + again[end:] == PACKET
        assert again[start:end].count(b"uuid:1234") == 1


def test_the_last_steps_are_kept() -> None:
    packet = None
    for number in range(40):
        packet = with_history(packet, {"Task": str(number)})
    assert packet is not None
    assert read_history(packet) == [{"Task": str(number)} for number in range(8, 40)]


@pytest.mark.parametrize(
    "item",
    [
        '<rdf:li d:Task="sr"/>',
        '<rdf:li><rdf:Description d:Task="sr"/></rdf:li>',
        "<rdf:li><rdf:Description><d:Task>sr</d:Task></rdf:Description></rdf:li>",
        '<rdf:li rdf:parseType="Resource"><d:Task>sr</d:Task></rdf:li>',
    ],
)
def test_every_form_of_a_structure_is_read(item: str) -> None:
    packet = packet_of(f"<d:Restorations><rdf:Seq>{item}</rdf:Seq></d:Restorations>")
    assert read_history(packet) == [{"Task": "sr"}]
    assert read_history(with_history(packet, {"Task": "derain"})) == [
        {"Task": "sr"},
        {"Task": "derain"},
    ]


def test_one_note_takes_the_place_of_several() -> None:
    inner = "<d:Restorations><d:Restorations/><rdf:Seq><rdf:li d:Task='a'/></rdf:Seq>"
    inner += "</d:Restorations> kept <d:Restorations><rdf:li d:Task='b'/></d:Restorations>"
    changed = with_history(packet_of(inner), {"Task": "c"})
    assert read_history(changed) == [{"Task": "a"}, {"Task": "b"}, {"Task": "c"}]
    assert b" kept " in changed and changed.count(b"Restorations>") == 1


def test_a_damaged_packet_keeps_its_bytes() -> None:
    damaged = PACKET.replace(b"</tiff:Make>", b"")
    changed = with_history(damaged, {"Task": "sr"})
    at = damaged.index(b"</rdf:RDF>")
    assert changed.startswith(damaged[:at]) and changed.endswith(damaged[at:])
    assert b"<dinplug:Task>sr" in changed and read_history(changed) is None


BOMB = (
    b"<!DOCTYPE l [<!ENTITY a '" + b"x" * 100 + b"'>"
    + b"".join(b"<!ENTITY %c '%s'>" % (98 + i, b"&%c;" % (97 + i) * 10) for i in range(9))
    + b"]><l>&j;</l>"
)  # fmt: skip
HOSTILE = {
    "entity bomb": BOMB,
    "external entity": b"<!DOCTYPE l [<!ENTITY a SYSTEM 'file:///etc/passwd'>]><l>&a;</l>",
    "too large": b"<l>" + b" " * xmp_tree.LARGEST_PACKET + b"</l>",
    "too deep": b"<l>" * 101 + b"</l>" * 101,
    "too many": b"<l>" + b"<m/>" * 50_001 + b"</l>",
    "too many lines": b"<l>" + b"\n" * 500_001 + b"</l>",
    "never closed": b"<l>" * 100_000,
    "nothing": b"",
    "zeros": bytes(1000),
    "unknown encoding": b"<?xml version='1.0' encoding='nonesuch'?><l/>",
    "half a letter": b"<l>\xff</l>",
    "spaces in a namespace": b'<a:l xmlns:a="b c d"/>',
}


@pytest.mark.parametrize("case", HOSTILE)
def test_hostile_packets_are_refused_and_replaced(case: str) -> None:
    assert read_history(HOSTILE[case]) is None
    assert read_history(with_history(HOSTILE[case], {"Task": "sr"})) == [{"Task": "sr"}]


@pytest.mark.skipif(sys.platform != "linux", reason="limits memory as Linux does")
def test_hostile_packets_cost_little() -> None:
    """All of them in 700 MB of address space and 60 s of processor time, imports included."""

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_AS, (700 * 10**6, 700 * 10**6))
        resource.setrlimit(resource.RLIMIT_CPU, (60, 60))

    code = (
        "from tests.imaging.test_history import HOSTILE, read_history\n"
        "assert [read_history(p) for p in HOSTILE.values()] == [None] * len(HOSTILE)"
    )
    root = Path(__file__).resolve().parents[2]
    environment = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "PATH": ""}
    run = subprocess.run(
        [sys.executable, "-c", code],
        cwd=root,
        env=environment,
        preexec_fn=limit,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr[-2000:]


def test_values_are_cut_and_counted() -> None:
    many = "".join(f"<d:n{i}>x</d:n{i}>" for i in range(100))
    item = f'<rdf:li rdf:parseType="Resource"><d:Task>{"x" * 5000}</d:Task>{many}</rdf:li>'
    (note,) = read_history(packet_of(f"<d:Restorations>{item}</d:Restorations>")) or []
    assert len(note) == 32 and note["Task"] == "x" * 1000


@given(st.text(max_size=50), st.text(max_size=50))
def test_any_text_makes_a_sound_packet(task: str, options: str) -> None:
    packet = with_history(None, {"Task": task, "Options": options})
    (note,) = read_history(packet) or []
    # XML makes a line break of a carriage return, and forbids most other control characters.
    for name, text in (("Task", task), ("Options", options)):
        allowed = xmp.allowed(text)
        assert note[name] == allowed.replace("\r\n", "\n").replace("\r", "\n")


@given(st.binary(max_size=200), st.integers(0, len(PACKET)))
def test_any_bytes_are_read_without_an_error(noise: bytes, at: int) -> None:
    read_history(noise)
    packet = PACKET[:at] + noise + PACKET[at:]
    assert with_history(packet, {"Task": "sr"}).count(b"<dinplug:Task>sr") == 1
