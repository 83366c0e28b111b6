"""The runtime, the lab and the suites hide the same secrets, although none of them may import the others."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from agentlab_faults import scrub
from agentlab_suites.masking import Masker

from agentlab import secrets

FORMS = (
    "sk-proj-abcdefghijklmnop",
    "rk-abcdefghijklmnop",
    "pk-lf-abcdefghijklmnop",
    "AIzaSyA0123456789abcdefghij",
    "ghp_0123456789abcdefghij",
    "github_pat_0123456789_abcdefghij",
    "gsk_0123456789abcdefghij",
    "hf_0123456789abcdefghij",
    "sk_live_0123456789ab",
    "glpat-0123456789abcdef",
    "ya29.0123456789abcdef",
    "xoxb-0123456789-abc",
    "AKIA0123456789AB",
    "eyJhbGciOiJI.eyJzdWIiOiIx.c2ln",
    "-----BEGIN PRIVATE KEY-----\nMIIEabc\n-----END PRIVATE KEY-----",
)
NAMED = ("password", "passwd", "passphrase", "secret", "client_secret", "api_key", "api-key", "apikey", "access_token", "token")
PLACES = ("{}", "it is {}, and no more", "key={}&x=1", '{{"text": "{}"}}', "Authorization: Bearer {}", "postgres://app:{}@db/1")
WAYS = ("{}: {}", "{}={}", '{{"{}": "{}"}}', "failed on {{'{}': '{}'}}", r'"{{\"{}\": \"{}\"}}"')
INNOCENT = (
    "max_tokens: 500, and 3 keys",
    "the task-force asks for a risk-free desk-top-publishing-house",
    "https://shop.example/orders?mail=ann@shop.example",
    "https://shop.example?mail=ann@shop.example",
    '["https://shop.example","ann@shop.example"]',
    '{"url":"https://shop.example","mail":"ann@shop.example"}',
    "ann@shop.example",
    "eyJ is how a token begins",
)
DOORS: dict[str, Callable[[str], str]] = {
    "runtime": secrets.hide_secrets,
    "lab": scrub.Scrubber().text,
    "suites": Masker({}),
}


def test_one_list_of_forms_stands_in_the_runtime_and_in_the_lab() -> None:
    assert (secrets.FORMS.pattern, secrets.FORMS.flags) == (scrub.FORMS.pattern, scrub.FORMS.flags)


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("secret", [*FORMS, json.dumps(FORMS[-1])[1:-1]])
def test_a_secret_of_a_known_form_is_hidden_wherever_it_stands(door: str, place: str, secret: str) -> None:
    told = DOORS[door](place.format(secret))
    assert secrets.HIDDEN in told
    assert secret[-6:] not in told


@pytest.mark.parametrize("door", ["runtime", "lab"])
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", [*NAMED, *map(str.upper, NAMED)])
def test_what_follows_the_name_of_a_secret_is_hidden(door: str, way: str, name: str) -> None:
    told = DOORS[door](way.format(name, "hunter2"))
    assert (secrets.HIDDEN in told, "hunter2" in told) == (True, False)


@pytest.mark.parametrize("door", ["runtime", "lab"])
@pytest.mark.parametrize("secret", [r"correct\horse", r"correct\\horse", r"correct\nhorse"])
def test_a_password_does_not_end_at_its_backslash(door: str, secret: str) -> None:
    assert DOORS[door](f'password: {secret} {{"token": "{secret}"}}') == 'password: [secret] {"token": "[secret]"}'


@pytest.mark.parametrize("door", ["runtime", "lab"])
def test_a_password_ends_at_an_ampersand_only_where_another_parameter_begins(door: str) -> None:
    assert DOORS[door]("password: a&b&, token=x&y&page=2") == "password: [secret], token=[secret]&page=2"


@pytest.mark.parametrize("door", ["runtime", "lab"])
@pytest.mark.parametrize("way", ["Cookie: {}", '{{"Set-Cookie": "{}"}}', "{{'cookie': '{}', 'a': 1}}"])
def test_no_cookie_of_several_is_shown(door: str, way: str) -> None:
    assert DOORS[door](way.format("a=b1; session.id=x2; theme=dark3")) == way.format("[secret]")


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("text", INNOCENT)
def test_what_is_no_secret_is_left_as_it_is(door: str, text: str) -> None:
    assert DOORS[door](text) == text


@pytest.mark.parametrize("name", ["SHOP_API_KEY", "shop_token", "DB_PASSWORD_1", "SECRET", "AWS_CREDENTIALS"])
def test_the_environment_s_secrets_are_the_same_ones(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, "correct horse battery")
    told = {secrets.hide_secrets("a correct horse battery staple"), Masker()("a correct horse battery staple")}
    assert told == {"a [secret] staple"}


@pytest.mark.parametrize("name", ["KEYBOARD", "TOKENIZERS_PARALLELISM", "MONKEY_BUSINESS_"])
def test_and_so_are_those_that_are_none(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, "correct horse battery")
    told = {secrets.hide_secrets("a correct horse battery staple"), Masker()("a correct horse battery staple")}
    assert len(told) == 1
