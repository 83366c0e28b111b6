"""What an agent prints while a command watches it: whole lines on standard error, without secrets."""

from __future__ import annotations

import subprocess
import sys
import time

import pytest

from agentlab.commands.watching import agent_speaking

SECRET = "sk-" + "a1B2" * 6


def test_a_secret_in_pieces_is_masked_and_a_line_that_does_not_end_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    with agent_speaking():
        for piece in (f"key {SECRET[:9]}", f"{SECRET[9:]}\nand", " this\n", "unended"):
            sys.stdout.write(piece)
    seen = capsys.readouterr()
    assert seen.out == ""
    assert SECRET[9:] not in seen.err
    assert seen.err.endswith("\nand this\nunended\n")


def test_a_long_line_in_many_pieces_is_not_copied_with_each(capsys: pytest.CaptureFixture[str]) -> None:
    piece = "words " * 8
    began = time.process_time()
    with agent_speaking():
        for _ in range(40_000):
            sys.stdout.write(piece)
    assert time.process_time() - began < 2.5
    assert len(capsys.readouterr().err) == 40_000 * len(piece) + 1


def test_a_child_process_of_the_agents_may_have_standard_error(capfd: pytest.CaptureFixture[str]) -> None:
    with agent_speaking():
        subprocess.run([sys.executable, "-c", "import sys; sys.stderr.write('child')"], stderr=sys.stderr, check=True)
    assert "child" in capfd.readouterr().err
