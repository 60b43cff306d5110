import pytest
from hypothesis import given, strategies as st

from createos_mcp.contract.terminal_lines import WIDEST, last_state


@pytest.mark.parametrize(
    ("printed", "shown"),
    [
        ("plain", "plain"),
        ("p1\rp2\rp3 last", "p3 last"),
        ("100%\r5%", "5%0%"),
        ("loading ...\r\x1b[2Kcannot load", "cannot load"),
        ("crlf\r", "crlf"),
        ("x\x1b[2Kafter", " after"),
        ("x\x1b[Kafter", "xafter"),
        ("long line\r\x1b[Kshort", "short"),
        ("abcdef\x1b[3D\x1b[1Kx", "   xef"),
        ("abc\b\bX", "aXc"),
        ("abc\x1b[1GX\x1b[2CY", "XbcY"),
        ("abcdef\r\x1b[2Pz", "zdef"),
        ("abcdef\r\x1b[2X", "  cdef"),
        ("old\x1b[2J\x1b[Hnew", "new"),
        ("\x1b[1A\x1b[2Kmoved up", "moved up"),
        ("\x1b]0;title\x07after", "after"),
        ("\x1b]8;;http://e\x1b\\link\x1b]8;;\x1b\\ tail", "link tail"),
        ("\x1b[38;5;208morange\x1b[0m end", "orange end"),
        ("\x1b(Bplain\x1b=", "plain"),
        ("\x1b]0;a title without an end", "]0;a title without an end"),
        ("cut \x1b[", "cut ["),
        ("\x1b[?25lhidden cursor\x1b[?25h", "hidden cursor"),
    ],
)
def test_a_line_is_shown_as_a_terminal_would_show_it(printed: str, shown: str) -> None:
    assert last_state(printed) == shown


@pytest.mark.parametrize(
    "sign", ["\t", "\x0b", "\x0c", "\x1c", "\x85", "\u2028", "\u2029", "\u202e"]
)
def test_what_moves_nothing_is_kept(sign: str) -> None:
    assert last_state(f"a\rb{sign}c") == f"b{sign}c"


def test_a_cursor_that_is_moved_far_makes_no_long_line() -> None:
    for move in ("\x1b[999999999C", "\x1b[999999999G", "\x1b[1;999999999H"):
        assert len(last_state(f"{move * 50}x")) <= WIDEST + 1


@given(st.text(st.sampled_from("ab \r\b\x1b[]0;12KJHGCDPXm\x07\\?"), max_size=60))
def test_any_output_becomes_text_without_instructions(printed: str) -> None:
    shown = last_state(printed)

    assert not any(sign in shown for sign in "\x1b\r\b")
    assert last_state(shown) == shown
