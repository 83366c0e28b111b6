"""Secrets that are known by how they look: whole ones, halves of them, and texts that are made to hold up whoever looks for them."""

from __future__ import annotations

import time

import pytest
from agentlab_faults.scrub import FORMS, MASK, Scrubber

BEGIN, END = "-----BEGIN RSA PRIVATE KEY-----", "-----END RSA PRIVATE KEY-----"


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("redis://:p@ss@cache/0", "redis://[secret]@cache/0"),
        ("smtp://me@shop.example:pass@mail/", "smtp://[secret]@mail/"),
        ("at https://shop.example/orders?mail=a@b.example", "at https://shop.example/orders?mail=a@b.example"),
        (f"{BEGIN}\nMIIEabc+/=\n{END} is bad", "[secret] is bad"),
        (f"{BEGIN}\nProc-Type: 4,ENCRYPTED\n\nMIIEabc\n{END}", "[secret]"),
        (f"no key: {BEGIN} MIIEabc MIIEdef ...", "no key: [secret]..."),
        (rf"'{BEGIN}\nMIIEabc\nMIIEd' is bad", "'[secret]' is bad"),
        ("sk_live_0123456789abcdef, glpat-0123456789abcdef, ya29.0123456789abcdef", "[secret], [secret], [secret]"),
        ("Authorization: Basic dXNlcjpwYXNz", "Authorization: Basic [secret]"),
        ('{"authorization": "Basic dXNlcjpwYXNz"}', '{"authorization": "Basic [secret]"}'),
        ("token-eyJhbGciOiJI.eyJzdWIiOiIx.c2ln", "token-[secret]"),
    ],
)
def test_a_secret_is_masked_to_its_end(text: str, clean: str) -> None:
    assert FORMS.sub(MASK, text) == clean


@pytest.mark.parametrize("named", [f"secret: {BEGIN}\nMIIEabc\n{END}", "token = Bearer abcdef123456", "password: first.last"])
def test_the_name_of_a_secret_does_not_hide_its_form(named: str) -> None:
    clean = Scrubber().text(named)
    assert MASK in clean
    assert not any(word in clean for word in ("MIIEabc", "abcdef", "first", "last"))


@pytest.mark.parametrize("piece", ["eyJ-", BEGIN, f"{BEGIN}-----END ", "://a:", "sk-", "Bearer "])
def test_a_long_text_of_beginnings_holds_nobody_up(piece: str) -> None:
    text = piece * (400_000 // len(piece))
    began = time.perf_counter()
    FORMS.sub(MASK, text)
    assert time.perf_counter() - began < 10, "seconds; it is a minute or more where each place is looked through to the end"
