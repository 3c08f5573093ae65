"""Secrets out of texts before anything else happens to them (pure).

Every pattern takes time linear in the text, whatever the text: quantifiers are possessive or bounded, and no match can
start inside what another start has already scanned. A pattern only runs over texts that contain one of its cues.
The result may hide more than secrets (``password = read()``); the other mistake cannot be taken back.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from msgspec import Struct


class Rule(Struct, frozen=True):
    """One kind of secret; all of a match is replaced but its group ``before``."""

    kind: str
    cues: tuple[str, ...]
    """Lower-case strings of which a text with such a secret contains at least one."""
    pattern: re.Pattern[str]
    hint: re.Pattern[str] | None = None
    """Found in every such text in lower case, and sooner than the pattern: for a pattern with much to try."""

    def applied(self, text: str) -> str:
        """Return the text with every secret of this kind replaced by ``[REDACTED-kind]``."""
        return self.pattern.sub(f"\\g<before>[REDACTED-{self.kind}]", text)


def _rule(kind: str, cues: str, secret: str, *, before: str = "", hint: str | None = None) -> Rule:
    pattern = re.compile(f"(?P<before>{before})(?:{secret})", re.ASCII | re.IGNORECASE | re.DOTALL)
    return Rule(kind, tuple(cues.split()), pattern, re.compile(hint, re.ASCII) if hint else None)


_NAME = (
    r"(?:pass(?:word|wd|phrase)|(?<=[_-])(?:pwd|pass)(?![a-z])|secret|credential"
    r"|token(?!s|[_-]?(?:usage|count|limit|budget|type|iz))"
    r"|(?:api|access|private|signing|encryption|account|auth|shared)[_-]?key|(?-i:(?<=[A-Z0-9]_)KEY(?!S)))[\w-]{0,60}+"
)
"""The part of a name that says its value is secret, to the name's end; ``max_tokens`` is none, ``PWD`` a folder."""

_NAME_CUES = "pass pwd secret credential token key"

_NAME_HINT = rf"(?:{_NAME_CUES.replace(' ', '|')})[\w-]{{0,70}}+"
"""Found, in lower case, in every such name and as far as to its end."""

_ASSIGNED = r"""(?:["'\\]{1,4}+[\])]?+)?+(?:>|\s{0,16}+(?::=|=>|[:=]{1,2})\s{0,16}+)"""
"""From a name to its value in shells, JSON, YAML, XML and code."""

_QUOTE = r"""(?P<quote>\\{0,8}+["'])?"""

_VALUE = r"""(?(quote)(?:(?!(?P=quote))(?:\\.|[^\\\r\n]))++|[^\s"'`,;]{4,}+)"""
"""To the closing quote, which is spelled like the opening one (in JSON inside JSON: escaped), or a bare word."""

_URL = r":\\?/\\?/"

_URL_CUES = ":// :\\/\\/"

