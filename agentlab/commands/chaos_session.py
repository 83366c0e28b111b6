"""One session of `agentlab chaos`: server, app, log and summary, from start to end."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from agentlab.commands.chaos_keys import HELP, Keys, keyboard
from agentlab.commands.chaos_telling import Teller
from agentlab.commands.console import SHIP, UNDECIDABLE, CommandError, stderr, stdout

if TYPE_CHECKING:
    from agentlab_faults.proxy import Certificates, Front, Scopes, Server
    from agentlab_faults.proxy.live import Live
    from agentlab_faults.scrub import Scrubber

    from agentlab.commands.chaos_options import Options, Source

__all__ = ["run_session"]

CONTROL = "AGENTLAB_CHAOS_URL"
"""Tells the app, or its tests, where the server's own API is."""


async def run_session(options: Options) -> int:
    """Run until the app ends, or until a signal. Returns the exit code."""
    from agentlab_faults.proxy import CannotListen, Door, Front, Scopes, Scripted, Server
    from agentlab_faults.scrub import Scrubber
    from agentlab_suites.masking import Masker

    source, scrubber, mask = options.source, Scrubber(), Masker()

    def clean(text: str) -> str:
        return scrubber.text(mask(text))

    teller = Teller(stdout() if options.as_json and not options.command else stderr(), clean, as_json=options.as_json)
    scripts = () if source.script is None else (source.script,)
    scopes = Scopes(
        plan=options.plan,
        scripts=scripts,
        limits=source.limits,
        cassette=source.cassette,
        seed=options.seed,
        tell=teller.entry,
        tls=options.tls,
    )
    live = _live(source, scrubber)
    if live is not None:
        live.tell = teller.note
    front = Front(scopes, live or Scripted(), scrubber)
    front.server = server = Server(front, allow_hosts=options.allow_hosts)
    with _certificates(wanted=options.tls) as certificates:
        front.door = door = Door(scopes, server, certificates)
        server.greet = door.greet if certificates is not None else None
        scopes.switched = door.switched
        try:
            await server.start(options.listen, options.port)
        except CannotListen as error:
            raise CommandError(str(error)) from error
        try:
            code = await _Session(options, teller, front, server, clean, certificates).run()
            if live is not None:
                teller.note(live.purse.said)
            return code
        finally:
            await door.close()
            await server.close()
            if live is not None:
                await live.close()


@contextlib.contextmanager
def _certificates(*, wanted: bool) -> Iterator[Certificates | None]:
    """Throw-away certificates, in a folder that goes with them; None without TLS. Raises CommandError where they cannot be made."""
    from agentlab_faults.proxy import Certificates

    if not wanted:
        yield None
        return
    with tempfile.TemporaryDirectory(prefix="agentlab-chaos-") as folder:
        try:
            certificates = Certificates(Path(folder))
        except ModuleNotFoundError as error:
            raise CommandError(
                "--tls makes certificates with cryptography, which is not installed: pip install 'agentlab-chaos[tls]'."
            ) from error
        yield certificates


def _live(source: Source, scrubber: Scrubber) -> Live | None:
    """The real provider, if one is to answer."""
    from agentlab_faults.cassette import Recorder
    from agentlab_faults.proxy.budget import Budget, Purse
    from agentlab_faults.proxy.live import Live

    if source.upstream is None:
        return None
    try:
        live = Live(source.upstream, Purse(source.budget or Budget()))
    except ValueError as error:  # the environment names a proxy that cannot be spoken to
        raise CommandError(str(error)) from error
    if source.record is not None:
        live.keep = Recorder(source.record, source.name, scrubber)
    return live


