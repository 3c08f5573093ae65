"""The page for people: one piece of HTML that needs nothing else (pure)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from html import escape

from otel_bridge import __version__
from otel_bridge.serving.received import Fate, Received
from otel_bridge.serving.self_metrics import BridgeState, Outcome

POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; frame-ancestors 'none'"
"""The content security policy it is sent with: nothing is loaded, run or framed."""

_UNITS = ("bytes", "KiB", "MiB", "GiB", "TiB")

_FINAL = (Outcome.ACCEPTED, Outcome.REJECTED)

_FATES = {
    Fate.STORED: "stored",
    Fate.DUPLICATE: "known already",
    Fate.OUTDATED: "of removed sessions",
    Fate.PASSED_ON: "passed on",
    Fate.REJECTED: "wanted by nobody",
}

_FRAME = """\
<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>otel-bridge</title>
<link rel="icon" href="data:,">
<style>
  :root {{ color-scheme: light dark; font: 1rem/1.5 system-ui, sans-serif }}
  body {{ max-width: 42rem; margin: 3rem auto; padding: 0 1rem }}
  h1 small, dt {{ font-weight: normal; opacity: .65 }}
  dl {{ display: grid; grid-template-columns: 11rem 1fr; gap: .3rem 1rem }}
  dd {{ margin: 0; overflow-wrap: anywhere; font-variant-numeric: tabular-nums }}
  .well {{ border-left: .3rem solid #2a9d5c; padding-left: .8rem }}
  .ill {{ border-left: .3rem solid #d33; padding-left: 2rem }}
</style>
<h1>otel-bridge <small>{version}</small></h1>
{health}
<dl>
{facts}
</dl>
<p><a href="metrics">metrics</a> · <a href="healthz">health</a></p>
</html>
"""


def page(state: BridgeState) -> str:
    """Return the page; whatever comes from outside is escaped."""
    return _FRAME.format(version=escape(__version__), health=_health(state.problems), facts=_facts(state))


def _health(problems: Iterable[str]) -> str:
    items = "".join(f"<li>{escape(problem)}</li>" for problem in problems)
    return f'<ul class="ill">{items}</ul>' if items else '<p class="well">All is well.</p>'


def _facts(state: BridgeState) -> str:
    rows = [(name, "<br>".join(map(escape, values))) for name, *values in _rows(state)]
    return "\n".join(f"  <dt>{escape(name)}<dd>{values}" for name, values in rows)


def _rows(state: BridgeState) -> Iterator[tuple[str, ...]]:
    """Yield names with one value or several."""
    rejected = sum(state.records_rejected.values())
    yield ("Watched", *(state.watched or ("nothing",)))
    yield "Sessions", f"{state.sessions:,} in {state.files:,} files"
    yield "Records read", f"{state.records_read:,}, of which {rejected:,} could not be used"
    if state.received is not None:
        yield from _received(state.received)
    yield "Index", size(state.index_size_bytes)
    yield "Last sync", moment(state.last_sync_s)
    yield "Not yet delivered", f"{state.pending_sessions:,} sessions"
    sent = {key: count for key, count in state.export_items.items() if count}
    answered = [f"{signal}: {count:,} {outcome}" for (signal, outcome), count in sent.items() if outcome in _FINAL]
    in_vain = [f"{signal}: {count:,}" for (signal, outcome), count in sent.items() if outcome not in _FINAL]
    if answered:
        yield ("Exported", *answered)
    if in_vain:
        yield ("Tried in vain", *in_vain)


def _received(received: Received) -> Iterator[tuple[str, ...]]:
    taken = [f"{signal}: {count:,} {_FATES[fate]}" for (signal, fate), count in received.items.items() if count]
    yield ("Received", *(taken or ("nothing",)))
    for name, counts in (
        ("Requests put off", received.put_off),
        ("Requests refused", received.refused),
        ("Not usable", {f"{signal}: {reason}": count for (signal, reason), count in received.problems.items()}),
    ):
        said = [f"{what}: {count:,}" for what, count in counts.items() if count]
        if said:
            yield (name, *said)


def size(size_bytes: float) -> str:
    """Return a size for people: ``1.5 MiB``."""
    for unit in _UNITS[:-1]:
        if size_bytes < 1024:
            return f"{size_bytes:,.0f} {unit}" if unit == "bytes" else f"{size_bytes:,.1f} {unit}"
        size_bytes /= 1024
    return f"{size_bytes:,.1f} {_UNITS[-1]}"


def moment(at_s: float | None) -> str:
    """Return a time for people, in UTC."""
    return "never" if at_s is None else f"{datetime.fromtimestamp(at_s, UTC):%Y-%m-%d %H:%M:%S} UTC"