RULES = (
    _rule(
        "private_key",
        "-----begin",
        r"-----BEGIN [\w ]{0,40}PRIVATE KEY(?: BLOCK)?-----.*?(?:-----END [\w ]{0,40}PRIVATE KEY(?: BLOCK)?-----|\Z)",
    ),
    _rule("anthropic_key", "sk-ant-", r"sk-ant-[\w-]{8,}+"),
    _rule("api_key", "sk- sg.", r"(?<![a-z0-9])(?:sk-[\w-]{20,}+|SG\.[\w-]{16,}+\.[\w-]{16,}+)"),
    _rule("stripe_key", "k_live_ k_test_", r"(?<![a-z0-9])[srp]k_(?:live|test)_\w{10,}+"),
    _rule("github_token", "ghp_ gho_ ghu_ ghs_ ghr_ github_pat_", r"(?:gh[pousr]|github_pat)_\w{16,}+"),
    _rule("gitlab_token", "glpat-", r"glpat-[\w.-]{16,}+"),
    _rule("slack_token", "xox", r"xox[a-z]-[\w-]{10,}+"),
    _rule("google_key", "aiza ya29.", r"AIza[\w-]{30,}+|ya29\.[\w-]{20,}+"),
    _rule("registry_token", "npm_ pypi- hf_", r"npm_\w{30,}+|pypi-[\w-]{16,}+|hf_\w{30,}+"),
    _rule("vault_token", "hvs. hvb.", r"(?<![a-z0-9])hv[sb]\.[\w-]{20,}+"),
    _rule("doppler_token", "dp.", r"(?<![a-z0-9])dp\.[a-z]{2,4}\.[\w-]{16,}+"),
    _rule("digitalocean_token", "dop_v1_ doo_v1_ dor_v1_", r"do[opr]_v1_[0-9a-f]{20,}+"),
    _rule("twilio_key", "sk", r"(?-i:(?<![A-Za-z0-9])SK[0-9a-f]{32}(?![0-9a-f]))"),
    _rule("telegram_token", ":aa", r"(?<!\d)\d{8,10}:AA[\w-]{30,}+"),
    _rule("docker_auth", "auth", r"[\w+/=]{8,}+", before=r"""\\{0,4}+"auth\\{0,4}+"\s{0,4}+:\s{0,4}+\\{0,4}+\""""),
    _rule("aws_key_id", "akia asia", r"(?-i:(?<![A-Z0-9])A[KS]IA[A-Z0-9]{16,}+)"),
    _rule("jwt", "eyj", r"(?<![\w-])eyJ[\w-]{8,}+\.[\w-]{8,}+(?:\.[\w-]*+)*+"),
    _rule("bearer_token", "bearer", r"[\w.~+/=-]{8,}+", before=r"\bbearer\s{1,8}+"),
    _rule("cookie", "cookie", r"[^\r\n\"']{4,}+", before=r"\bcookie\s{0,4}+:\s{0,4}+"),
    _rule("url_password", _URL_CUES, r"[^\s/\"'<>]+(?=@)", before=_URL + r"[^\s/:@\"'<>]*+:"),
    _rule("url_token", _URL_CUES, r"[^\s/:@\"'<>]{20,}+(?=@)", before=_URL),
    _rule("curl_password", "curl", r"[^\s\"']++", before=r"(?<!\S)(?:-u|--user)[ =]{1,4}+[\"']?+(?!\+)[^\s:\"']++:"),
    _rule("netrc_password", "login", r"\S{3,}+", before=r"\blogin\s{1,8}+\S{1,80}+\s{1,8}+password\s{1,8}+"),
    _rule("sshpass_password", "sshpass", r"[^\s\"']++", before=r"\bsshpass\s{1,4}+-p\s{0,4}+[\"']?+"),
    _rule("mysql_password", "mysql", r"[^\s\"']{3,}+", before=r"\bmysql\w{0,12}+\s[^\n|;&]{0,120}?(?<=\s)-p[\"']?+"),
    _rule(
        "redis_password", "redis-cli", r"[^\s\"']{3,}+", before=r"\bredis-cli\s[^\n|;&]{0,120}?(?<=\s)-a\s{1,4}+[\"']?+"
    ),
    _rule("secret", _NAME_CUES, _VALUE, before=_NAME + _ASSIGNED + _QUOTE, hint=_NAME_HINT + _ASSIGNED),
    _rule(
        "secret",
        _NAME_CUES,
        _VALUE,
        before=r"(?:(?<=--)|(?<=-)(?!pass\s))" + _NAME + r"[ \t]{1,8}+" + _QUOTE,
        hint=r"-[\w-]{0,16}" + _NAME_HINT + r"[ \t]",
    ),
    _rule(
        "authorization",
        "authorization",
        r"(?!bearer\b)[^\s\"']{6,}+",
        before=r"""authorization["'\\]{0,4}+\s{0,4}+[:=]\s{0,4}+["'\\]{0,4}+(?:(?:basic|token|digest|apikey)\s{1,8}+)?+""",
    ),
)
"""Tried in this order: what has a shape of its own is named by it, what only its label gives away comes last."""

_GATES = (*"zqjx_:.-wkb", "")
"""Characters that cues have and many texts have not, the rarest first; every text has the last one."""


def _cues_by_gate() -> Iterator[tuple[str, list[tuple[str, list[int]]]]]:
    """Yield each gate with the cues behind it, and of each cue the places of its rules."""
    places: dict[str, list[int]] = {}
    for place, rule in enumerate(RULES):
        for cue in rule.cues:
            places.setdefault(cue, []).append(place)
    for gate in _GATES:
        yield gate, [(cue, places.pop(cue)) for cue in list(places) if gate in cue]


_CUES = tuple(_cues_by_gate())

EMAIL = _rule("email", "@", r"(?<![\w.+%-])[\w.+%-]++@[\w-]++(?:\.[\w-]++)++")

_SECRET_KEY = re.compile(f"{_NAME}|authorization|cookie", re.ASCII | re.IGNORECASE)


def redact(text: str, *, emails: bool = False) -> str:
    """Return the text with every secret replaced by a marker that names its kind. Twice is the same as once."""
    lowered = text.lower()
    for rule in [RULES[place] for place in sorted(_cued(lowered))]:
        if rule.hint is None or rule.hint.search(lowered):
            text = rule.applied(text)
    return EMAIL.applied(text) if emails and "@" in lowered else text


def _cued(lowered: str) -> set[int]:
    return {
        place for gate, cues in _CUES if gate in lowered for cue, places in cues if cue in lowered for place in places
    }


def redact_json(value: Any, *, emails: bool = False) -> Any:
    """Return decoded JSON without secrets: strings are redacted, and replaced as a whole under a telling key."""
    if isinstance(value, str):
        return redact(value, emails=emails)
    if isinstance(value, list):
        return [redact_json(item, emails=emails) for item in value]
    if isinstance(value, dict):
        return {
            redact(key, emails=emails): _hidden(item) if _SECRET_KEY.search(key) else redact_json(item, emails=emails)
            for key, item in value.items()
        }
    return value


def _hidden(value: Any) -> Any:
    if isinstance(value, str):
        return "[REDACTED-secret]"
    if isinstance(value, list):
        return [_hidden(item) for item in value]
    if isinstance(value, dict):
        return {key: _hidden(item) for key, item in value.items()}
    return value
