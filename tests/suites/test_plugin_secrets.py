"""A key that reaches the environment late, or the header, is still written nowhere."""

from __future__ import annotations

from typing import Any

import pytest
from agentlab_suites.masking import Masker

pytest_plugins = ["pytester"]

KEY = "planted-secret-value-2"
SET_AT_IMPORT = f"import os, json\nos.environ['SHOP_API_KEY'] = '{KEY}'\n"
"""As `load_dotenv()` does."""
SAY_IT = "answer.raise_for_status(); assert False, 'the key ' + os.environ['SHOP_API_KEY']"


@pytest.fixture(autouse=True)
def no_key_is_left_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHOP_API_KEY", "")
    monkeypatch.delenv("SHOP_API_KEY")


def everything(shop: Any, result: pytest.RunResult) -> str:
    written = [path for path in shop.folder.rglob("*") if path.is_file() and path.suffix in (".jsonl", ".html", ".xml", ".json", ".header")]
    return result.stdout.str() + result.stderr.str() + "".join(path.read_text() for path in written)


@pytest.mark.parametrize("workers", [(), ("-n", "2")])
def test_a_key_set_while_the_agent_is_imported_is_masked(shop: Any, workers: tuple[str, ...]) -> None:
    shop.edit("agent.py", "import json\n", SET_AT_IMPORT)
    shop.edit("agent.py", "answer.raise_for_status()", SAY_IT)
    told = everything(shop, shop.apart("--junitxml=out.xml", *workers))
    assert "the key [secret]" in told
    assert KEY not in told
    assert "the key [secret]" in shop.header()["discovery_errors"]["greet"]


def test_a_key_set_while_the_agent_is_built_is_masked(shop: Any) -> None:
    shop.edit("agent.py", "    messages = []\n", f"    import os; os.environ['SHOP_API_KEY'] = '{KEY}'\n    messages = []\n")
    shop.edit("agent.py", "answer.raise_for_status()", f"assert answer.is_success, '{KEY}'")
    told = everything(shop, shop.apart("-n", "2", "--junitxml=out.xml"))
    assert "[secret]" in told
    assert KEY not in told


