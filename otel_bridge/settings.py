"""What the environment says about where things lie (the only module that reads it)."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path


def environment() -> Mapping[str, str]:
    """Return the process environment; everything below takes it as an argument."""
    return os.environ


def transcript_roots(env: Mapping[str, str]) -> list[Path]:
    """Return the folders Claude Code writes transcripts to, whether they exist or not.

    ``CLAUDE_CONFIG_DIR`` (several separated by commas) replaces ``~/.claude`` and ``~/.config/claude``.
    """
    configured = [part.strip() for part in env.get("CLAUDE_CONFIG_DIR", "").split(",") if part.strip()]
    folders = [_expanded(part) for part in configured or ("~/.claude", "~/.config/claude")]
    return [folder if folder.name == "projects" else folder / "projects" for folder in folders]


def user_settings_path(env: Mapping[str, str]) -> Path:
    """Return the file of a user's own settings of Claude Code, whether it exists or not."""
    return transcript_roots(env)[0].parent / "settings.json"


def present_roots(env: Mapping[str, str]) -> list[Path]:
    """Return those of ``transcript_roots`` that are there, or of which nobody lets us know: reading them says so."""
    return [root for root in transcript_roots(env) if _may_be_there(root)]


def _may_be_there(folder: Path) -> bool:
    try:
        return folder.exists()
    except OSError:
        return True


def data_folder(env: Mapping[str, str]) -> Path:
    """Return the folder of what is kept between runs: ``OTEL_BRIDGE_DATA_DIR``, else the one the system has for it."""
    configured = env.get("OTEL_BRIDGE_DATA_DIR", "").strip()
    if configured:
        return _expanded(configured)
    import platformdirs  # seldom wanted, and 15 ms of start-up

    try:
        return platformdirs.user_data_path("otel-bridge", appauthor=False)
    except RuntimeError:  # a user without home and name: who opens it is told that nothing can be made there
        return Path(os.devnull) / "otel-bridge"


def home_folder() -> Path | None:
    """Return the user's home; ``None`` where there is none."""
    try:
        return Path.home()
    except RuntimeError:  # a container's user need not have one
        return None


def _expanded(folder: str) -> Path:
    try:
        return Path(folder).expanduser()
    except RuntimeError:  # a container's user need not have a home
        return Path(folder)


def worker_count() -> int:
    """Return how many processes reading may use: the cores this process is allowed to run on."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not on macOS and Windows
        return os.cpu_count() or 1
