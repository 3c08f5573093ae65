import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otel_bridge.redact import redact, redact_json

GITHUB = "ghp_" + "a1B2" * 9
ANTHROPIC = "sk-ant-api03-" + "x_Y-" * 20
JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9P"
AWS_SECRET = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
PRIVATE_KEY = "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXk\nAAAABG5vbmU\n-----END OPENSSH PRIVATE KEY-----"


@pytest.mark.parametrize(
    ("text", "redacted"),
    [
        (f"key {ANTHROPIC} here", "key [REDACTED-anthropic_key] here"),
        ("sk-proj-" + "a1B2" * 10, "[REDACTED-api_key]"),
        ("sk_live_" + "a1B2" * 6, "[REDACTED-stripe_key]"),
        (f"git clone with {GITHUB}.", "git clone with [REDACTED-github_token]."),
        ("github_pat_" + "11ABC" * 10, "[REDACTED-github_token]"),
        ("glpat-" + "x" * 20, "[REDACTED-gitlab_token]"),
        ("xoxb-1234567890-abcdef", "[REDACTED-slack_token]"),
        ("AIza" + "Sy-_" * 9, "[REDACTED-google_key]"),
        ("npm_" + "a1B2" * 9, "[REDACTED-registry_token]"),
        ("dop_v1_" + "0a1b" * 16, "[REDACTED-digitalocean_token]"),
        ("hvs." + "CAES" * 8, "[REDACTED-vault_token]"),
        ("dp.pt." + "a1B2" * 10, "[REDACTED-doppler_token]"),
        ("SK" + "0a" * 16, "[REDACTED-twilio_key]"),
        ("110201543:AA" + "HdqT" * 8, "[REDACTED-telegram_token]"),
        ('{"auths": {"x": {"auth": "dXNlcjpwYXNz"}}}', '{"auths": {"x": {"auth": "[REDACTED-docker_auth]"}}}'),
        ("machine x login bob password hunter2", "machine x login bob password [REDACTED-netrc_password]"),
        ("sshpass -p hunter2 ssh x", "sshpass -p [REDACTED-sshpass_password] ssh x"),
        ("mysql -u root -phunter2 db", "mysql -u root -p[REDACTED-mysql_password] db"),
        ("redis-cli -h x -a hunter2 ping", "redis-cli -h x -a [REDACTED-redis_password] ping"),
        ("id AKIAIOSFODNN7EXAMPLE.", "id [REDACTED-aws_key_id]."),
        (f"jwt={JWT}!", "jwt=[REDACTED-jwt]!"),
        ("Authorization: Bearer abcdef123456", "Authorization: Bearer [REDACTED-bearer_token]"),
        ("authorization: basic dXNlcjpwYXNz", "authorization: basic [REDACTED-authorization]"),
        ("Set-Cookie: sid=abcdef; path=/\nnext", "Set-Cookie: [REDACTED-cookie]\nnext"),
        ("postgres://app:s3cr3t@db:5432/x", "postgres://app:[REDACTED-url_password]@db:5432/x"),
        ("https://user:p@ss@host/", "https://user:[REDACTED-url_password]@host/"),
        ("redis://:hunter22@cache", "redis://:[REDACTED-url_password]@cache"),
        (f"https://{'0123456789abcdef' * 2}@github.com/x", "https://[REDACTED-url_token]@github.com/x"),
        (f"before\n{PRIVATE_KEY}\nafter", "before\n[REDACTED-private_key]\nafter"),
        (PRIVATE_KEY[:60], "[REDACTED-private_key]"),
        (f"AWS_SECRET_ACCESS_KEY={AWS_SECRET}", "AWS_SECRET_ACCESS_KEY=[REDACTED-secret]"),
        (f"aws_secret_access_key = {AWS_SECRET}\n", "aws_secret_access_key = [REDACTED-secret]\n"),
        ("password: hunter2", "password: [REDACTED-secret]"),
        ('"password": "two words \\" and a quote", "user": "me"', '"password": "[REDACTED-secret]", "user": "me"'),
        ("'api-key' => 'abc def'", "'api-key' => '[REDACTED-secret]'"),
        (r"{\"token\": \"abc\", \"n\": 1}", r"{\"token\": \"[REDACTED-secret]\", \"n\": 1}"),
        ("DB_PWD=hunter2 PWD=/home/dev", "DB_PWD=[REDACTED-secret] PWD=/home/dev"),
        ("mysql --db-password hunter2 -u me", "mysql --db-password [REDACTED-secret] -u me"),
        ("curl -H 'X-Api-Key: abcd1234'", "curl -H 'X-Api-Key: [REDACTED-secret]'"),
        ("curl -u me:hunter2 https://x", "curl -u me:[REDACTED-curl_password] https://x"),
        ("Authorization: Token abcdef123", "Authorization: Token [REDACTED-authorization]"),
        (r"https:\/\/user:hunter2@host", r"https:\/\/user:[REDACTED-url_password]@host"),
        ('os.environ["DB_PASSWORD"] = "x1"', 'os.environ["DB_PASSWORD"] = "[REDACTED-secret]"'),
        ("<password>hunter2</password>", "<password>[REDACTED-secret]"),
        ("db_pass: hunter2, STRIPE_KEY=abcd", "db_pass: [REDACTED-secret], STRIPE_KEY=[REDACTED-secret]"),
        ("SG." + "a1B2" * 5 + "." + "c3D4" * 8, "[REDACTED-api_key]"),
    ],
)
def test_secrets_are_replaced_by_their_kind(text: str, redacted: str) -> None:
    """What looks like a secret, or is called one, is replaced; the text around it stays."""
    assert redact(text) == redacted


