"""Cassettes: a real provider recorded once, without secrets, and played again as often as needed, in virtual time or on a socket."""

from __future__ import annotations

from agentlab_faults.cassette.matching import CassetteMismatch, Player
from agentlab_faults.cassette.recording import Recorder
from agentlab_faults.cassette.take import BadCassette, Take, Tape, load, save

__all__ = ["BadCassette", "CassetteMismatch", "Player", "Recorder", "Take", "Tape", "load", "save"]
