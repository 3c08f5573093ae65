"""Which session a repeated call belongs to (pure).

Forks and resumes copy history into a new file, each client version changing other fields of the copy. A call that
several sessions hold belongs to the one it was born in:

1. the session the copied line itself names, where that is another session that holds the call too (2.1.50 keeps the
   origin's ``sessionId``, others may write ``forkedFrom``) and no copy itself;
2. else the session whose file was born first: its first queue operation or its first record no other session has
   (these are never copied), and the smaller session id between equals.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Hashable, Iterable, Mapping
from typing import TypeVar

from msgspec import Struct, structs

from otel_bridge.sources.transcript.calls import CallDraft
from otel_bridge.sources.transcript.census import SessionCensus

KeyT = TypeVar("KeyT", bound=Hashable)


class Ownership(Struct, frozen=True):
    """What is known of calls that more than one session holds; everything else is its holder's own."""

    owners: Mapping[str, str] = {}
    """Owning session by call key, for shared calls only."""
    merged: Mapping[str, CallDraft] = {}
    """The owner's draft with the largest counts of all copies, by call key."""
    copied_prompts: Mapping[str, Collection[str]] = {}
    """Uuids of the prompts a session copied from others, by session."""
    births_ns: Mapping[str, int] = {}
    """Birth of each session that shares calls."""
    late_results: Mapping[str, Mapping[str, Mapping[int, int]]] = {}
    """Results of copied tool calls that only the copying session has (the origin stopped before): time by fingerprint,
    by call key, by session."""
    origins: Mapping[str, str] = {}
    """Session a fork's history was copied from, by the fork's session id."""

    def own_part(self, census: SessionCensus) -> SessionCensus:
        """Return the census less what was copied from other sessions, counts merged over all copies.

        A census that this does not change is returned itself.
        """
        session_id = census.session_id
        if session_id not in self.births_ns:
            return census
        calls = [
            self.merged.get(call.key, call)
            for call in census.calls
            if self.owners.get(call.key, session_id) == session_id
        ]
        copied = self.copied_prompts.get(session_id, ())
        prompts = [(uuid, at_ns) for uuid, at_ns in census.prompts if uuid not in copied]
        late = self.late_results.get(session_id, {})
        if calls == census.calls and len(prompts) == len(census.prompts) and not late:
            return census
        late_tools = [(self.merged[key].model, at_ns) for key, ends in late.items() for at_ns in ends.values()]
        return structs.replace(census, calls=calls, prompts=prompts, late_tools=late_tools)


def resolve_ownership(sharing: Iterable[SessionCensus]) -> Ownership:
    """Decide the owner of every call that more than one of the given sessions holds.

    Sessions are of one family when they share calls, directly or through others; what other families hold has no say.
    """
    given = {census.session_id: census for census in sharing}
    holders = _holders((call.key, census.session_id) for census in given.values() for call in census.calls)
    families = _families(holders.values())
    censuses = {sid: census for sid, census in given.items() if sid in families}
    prompt_holders = _holders(
        ((families[sid], uuid), sid) for sid, census in censuses.items() for uuid, _ in census.prompts
    )
    shared_prompts: dict[str, set[str]] = defaultdict(set)
    for (_, uuid), sids in prompt_holders.items():
        for sid in sids:
            shared_prompts[sid].add(uuid)
    births = {sid: _birth_ns(census, holders, shared_prompts[sid]) for sid, census in censuses.items()}
    drafts: dict[str, dict[str, CallDraft]] = defaultdict(dict)
    for census in censuses.values():
        for call in census.calls:
            if call.key in holders:
                drafts[call.key][census.session_id] = call
    owners = {key: _owner(copies, births) for key, copies in drafts.items()}
    merged = {key: _merge(copies, owners[key]) for key, copies in drafts.items()}
    return Ownership(
        owners=owners,
        merged=merged,
        copied_prompts=_copied_prompts(prompt_holders, births),
        births_ns=births,
        late_results=_late_results(drafts, owners, births),
        origins=_origins(censuses.values(), owners, merged),
    )