class _Session:
    def __init__(
        self,
        options: Options,
        teller: Teller,
        front: Front,
        server: Server,
        mask: Callable[[str], str],
        certificates: Certificates | None,
    ) -> None:
        self._door, self._certificates = front.door, certificates
        self._options, self._teller, self._server, self._mask = options, teller, server, mask
        self._scopes: Scopes = front.scopes
        self._signal: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    async def run(self) -> int:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(number, self._signalled, number)
        self._greet()
        code = await (self._with_app() if self._options.command else self._alone())
        if self._door is not None:
            await self._door.close()
        self._scopes.finish()
        self._sum_up()
        if self._options.output is not None:
            self._write(self._options.output, code)
        return code

    def _write(self, path: Path, code: int) -> None:
        """Write the results. Raises CommandError if they cannot be written."""
        from agentlab_reports import write_results
        from agentlab_suites.conformance import Watched, results_of

        options = self._options
        watched = Watched(
            name=options.source.name,
            agent=" ".join(options.command) or "an app on a socket",
            seed=options.seed,
            blows=self._scopes.blows,
            seconds=self._scopes.now(),
            exit_code=code if options.command else None,
        )
        try:
            write_results(path, [results_of(watched, self._mask)])
        except OSError as error:
            raise CommandError(f"The results cannot be written to {path}: {error.strerror}.") from error
        self._teller.note(f"results in {path}; agentlab report {path} -o report.html")

    @property
    def origin(self) -> str:
        """Where the server is."""
        host = f"[{self._server.address}]" if ":" in self._server.address else self._server.address
        return f"{'https' if self._options.tls else 'http'}://{host}:{self._server.port}"

    def _signalled(self, number: int) -> None:
        if not self._signal.done():
            self._signal.set_result(number)

    def _greet(self) -> None:
        plan = self._options.plan
        self._teller.note(f"listening on {self.origin}, {self._options.source.said}; {_told(plan.name, plan.rate)}")
        if plan.left_out:
            self._teller.note(f"left out, since no server can make them: {', '.join(plan.left_out)}")
        if not self._options.command:
            self._teller.note(f"set OPENAI_BASE_URL={self.origin}/v1 and the like in your app; switches: {self.origin}/_agentlab/faults")
            if self._certificates is not None:
                self._teller.note(f"trust it by SSL_CERT_FILE={self._certificates.authority} (curl: --cacert, Node: NODE_EXTRA_CA_CERTS)")

    def _begin(self) -> None:
        """The app can come from now on."""
        if self._door is not None:
            self._door.turn()

    async def _alone(self) -> int:
        self._begin()
        keys = Keys(self._scopes, self._teller.note, lambda: self._signalled(signal.SIGINT))
        with keyboard(keys.press) as there:
            if there:
                self._teller.note(HELP)
            number = await self._signal
        return SHIP if number == signal.SIGINT else _exit_code(-number)

    async def _with_app(self) -> int:
        from agentlab_faults.outside import CannotRun, Child, app_environment, trusting

        environment = app_environment(os.environ, self.origin, upstream=self._options.source.upstream)
        if self._certificates is not None:
            environment |= trusting(os.environ, self._certificates.authority)
        environment[CONTROL] = f"{self.origin}/_agentlab"
        try:
            child = await Child.start(self._options.command, environment, keyboard=True)
        except CannotRun as error:
            raise CommandError(str(error)) from error
        self._begin()
        waiting = asyncio.ensure_future(child.wait())
        try:
            await asyncio.wait([waiting, self._signal], return_when=asyncio.FIRST_COMPLETED)
            code = _exit_code(waiting.result()) if waiting.done() else _exit_code(-self._signal.result())
        finally:
            await child.end(self._signal.result() if self._signal.done() else signal.SIGTERM)
            await waiting
        return UNDECIDABLE if code == SHIP and self._scopes.problems else code

    def _sum_up(self) -> None:
        sys.stdout.flush()
        self._teller.summary(
            plan=self._scopes.plan.name,
            requests=sum(scope.conduct.requests for scope in self._scopes.all),
            seconds=self._scopes.now(),
            blows=self._scopes.blows,
            problems=[*self._scopes.problems, *self._server.failures],
        )


def _told(name: str, rate: float | None) -> str:
    """What is to be broken, in words."""
    if not name:
        return "nothing is broken yet"
    return f"breaking {name}" + ("" if rate is None else f" in {100 * rate:.3g} % of requests")


def _exit_code(code: int) -> int:
    """The exit code to end with: the app's, or 128 and the number of the signal that ended it."""
    return code if code >= 0 else 128 - code
