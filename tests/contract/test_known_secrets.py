import base64
import html
import json
import re
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given, settings, strategies as st

from createos_mcp.answers.redaction import Redaction, SecretTable
from createos_mcp.contract.catalog import load_catalog
from createos_mcp.contract.known_secrets import KnownSecrets
from createos_mcp.contract.values import MASK
from tests.answers.ordinary_logs import ordinary_lines

SAMPLE = 'pa$$ "w0rd"/é&x+y=z'
PHRASE = "correct-horse-battery"
TABLE = SecretTable(load_catalog().secrets)


def masked(text: str, *secrets: str) -> str:
    return KnownSecrets.of(secrets or (SAMPLE,)).mask(text)


FORMS = {
    "plain": SAMPLE,
    "JSON": json.dumps(SAMPLE)[1:-1],
    "JSON in UTF-8": json.dumps(SAMPLE, ensure_ascii=False)[1:-1],
    "JSON within JSON": json.dumps(json.dumps(SAMPLE))[3:-3],
    "URL": quote(SAMPLE),
    "URL component": quote(SAMPLE, safe=""),
    "form": quote_plus(SAMPLE),
    "URL in lower case": re.sub("%..", lambda found: found[0].lower(), quote(SAMPLE, safe="")),
    "HTML": html.escape(SAMPLE),
    "repr": repr(SAMPLE)[1:-1],
    "hex": SAMPLE.encode().hex(),
    "HEX": SAMPLE.encode().hex().upper(),
    "base64": base64.b64encode(SAMPLE.encode()).decode(),
    "base64 for URLs": base64.urlsafe_b64encode(SAMPLE.encode()).decode(),
}


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_a_secret_is_masked_in_every_form(form: str) -> None:
    text = masked(f"before {form} after")
    assert text.startswith(f"before {MASK}")
    assert text.endswith(" after")
    assert len(text) < len("before  after") + len(MASK) + 3


@pytest.mark.parametrize("before", ["", "u", "us", "user:", "scott:"])
@pytest.mark.parametrize("after", ["", ":", ":more"])
def test_a_secret_within_base64_of_more_is_masked(before: str, after: str) -> None:
    text = base64.b64encode(f"{before}{PHRASE}{after}".encode()).decode()
    left = masked(f"Basic {text}", PHRASE)
    assert MASK in left
    assert len(left) < len("Basic ") + len(MASK) + len(before + after) * 4 // 3 + 8


@pytest.mark.parametrize(
    "gap",
    [
        "\x1b[31m",
        "\x1b[38;5;208m",
        "\x1b]8;;http://e\x1b\\",
        "\x1b]0;title\x07",
        "\n",
        "\r\n",
        "\r",
        "\x00",
        "\u200b",
        "\n2026-01-05T12:00:00.123Z ",
        "\nbuild | ",
        "\nruntime | 2026-01-05T12:00:00+00:00 ",
    ],
)
def test_a_secret_is_masked_whatever_splits_it(gap: str) -> None:
    for at in (1, 7, len(SAMPLE) - 1):
        text = f"a {SAMPLE[:at]}{gap}{SAMPLE[at:]} b\nnext line"
        assert masked(text) == f"a {MASK} b\nnext line"


def test_a_secret_is_masked_that_begins_as_a_gap_may_end() -> None:
    assert masked("\x1b@00000 b", "@00000") == f"\x1b{MASK} b"


def test_a_secret_with_a_color_at_each_letter_is_masked() -> None:
    text = "".join(f"\x1b[3{n % 8}m{letter}" for n, letter in enumerate(SAMPLE))
    assert masked(f"x{text}\x1b[0my").replace("\x1b[30m", "") == f"x{MASK}\x1b[0my"


def test_the_lines_of_a_secret_with_several_are_masked_one_by_one() -> None:
    key = "-----BEGIN X-----\nMIIEvQIBADANBgkqhkiG9w0BAQ\nEFAASCBKcwggSjAgEAAoIBAQ\n-----END X-----"
    text = masked("12:00 MIIEvQIBADANBgkqhkiG9w0BAQ\n12:01 EFAASCBKcwggSjAgEAAoIBAQ", key)
    assert text == f"12:00 {MASK}\n12:01 {MASK}"


def test_the_longer_of_two_secrets_leaves_no_end() -> None:
    assert masked("abcdefgh abcdef", "abcdef", "abcdefgh") == f"{MASK} {MASK}"


def redacted(text: str) -> str:
    redaction = Redaction(TABLE)
    redaction.register_secrets({"runEnvs": {"KEY": PHRASE}})
    return redaction.mask_text(text)


@pytest.mark.parametrize("kept", [6, 10, 20])
def test_what_a_cut_leaves_of_a_secret_is_masked_on_both_sides(kept: int) -> None:
    assert redacted(f"is {PHRASE[:kept]}…") == f"is {MASK}…"
    assert redacted(f"…{PHRASE[-kept:]} is") == f"…{MASK} is"


@settings(max_examples=300, deadline=None)
@given(
    secret=st.text(st.characters(exclude_categories=["Cc", "Cs", "Cf"]), min_size=6, max_size=40),
    before=st.text(max_size=20),
    after=st.text(max_size=20),
)
def test_no_secret_is_left_in_any_text(secret: str, before: str, after: str) -> None:
    text = masked(f"{before}{secret}{after}", secret)
    assert secret not in text or secret in MASK


LEAKS = {
    "Authorization: Bearer abc.def-0123456789xyz": "abc.def-0123456789xyz",
    "authorization: Basic dXNlcjpwYXNzd29yZA==": "dXNlcjpwYXNzd29yZA==",
    "sent Bearer 0123456789abcdef0123456789": "0123456789abcdef0123456789",
    "password: hunter2": "hunter2",
    "DB_PASSWORD: 'correct horse'": "correct horse",
    "x_secret = s3cr3t-value": "s3cr3t-value",
    "client_secret => Zm9vYmFy1": "Zm9vYmFy1",
    'config {"apiKey": "a1b2c3d4e5"}': "a1b2c3d4e5",
    "token=ya29fakefake1234": "ya29fakefake1234",
    "STRIPE_KEY sk_live_0123456789abcdefghij": "sk_live_0123456789abcdefghij",
    "glpat-abcdefghij0123456789": "glpat-abcdefghij0123456789",
    "hook https://hooks.slack.com/services/T00000000/B00000000/XXXXXXXXXXXXXXXXXXXX": "XXXXXXX",
    "key AIzaSyA0123456789abcdefghijklmnopqrstuv": "AIzaSyA0123456789",
    "npm_0123456789abcdefghijABCDEFGHIJ012345": "npm_0123456789abcdefghijABCDEFGHIJ012345",
    "SG.abcdefghijklmnopqrstuv.ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789abcdefg": "ABCDEFGHIJKLM",
    "DefaultEndpointsProtocol=https;AccountKey=" + "a1" * 30 + "==": "a1a1a1a1",
}


@pytest.mark.parametrize(("line", "secret"), LEAKS.items(), ids=LEAKS)
def test_what_is_named_or_looks_like_a_secret_is_masked(line: str, secret: str) -> None:
    left = Redaction(TABLE).mask_text(line)
    assert secret not in left
    assert MASK in left


def test_a_corpus_of_ordinary_lines_is_left_alone() -> None:
    redaction = Redaction(TABLE)
    lines = ordinary_lines()
    changed = [line for line in lines if redaction.mask_text(line) != line]
    assert len(lines) == 2_000
    assert len(changed) <= 5, changed[:20]
