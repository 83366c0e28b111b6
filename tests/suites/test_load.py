"""Suites that cannot be used: each is refused with its file, its line and the nearest right name."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from agentlab_faults.dialects.limits import Limits
from agentlab_suites.load import load_suite
from agentlab_suites.nodes import MAX_BYTES
from agentlab_suites.not_yet import NOT_YET
from agentlab_suites.problems import BadSuite
from agentlab_suites.scene import scenes
from agentlab_suites.schema import suite_schema
from hypothesis import given
from hypothesis import strategies as st

GOOD = """\
version: 1
agent: app:build
tools:
  lookup: {effect: read, returns: {total: 49.9}}
  refund: {effect: write, identity: [order]}
scenarios:
  refund_order:
    prompt: Refund 5512.
    script:
      - call: {lookup: {id: "5512"}}
      - call: {refund: {order: "5512"}}
      - say: Refunded.
    expect:
      - reply.contains: Refunded
      - ledger.exactly: {refund: 1}
"""


@pytest.fixture
def refused(tmp_path: Path) -> Callable[[str], str]:
    """The sentence for a suite's text, without its folder."""

    def load(text: str) -> str:
        path = tmp_path / "my.suite.yaml"
        path.write_text(text)
        with pytest.raises(BadSuite) as caught:
            load_suite(path)
        assert str(caught.value).startswith(f"{path}:{caught.value.line}: ")
        assert "\n" not in str(caught.value)
        return str(caught.value).removeprefix(f"{tmp_path}/")

    return load


