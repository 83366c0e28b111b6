"""`os._exit` in a simulation: code under test that leaves this way would end the lab with a code of its own, 0 for instance."""

from __future__ import annotations

import os
from typing import NoReturn

from agentlab_faults.sim.active import LAB
from agentlab_faults.sim.real import get_ident

__all__ = ["install"]


def install() -> None:
    """Patch it; once per process. On other threads, in forked children and without an active simulation it is what it was."""
    lab, thread, real, process, home = LAB, get_ident, os._exit, os.getpid, os.getpid()

    def _exit(status: int) -> NoReturn:
        if lab.hub is None or thread() != lab.thread or process() != home:
            real(status)
        raise SystemExit(status)

    os._exit = _exit
