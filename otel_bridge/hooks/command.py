"""What the client runs when a session stops: one line of POSIX sh that is over at once (pure).

It starts the real work in the background, in a session of its own, with nothing of the client's but its environment and
its folder. What the client writes to the hook is read by a background `cat`, for a client whose pipe breaks complains.
Whatever happens, the exit code is 0 and nothing is printed.
"""

from __future__ import annotations

from collections.abc import Sequence
from shlex import join, quote

PROJECT_VARIABLE = "CLAUDE_PROJECT_DIR"
"""Where the client was started; set for hooks since 1.0.58. Before, a hook's own folder is the best guess."""


def hook_command(program: Sequence[str], metrics_dir: str, *, opt_in: bool) -> str:
    """Return the line that has ``program`` refresh the metrics of the project the client works in.

    With ``opt_in`` only projects that have a folder ``metrics_dir`` are touched: what a user's own hook does everywhere
    must not spread files into every project.
    """
    run = [join(program), "hook", "run", "--project", f'"${{{PROJECT_VARIABLE}:-.}}"', "--metrics-dir"]
    arguments = [*run, quote(metrics_dir), *(["--opt-in"] if opt_in else [])]
    drain = "{ cat <&3 & } >/dev/null 2>&1 3<&0"
    start = f"{{ d=nohup; command -v setsid && d=setsid; $d {' '.join(arguments)} </dev/null & }} >/dev/null 2>&1"
    return f"{drain}; {start}; exit 0"