@pytest.mark.parametrize(
    "text",
    [
        "max_tokens: 4096, output_tokens=17",
        "the task-runner uses sk-learn",
        "https://example.com:8080/a@b?page=2",
        "git@github.com:acme/widgets.git",
        "def tokenize(text): return text.split()",
        "see basic authentication and bearer plants",
        "cwd=/home/dev PWD=/home/dev",
        "primary_key=id, cache_key: users, PASS: 12 tests, compass = north",
        "a two-pass compiler with tokenUsage = usage and token_count: 4096",
        "curl $(date -u +%H:%M)",
        "if token > limit: docker run -u 1000:1000",
        "mail me at dev@example.com",
        "eyJ is how JSON starts in base64",
    ],
)
def test_ordinary_text_stays(text: str) -> None:
    """Counts, paths, URLs, code and addresses are not secrets."""
    assert redact(text) == text


def test_emails_are_redacted_on_request() -> None:
    """Addresses are personal, not secret: hiding them is a choice."""
    text = "mail dev.one+x@mail.example.com or ops@example.org."
    assert redact(text) == text
    assert redact(text, emails=True) == "mail [REDACTED-email] or [REDACTED-email]."


def test_json_is_redacted_by_value_and_by_key() -> None:
    """Strings anywhere in JSON are redacted; under a telling key they go as a whole, whatever they look like."""
    value = {
        "headers": {"Authorization": "Basic x"},
        "command": f"echo {GITHUB}",
        "password": "x",
        "secrets": {"db": ["y", 5]},
        "max_tokens": 5,
        "ok": [True, None],
    }
    assert redact_json(value) == {
        "headers": {"Authorization": "[REDACTED-secret]"},
        "command": "echo [REDACTED-github_token]",
        "password": "[REDACTED-secret]",
        "secrets": {"db": ["[REDACTED-secret]", 5]},
        "max_tokens": 5,
        "ok": [True, None],
    }


pieces = st.sampled_from(
    [
        GITHUB,
        ANTHROPIC,
        JWT,
        PRIVATE_KEY,
        "password=",
        "token: ",
        '"',
        "'",
        "\\",
        " ",
        "\n",
        "@",
        "://",
        "a",
        ":",
        "-",
        "secret",
        "bearer ",
    ]
)


@given(st.lists(pieces | st.text(max_size=5), max_size=12).map("".join))
def test_redacting_twice_changes_nothing(text: str) -> None:
    """A marker is no secret."""
    once = redact(text, emails=True)
    assert redact(once, emails=True) == once


@given(st.text(max_size=20), st.text(max_size=20))
def test_a_secret_is_found_between_any_texts(before: str, after: str) -> None:
    """Nothing around a token hides it."""
    assert GITHUB[-30:] not in redact(f"{before} {GITHUB} {after}")


HOSTILE = [
    "-----BEGIN PRIVATE KEY-----", "-----BEGIN ", "sk-ant-", "sk-", "sk-a ", "eyJ", "eyJaaaaaaaaa.", "bearer ",
    "authorization: basic", "cookie:", "://", "://a:", "://a:a@", "://" + "a" * 25 + "@", "password", "password=",
    'password ="', 'password=\\"', "password='\\'", 'password="\\"', "-token ", "curl -u a",
    "curl -u a:", "authorization:", ":\\/\\/", "://a@:", "a@", "a.", "@", "ghp_", "AKIA", "\\", '"', "a", " ",
]  # fmt: skip


@pytest.mark.parametrize("unit", HOSTILE)
def test_a_hostile_megabyte_takes_a_moment(unit: str) -> None:
    """No text makes a pattern backtrack: quadratic time would take hours here, linear time takes a second."""
    text = (unit * (1_000_000 // len(unit) + 1))[:1_000_000]
    started = time.perf_counter()
    redact(text, emails=True)
    assert time.perf_counter() - started < 30