def test_a_good_suite_keeps_its_lines_and_takes_its_name_from_the_file(tmp_path: Path) -> None:
    path = tmp_path / "my.suite.yaml"
    path.write_text(GOOD)
    loaded = load_suite(path)
    assert loaded.name == "my"
    assert loaded.line("scenarios", "refund_order") == 7
    assert loaded.line("scenarios", "refund_order", "expect", 1) == 15
    assert loaded.suite.scenarios["refund_order"].script[1].calls == (("refund", {"order": "5512"}),)


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ("agent: app:build", "agnet: app:build", "my.suite.yaml:2: 'agnet' is not a key of a suite; did you mean 'agent'?"),
        ("prompt:", "promt:", "8: 'promt' is not a key under 'scenarios.refund_order'; did you mean 'prompt'?"),
        ("effect: read", "efect: read", "4: 'efect' is not a key under 'tools.lookup'; did you mean 'effect'?"),
        ("reply.contains", "reply.contain", "14: 'reply.contain' is not a key under 'scenarios.refund_order.expect[0]'; did you mean"),
        ("version: 1", "version: 2", "1: 'version' must be 1, not 2."),
        ("version: 1\n", "", "The suite has no 'version:'; add it."),
        ("effect: read", "effect: reed", "4: 'tools.lookup.effect' cannot be 'reed'; did you mean 'read'?"),
        ("prompt: Refund 5512.", "prompt: 5512", "8: 'scenarios.refund_order.prompt' must be text; put it in quotes, not 5512."),
        ("prompt: Refund 5512.", "weight: heavy\n    prompt: x", "8: 'scenarios.refund_order.weight' must be a number, not 'heavy'."),
        ("prompt: Refund 5512.", "weight: 5000\n    prompt: x", "'scenarios.refund_order.weight' must be at most 100, not 5000."),
        ("prompt: Refund 5512.", "weight: 0\n    prompt: x", "must be more than 0, not 0."),
        ("prompt: Refund 5512.", "session: {runs: 1}\n    prompt: x", "'scenarios.refund_order.session.runs' must be at least 2, not 1."),
        ("prompt: Refund 5512.", "session: {arrivals: [-1s, 2s]}\n    prompt: x", "session.arrivals[0]' must be a time such as"),
        (
            "prompt: Refund 5512.",
            "session: {arrivals: {every: 0s, count: 5}}\n    prompt: x",
            "session.arrivals.every' must be a time such as",
        ),
        ("prompt: Refund 5512.", "deadline: soon\n    prompt: x", "must be a time such as 60s, 2m or 500ms, at most a year, not 'soon'."),
        ("{refund: 1}", "{refund: one}", "15: 'scenarios.refund_order.expect[1].ledger.exactly.refund' must be a whole number, not 'one'."),
        ("{refund: 1}", "{refnud: 1}", "15: No tool is named 'refnud'; did you mean 'refund'?"),
        ("identity: [order]", "identity: order", "5: 'tools.refund.identity' must be a list, not 'order'."),
        ("      - say: Refunded.\n", "", "The script of 'refund_order' ends with a call or a plan; end it with '- say: ...'."),
        ("- say: Refunded.", "- say: 5", "must be text, or a mapping where a structured answer is asked for, not 5; put it in quotes."),
        ("- say: Refunded.", "- say: a\n      - say: b", "says something 2 times for 1 user turn(s)"),
        ("call: {refund:", "call: {pay:", "11: The script calls 'pay', which 'tools:' does not declare; add: tools: {pay: {effect: write"),
        (
            "call: {refund:",
            "call: {refnd:",
            "'refnd', which 'tools:' does not declare; did you mean 'refund', or add:",
        ),
        ("prompt: Refund 5512.", "turns: []", "'scenarios.refund_order.turns' is empty; give it at least one entry."),
        ("    prompt: Refund 5512.\n", "", "'scenarios.refund_order' needs either 'prompt:' or 'turns:'."),
        ("tools:", "modes: [rate-limit-strom]\ntools:", "3: No mode is named 'rate-limit-strom'; did you mean 'rate-limit-storm'?"),
        ("tools:", 'faults: ["http_492*"]\ntools:', "3: No fault is named 'http_492*'; did you mean 'http_4"),
        ("tools:", "layers: [full, cache]\ntools:", "3: 'layers[1]' cannot be 'cache'; did you mean 'cached'?"),
        ("tools:", "gate: {coverage: 850%}\ntools:", "3: 'gate.coverage' must be a share such as 85% or 0.85, not '850%'."),
        ("tools:", "allow: [succes]\ntools:", "cannot be 'succes'; did you mean 'success'?"),
        ("tools:", "fallback: {model: sometimes}\ntools:", "3: 'fallback.model' must be true or false, not 'sometimes'."),
        ("tools:", "name: my suite\ntools:", "3: 'name' is 'my suite', which does not have the form"),
        ("tools:", "explore: pairs\ntools:", "3: 'explore: pairs' comes in a later version"),
        ("prompt: Refund 5512.", "provider: live\n    prompt: x", "8: 'provider: live' comes in a later version"),
        ("reply.contains: Refunded", 'reply.matches: "("', "is not a regular expression"),
        ("reply.contains: Refunded", 'reply.matches: ".*"', "matches every text, so it checks nothing"),
        ("reply.contains: Refunded", 'reply.contains: ""', "is empty; write what must be there"),
        ("reply.contains: Refunded", "reply.contains: []", "is empty"),
        ("{refund: 1}", "{}", "is empty"),
        ("expect:", "claims: {refund: []}\n    expect:", "'scenarios.refund_order.claims.refund' is empty"),
        ("expect:", "claims: {refnd: [done]}\n    expect:", "13: No tool is named 'refnd'; did you mean 'refund'?"),
        ("expect:", "under: {http_999: {allow: [success]}}\n    expect:", "13: No mode or fault is named 'http_999'"),
        ("expect:", "skip: {http_503: {reason: later, until: never}}\n    expect:", "must be a day such as 2027-01-15, not 'never'."),
        (
            "expect:",
            "skip: {http_503: {until: 2027-01-15}}\n    expect:",
            "13: 'scenarios.refund_order.skip.http_503' has no 'reason:'; add it.",
        ),
        ("returns: {total: 49.9}", "returns: {total: .inf}", "4: inf is not a number that can be counted with"),
        ("returns: {total: 49.9}", "returns: {5: 1}", "4: The key 5 is not text; put it in quotes."),
        ("returns: {total: 49.9}", "returns: !!python/object:os.system {}", "4: The tag !!python/object:os.system is not allowed"),
        ("agent: app:build", "agent: &a app:build\nname: *a", "3: The alias *a is not allowed; write the value out."),
        ("agent: app:build", "agent: app:build\nagent: other:build", "3: The key 'agent' stands here and in line 2; keep one of them."),
        ("agent: app:build", "agent: [app", "This is not YAML: "),
        ("agent: app:build", "agent:\n\t- x", "3: This is not YAML: "),
        ("agent: app:build", "agent: app\x00:build", "2: The character '\\x00' cannot stand in YAML; take it out."),
        ("Refund 5512.", '"half \\ud83d"', "8: 'half \\ud83d' holds half of a character; write the whole one."),
        (
            "expect:",
            "skip: {http_503: {reason: x, until: 2027-01-15}}\n    expect:",
            "is too short with 'x'; it needs at least 3 characters.",
        ),
    ],
)
def test_a_mistake_is_one_sentence_with_its_line(refused: Callable[[str], str], old: str, new: str, sentence: str) -> None:
    assert old in GOOD
    assert sentence in refused(GOOD.replace(old, new, 1))