def _holders(pairs: Iterable[tuple[KeyT, str]]) -> dict[KeyT, list[str]]:
    """Return the holders of every key that more than one session holds."""
    first: dict[KeyT, str] = {}
    shared: dict[KeyT, list[str]] = {}
    for key, session_id in pairs:
        if first.setdefault(key, session_id) != session_id:
            shared.setdefault(key, [first[key]]).append(session_id)
    return shared


def _families(holders: Iterable[list[str]]) -> dict[str, str]:
    """Return the sessions that share something, each with the one that stands for its family."""
    heads: dict[str, str] = {}

    def head(session_id: str) -> str:
        while heads.setdefault(session_id, session_id) != session_id:
            session_id = heads[session_id]
        return session_id

    for first, *others in holders:
        for other in others:
            heads[head(other)] = head(first)
    return {session_id: head(session_id) for session_id in heads}


def _copied_prompts(holders: Mapping[tuple[str, str], list[str]], births: Mapping[str, int]) -> dict[str, set[str]]:
    """Return the prompts each session holds that are another's of its family: of the one born first."""
    copied: dict[str, set[str]] = defaultdict(set)
    for (_, uuid), session_ids in holders.items():
        owner = min(session_ids, key=lambda sid: (births[sid], sid))
        for session_id in session_ids:
            if session_id != owner:
                copied[session_id].add(uuid)
    return copied


def _birth_ns(census: SessionCensus, shared_calls: Collection[str], shared_prompts: Collection[str]) -> int:
    own = [at_ns for uuid, at_ns in census.prompts if uuid not in shared_prompts]
    own += [call.ended_ns for call in census.calls if call.key not in shared_calls]
    own += [census.first_queued_ns]
    times = [at_ns for at_ns in own if at_ns]
    if times:
        return min(times)
    everything = [at_ns for _, at_ns in census.prompts] + [call.ended_ns for call in census.calls]
    return min((at_ns for at_ns in everything if at_ns), default=0)


def _owner(copies: Mapping[str, CallDraft], births: Mapping[str, int]) -> str:
    named = {copy.home for copy in copies.values() if copy.home in copies}
    origins = {sid for sid in named if copies[sid].home not in copies}  # a fork of a fork names a copy
    return min(origins or named or copies, key=lambda sid: (births[sid], sid))


def _late_results(
    drafts: Mapping[str, Mapping[str, CallDraft]], owners: Mapping[str, str], births: Mapping[str, int]
) -> dict[str, dict[str, dict[int, int]]]:
    """Give each result the owner lacks to the oldest session that has it: it is the one that ran the tool."""
    late: dict[str, dict[str, dict[int, int]]] = defaultdict(dict)
    for key, copies in drafts.items():
        taken = set(copies[owners[key]].tool_ends_ns)
        for session_id in sorted(copies, key=lambda sid: (births[sid], sid)):
            new = {tool: at_ns for tool, at_ns in copies[session_id].tool_ends_ns.items() if tool not in taken}
            if new:
                late[session_id][key] = new
                taken.update(new)
    return late


def _merge(copies: Mapping[str, CallDraft], owner: str) -> CallDraft:
    merged = copies[owner].copy()
    for session_id in sorted(copies):
        if session_id != owner:
            merged.absorb_copy(copies[session_id])
    return merged


def _origins(
    censuses: Iterable[SessionCensus], owners: Mapping[str, str], merged: Mapping[str, CallDraft]
) -> dict[str, str]:
    """Return each fork's origin: the owner of the latest call it copied, by the owner's time (1.0.60 copies lie)."""
    origins = {}
    for census in censuses:
        foreign = [call.key for call in census.calls if owners.get(call.key, census.session_id) != census.session_id]
        if foreign:
            origins[census.session_id] = owners[max(foreign, key=lambda key: (merged[key].ended_ns, key))]
    return origins
