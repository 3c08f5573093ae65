"""What can stop an experiment with a real client."""

from __future__ import annotations


class CannotBeHadError(Exception):
    """The machine has no npm, reaches no registry or refuses namespaces; the sentence has its own words."""


class ClientError(Exception):
    """The client could not be installed, ended in failure or took too long; the sentence has its last words."""