@pytest.mark.parametrize("key", sorted(NOT_YET))
def test_a_key_of_a_later_version_says_so(refused: Callable[[str], str], key: str) -> None:
    assert refused(GOOD + f"{key}: 1\n").endswith(NOT_YET[key])


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "1: The suite is empty; start it with 'version: 1', 'agent:' and 'scenarios:'."),
        ("# nothing\n", "The suite is empty"),
        ("- a\n", "1: A suite is a mapping of keys such as 'version:' and 'scenarios:', not a list."),
        ("just words", "not a single value."),
        ("a: " + "[" * 60 + "]" * 60, "nested deeper than"),
        ("a: &x [1]\nb: [*x, *x]", "2: The alias *x is not allowed"),
        ("x: " + "9" * 5000, "This is not YAML"),
        ("a: b\n---\nc: d\n", "This is not YAML: "),
    ],
)
def test_a_file_that_is_no_suite_is_refused(refused: Callable[[str], str], text: str, sentence: str) -> None:
    assert sentence in refused(text)


def test_a_large_file_is_refused_before_it_is_parsed(refused: Callable[[str], str]) -> None:
    assert f"at most {MAX_BYTES:,} are read" in refused("# " + "x" * MAX_BYTES)


def test_a_file_that_is_not_text_says_where(tmp_path: Path) -> None:
    path = tmp_path / "my.suite.yaml"
    path.write_bytes(b"version: 1\nagent: \xff\n")
    with pytest.raises(BadSuite, match=r":2: The suite is not UTF-8 text"):
        load_suite(path)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadSuite, match="No such file"):
        load_suite(tmp_path / "none.suite.yaml")


def test_a_prompt_may_lie_in_a_file_below_the_suite(tmp_path: Path) -> None:
    path = tmp_path / "my.suite.yaml"
    path.write_text(GOOD.replace("prompt: Refund 5512.", "prompt: file:prompts/refund.txt"))
    (tmp_path / "prompts").mkdir()
    (tmp_path / "prompts" / "refund.txt").write_text("Refund it, please.\n")
    before = load_suite(path)
    assert before.suite.scenarios["refund_order"].prompts == ("Refund it, please.",)
    (tmp_path / "prompts" / "refund.txt").write_text("Refund it now.\n")
    assert load_suite(path).digest != before.digest


@pytest.mark.parametrize("place", ["../secret.txt", "/etc/passwd", "link.txt", "", "none.txt"])
def test_a_prompt_outside_the_suites_folder_is_refused(refused: Callable[[str], str], tmp_path: Path, place: str) -> None:
    (tmp_path.parent / "secret.txt").write_text("secret")
    (tmp_path / "link.txt").symlink_to(tmp_path.parent / "secret.txt")
    sentence = refused(GOOD.replace("prompt: Refund 5512.", f"prompt: 'file:{place}'"))
    assert sentence.startswith("my.suite.yaml:8: ")
    assert ("cannot be read" if place == "none.txt" else "lies outside the suite's folder") in sentence


def test_a_named_pipe_is_refused_and_not_waited_for(refused: Callable[[str], str], tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.txt")
    os.mkfifo(tmp_path / "pipe.suite.yaml")
    for place in ("pipe.txt", "."):
        assert "is no ordinary file" in refused(GOOD.replace("prompt: Refund 5512.", f"prompt: 'file:{place}'"))
    with pytest.raises(BadSuite, match="no ordinary file"):
        load_suite(tmp_path / "pipe.suite.yaml")


@given(
    st.recursive(st.none() | st.booleans() | st.integers() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner))
)
def test_any_yaml_is_either_a_suite_or_one_sentence(tmp_path_factory: pytest.TempPathFactory, value: object) -> None:
    path = tmp_path_factory.mktemp("any") / "any.suite.yaml"
    text = GOOD.split("scenarios:", maxsplit=1)[0] + yaml.safe_dump({"scenarios": {"s": value}})
    path.write_text(text)
    with pytest.raises(BadSuite) as caught:
        load_suite(path)
    assert 1 <= caught.value.line <= text.count("\n") + 1


def test_editors_get_a_schema_that_knows_every_key() -> None:
    schema = suite_schema()
    assert {"agent", "scenarios", "tools", "gate", "modes"} <= set(schema["properties"])
    assert "reply.contains" in schema["$defs"]["Check"]["properties"]
    assert "http_429_rate" in schema["properties"]["faults"]["examples"][0]
    assert schema["additionalProperties"] is False


def test_limits_reach_the_scripted_provider(tmp_path: Path) -> None:
    path = tmp_path / "shop.suite.yaml"
    path.write_text(GOOD + "limits: {context: 8000, requests_per_minute: 20}\n")
    [scene] = scenes(load_suite(path), watchdog=None, hooked={})
    assert scene.setup.limits == Limits(context=8000, requests_per_minute=20)


def test_a_limit_that_is_no_number_is_refused(refused: Callable[[str], str]) -> None:
    assert "limits" in refused(GOOD + "limits: {context: 8k}\n")
    assert "context" in refused(GOOD + "limits: {contxt: 8000}\n")
