"""One conversation: its history and effects, and its checkpoint in a store that other workers share."""

from __future__ import annotations

import asyncio
import re
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from agentlab.bounds import Deadline
from agentlab.checkpoint import Checkpoint, Progress, decode, encode, owner_of, renamed
from agentlab.effects import Effects
from agentlab.errors import ConflictError, ResumeRefusedError, StoreAwayError, TakenOverError
from agentlab.history import History
from agentlab.loops import PerLoop
from agentlab.stores.guard import Guarded
from agentlab.turn import Turn

__all__ = ["CUT", "Conversation"]

CUT: Final = '{"error": "The run ended before this call gave a result; it may have gone through all the same."}'
IDS: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")
HANDLE: Final = re.compile(rf"({IDS.pattern})\.(\d{{1,9}})\.(\d{{1,9}})")
BEGINNINGS: Final = 5
"""How often a turn is begun while other workers begin theirs in the same conversation."""
USED: Final = "This handle names no unfinished turn; only the last turn can be resumed, and only once."


@dataclass(frozen=True, slots=True)
class _Unfinished:
    """The last turn, if it did not complete."""

    handle: str
    progress: Progress


class Conversation:
    """The state of one agent's conversation. Raises ValueError for an id that is not 1 to 64 letters, digits, `_` and `-`."""

    def __init__(self, agent: str, conversation: str | None, tenant: str, store: Guarded | None) -> None:
        """A conversation that is named may be in the store already: it is looked for when the first turn begins."""
        if conversation is not None and not IDS.fullmatch(conversation):
            raise ValueError(f"A conversation's id is 1 to 64 letters, digits, '_' and '-', not {conversation[:80]!r}.")
        self.id = conversation or uuid.uuid4().hex
        self._owner = uuid.uuid4().hex
        self.history = History(self._owner if store else "")
        self.effects = Effects(self.id)
        self._agent = agent
        self._tenant = tenant
        self._store = store
        self._version = 0
        """The version that the store holds, as far as is known."""
        self._known = self.effects.past_known = conversation is None or store is None
        """Whether what the store holds was read."""
        self._apart = 0
        """Where the part of the history begins that the store has not seen."""
        self._kept = False
        """Whether the last save arrived."""
        self._writing = PerLoop(asyncio.Lock)
        self._ended = 0
        self._unfinished: _Unfinished | None = None

    async def begin(self, text: str, turn: Turn) -> None:
        """A user's turn begins: its text joins the history. Raises TakenOverError if other workers are quicker again and again."""
        self._unfinished = None
        for left in reversed(range(BEGINNINGS)):
            await self._look(turn)
            stood_at = len(self.history)
            try:
                await self._begun(text, turn)
            except TakenOverError:  # another worker has answered turns meanwhile
                self.history.rollback(stood_at)
                self._known, self.effects.past_known, self._apart = False, False, min(self._apart, stood_at)
                if not left:
                    raise
            else:
                return

    async def claim(self, handle: str, deadline: Deadline) -> Progress:
        """The unfinished turn that the handle names, and it is not named any more. Raises ResumeRefusedError."""
        if self._unfinished is not None and self._unfinished.handle == handle:
            await self._read(deadline)
            progress = self._unfinished.progress
        else:
            progress = await self._fetched(handle, deadline)
        self._unfinished = None
        self.history.rollback(progress.stood_at)
        return progress

    async def save(self, turn: Turn, progress: Progress | None) -> None:
        """Keep everything. A store that is away is noted in the turn. Raises TakenOverError if another worker has written since."""
        if self._store is None:
            return
        async with self._writing.here():  # steps of a plan end side by side: what is written last is the newest
            self._kept = False
            if not self._known:
                turn.without.setdefault("checkpoints", "What the store of checkpoints holds could not be read")
                return
            length = len(self.history)
            try:
                self._version = await self._written(self._text(progress), turn.deadline)
            except StoreAwayError as away:
                turn.without["checkpoints"] = str(away)
            else:
                self._kept, self._apart = True, length

    async def end(self, turn: Turn, progress: Progress | None) -> str | None:
        """Keep the turn that has ended; the handle to resume it with, if it did not complete. Raises TakenOverError."""
        await self.save(turn, progress)
        if progress is None:
            return None
        self._ended += 1
        version = f"{self._version}" if self._kept else f"here{self._ended}"  # what is not in the store is resumed by this process only
        self._unfinished = _Unfinished(f"{self.id}.{self.effects.turn}.{version}", progress)
        return self._unfinished.handle

    async def unfinished(self, deadline: Deadline) -> str | None:
        """The handle of the turn that did not complete, by the store if there is one. Raises ResumeRefusedError, StoreAwayError."""
        if self._store is None:
            return self._unfinished.handle if self._unfinished else None
        found = await self._store.load(self._key(self.id), deadline)
        if found is None:
            return None
        checkpoint = decode(found.value, agent=self._agent, conversation=self.id)
        return f"{self.id}.{checkpoint.turn}.{found.version}" if checkpoint.progress else None

    async def _begun(self, text: str, turn: Turn) -> None:
        self.history.close(CUT)
        self.history.add_user(text)
        self.effects.new_turn()
        turn.first = self.effects.turn == 1 and self.effects.past_known
        await turn.save()

    async def _look(self, turn: Turn) -> None:
        away = await self._read(turn.deadline)
        if away:
            turn.without["checkpoints"] = away

    async def _read(self, deadline: Deadline) -> str:
        """Take over what the store holds, if that is not known; what was said meanwhile comes after it. Why the store is away, if it is.

        Raises ResumeRefusedError if it holds no checkpoint of this agent's.
        """
        if self._known or self._store is None:
            return ""
        try:
            found = await self._store.load(self._key(self.id), deadline)
        except StoreAwayError as away:
            return str(away)
        if found is not None:
            self._join(decode(found.value, agent=self._agent, conversation=self.id), found.version)
        self._known = self.effects.past_known = True
        return ""

    def _join(self, checkpoint: Checkpoint, version: int) -> None:
        """What was said while the store was away comes after what it holds. It may hold some of it: a confirmation can be lost."""
        before, meanwhile = len(self.history), self.history.kept.messages[self._apart :]
        self._adopt(checkpoint, version)
        self.history.close(CUT)
        meanwhile = self.history.unknown(meanwhile)
        ids = self.history.extend(meanwhile)
        self.effects.turn += sum(message["role"] == "user" for message in meanwhile)
        if self._unfinished is not None:
            progress = self._unfinished.progress
            stood_at = progress.stood_at + len(self.history) - before
            self._unfinished = replace(self._unfinished, progress=renamed(replace(progress, stood_at=stood_at), ids))

    async def _fetched(self, handle: str, deadline: Deadline) -> Progress:
        named = HANDLE.fullmatch(handle)
        if self._store is None or named is None or (self.effects.turn > 0 and named[1] != self.id):
            raise ResumeRefusedError(USED)
        try:
            found = await self._store.load(self._key(named[1]), deadline)
        except StoreAwayError as away:
            raise ResumeRefusedError(f"The turn cannot be resumed now, try again later: {away}") from away
        if found is None or found.version != int(named[3]):
            raise ResumeRefusedError(USED)
        checkpoint = decode(found.value, agent=self._agent, conversation=named[1])
        if checkpoint.progress is None or checkpoint.turn != int(named[2]):
            raise ResumeRefusedError(USED)
        self._adopt(checkpoint, found.version)
        return checkpoint.progress

    def _adopt(self, checkpoint: Checkpoint, version: int) -> None:
        try:
            self.history.restore(checkpoint.history)
        except ValueError as error:
            raise ResumeRefusedError(
                f"The checkpoint of conversation {checkpoint.conversation} cannot be used: it holds {error}."
            ) from None
        self.id = checkpoint.conversation
        self.effects.adopt(checkpoint.conversation, checkpoint.turn, checkpoint.effects)
        self._version, self._known, self._apart = version, True, len(self.history)

    async def _written(self, text: str, deadline: Deadline) -> int:
        """The new version. A conflict with a write of our own, whose confirmation was lost, is none."""
        assert self._store is not None  # noqa: S101  # for the type checkers: the caller has looked
        key = self._key(self.id)
        try:
            return await self._store.save(key, text, expected=self._version, deadline=deadline)
        except ConflictError:
            found = await self._store.load(key, deadline)
        if found is not None and owner_of(found.value) != self._owner:
            raise TakenOverError("Another worker has taken this conversation over; it goes on there")
        try:
            return await self._store.save(key, text, expected=found.version if found else 0, deadline=deadline)
        except ConflictError:
            raise TakenOverError("Another worker has taken this conversation over; it goes on there") from None

    def _text(self, progress: Progress | None) -> str:
        return encode(
            Checkpoint(
                agent=self._agent,
                conversation=self.id,
                owner=self._owner,
                turn=self.effects.turn,
                history=self.history.kept,
                effects=self.effects.known,
                progress=progress,
            )
        )

    def _key(self, conversation: str) -> str:
        return ":".join(("checkpoint", *_escaped([self._tenant, self._agent]), conversation))


def _escaped(parts: Sequence[str]) -> list[str]:
    """Parts that cannot be told as more or fewer of them."""
    return [part.replace("%", "%25").replace(":", "%3A") for part in parts]
