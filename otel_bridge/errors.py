"""What stops us. Bad input never does: that is a ``Problem`` value (pure).

BridgeError           (exit code 1)
├── WriteError        a file or stream could not be written
├── UsageError        the caller asked for something impossible (exit code 2)
├── NotFoundError     nothing there to work on (exit code 3)
├── DeliveryError     telemetry could not be handed over completely (exit code 4)
└── StoreError        the index cannot be used (exit code 5)
    └── BusyError     because another process is writing it
"""

from __future__ import annotations


class BridgeError(Exception):
    """A failure with a sentence for the user: what, where, the value seen and what to do next."""

    exit_code = 1


class WriteError(BridgeError):
    """A file or stream cannot be written; the sentence names it and says why."""


class UsageError(BridgeError):
    """A wrong option, setting or combination of them; the sentence names it and what is allowed."""

    exit_code = 2


class NotFoundError(BridgeError):
    """No transcript, session or model by the name given."""

    exit_code = 3


class DeliveryError(BridgeError):
    """Some telemetry was rejected or could not be delivered; the summary says how much."""

    exit_code = 4


class StoreError(BridgeError):
    """The index cannot be opened, written or shared; the sentence says where it is and who holds it."""

    exit_code = 5


class BusyError(StoreError):
    """Another process is writing the index; the sentence says which."""
