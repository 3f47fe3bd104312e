"""Recorded events: files of event cameras and of event data sets, as the records that `rsnn.Network.run` takes."""

from __future__ import annotations

from .files import events
from .recordings import Recordings

__all__ = ["Recordings", "events"]