def test_a_key_in_a_prompt_is_masked_in_the_header(shop: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHOP_API_KEY", KEY)
    shop.edit("shop.suite.yaml", "prompt: Hello.", f"prompt: Hello with {KEY}.")
    told = everything(shop, shop.pytest("-q", "--junitxml=out.xml"))
    assert [one["prompt"] for one in shop.header()["scenarios"]][1] == "Hello with [secret]."
    assert KEY not in told


def test_a_key_in_the_agents_name_is_masked_in_the_header(shop: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """As in `--agent 'cmd:python app.py --key ...'`."""
    monkeypatch.setenv("SHOP_API_KEY", KEY)
    shop.write(f"{KEY}.py", (shop.folder / "agent.py").read_text())
    told = everything(shop, shop.pytest("-q", "-k", "greet and control", f"--agentlab-agent={KEY}.py:build"))
    assert shop.header()["agent"] == "[secret].py:build"
    assert KEY not in told


def test_an_agent_that_cannot_be_imported_does_not_tell_its_key(shop: Any) -> None:
    shop.edit(
        "agent.py",
        "import json\n",
        SET_AT_IMPORT + "print('printed', os.environ['SHOP_API_KEY'])\nraise ValueError('bad key ' + os.environ['SHOP_API_KEY'])\n",
    )
    result = shop.apart("--junitxml=out.xml")
    told = everything(shop, result)
    assert result.ret == 4
    assert "bad key [secret]" in told
    assert "printed [secret]" in told
    assert KEY not in told


def test_what_was_a_secret_once_stays_one() -> None:
    environment = {"A_KEY": "first-secret"}
    mask = Masker(environment)
    del environment["A_KEY"]
    environment |= {"B_KEY": "second-secret", "HOME": "/home"}
    assert mask("first-secret second-secret /home") == "[secret] [secret] /home"


def test_a_key_that_takes_the_place_of_another_is_a_secret_too() -> None:
    environment = {"A_KEY": "first-secret"}
    mask = Masker(environment)
    environment["A_KEY"] = "second-secret"
    assert mask("first-secret second-secret") == "[secret] [secret]"


def test_a_key_of_the_process_that_is_replaced_is_a_secret_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHOP_API_KEY", "first-secret")
    mask = Masker()
    monkeypatch.setenv("SHOP_API_KEY", "second-secret")
    assert mask("first-secret second-secret") == "[secret] [secret]"


@pytest.mark.parametrize(
    "key",
    [
        "sk-proj-abcDEF0123456789_-xyz",
        "AIzaSyA0123456789abcdefghijklmno",
        "ghp_0123456789abcdefghijABCDEF",
        "AKIA0123456789ABCDEF",
        "Bearer abc.def-0123456789",
        "github_pat_0123456789abcdefghijABCDEF",
        "xoxb-0123456789-abcdef",
        "eyJhbGciOiJIUzI1.eyJzdWIiOiIxMjM0.c2lnbmF0dXJl",
    ],
)
def test_a_key_that_stands_in_the_code_is_known_by_its_form(key: str) -> None:
    told = Masker({})(f"the header was {key}, and no more")
    assert told in ("the header was [secret], and no more", "the header was Bearer [secret], and no more")


def test_a_password_in_an_address_is_one_too() -> None:
    assert (
        Masker({})("at redis://:hunter2@cache:6379/0 and postgres://app:hunter3@db")
        == "at redis://[secret]@cache:6379/0 and postgres://[secret]@db"
    )


def test_a_key_at_the_place_where_a_long_error_is_cut_is_not_told_by_half(shop: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHOP_API_KEY", KEY)
    shop.edit("agent.py", "answer.raise_for_status()", f"assert answer.is_success, '{'a ' * 75}{KEY} is the key'")
    told = everything(shop, shop.pytest("-q", "--junitxml=out.xml", "-k", "greet"))
    assert "AssertionError: a a" in told
    assert KEY[:9] not in told


def test_what_the_agent_had_printed_is_masked_where_the_lab_itself_fails(shop: Any) -> None:
    broken = "def broken(*_, **__):\n    print('it is', os.environ['SHOP_API_KEY'])\n    raise ValueError(os.environ['SHOP_API_KEY'])\n"
    shop.write("conftest.py", f"{SET_AT_IMPORT}from agentlab_suites import items\n\n{broken}\nitems.play_cell = broken\n")
    told = everything(shop, shop.apart("--junitxml=out.xml", "-k", "greet and control"))
    assert "it is [secret]" in told
    assert KEY not in told


def test_warnings_and_logs_of_an_agent_are_masked_where_pytest_writes_them(shop: Any) -> None:
    said = "import logging, warnings; k = os.environ['SHOP_API_KEY']; warnings.warn('warned ' + k); logging.error('log ' + k)"
    shop.edit("agent.py", "import json\n", SET_AT_IMPORT)
    shop.edit("agent.py", "        messages.append({", f"        {said}\n        messages.append({{")
    told = everything(shop, shop.apart("-o", "log_cli=true", "-o", "log_file=own.log", "-k", "greet and control"))
    log = (shop.folder / "own.log").read_text()
    assert "warned [secret]" in told
    assert "log [secret]" in log
    assert KEY not in told + log


def test_a_secret_is_known_in_an_address_and_in_json() -> None:
    mask = Masker({"A_KEY": 'half/of+it="€"'})
    assert mask("?key=half%2Fof%2Bit%3D%22%E2%82%AC%22&x") == "?key=[secret]&x"
    assert mask('{"a": "half/of+it=\\"€\\""}') == '{"a": "[secret]"}'


def test_a_secret_that_is_no_utf_8_is_masked_too() -> None:
    mask = Masker({"A_KEY": "half-\udcff-of-it"})
    assert mask("it is half-\udcff-of-it") == "it is [secret]"
    assert mask("?key=half-%FF-of-it&x") == "?key=[secret]&x"
