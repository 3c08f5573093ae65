"""What answers mean, by the tables of the OTLP specification."""

from __future__ import annotations

import pytest

from otel_bridge.sinks.otlp import grpc, http
from otel_bridge.sinks.otlp.answers import Accepted, BadItems, Refused, Retry, TooLarge, accepted, error_text

JSON, PROTOBUF = "application/json; charset=utf-8", "application/x-protobuf"


@pytest.mark.parametrize(
    ("status", "meaning"),
    [
        *[(status, Accepted) for status in (200, 202, 204)],
        *[(status, Retry) for status in (429, 502, 503, 504)],
        *[(status, Refused) for status in (301, 304, 308, 401, 403, 404, 405, 407, 415)],
        (413, TooLarge),
        *[(status, BadItems) for status in (400, 402, 409, 422, 499, 500, 501, 505, 599)],
    ],
)
def test_http_statuses(status: int, meaning: type) -> None:
    """Four statuses may be tried again, 413 halves, what is about us stops, everything else is about the items."""
    assert type(http.classified(status, {}, b"")) is meaning


@pytest.mark.parametrize(
    ("code", "meaning"),
    [
        *[(code, Retry) for code in ("CANCELLED", "DEADLINE_EXCEEDED", "ABORTED", "OUT_OF_RANGE", "UNAVAILABLE")],
        ("DATA_LOSS", Retry),
        *[(code, Refused) for code in ("UNAUTHENTICATED", "PERMISSION_DENIED", "UNIMPLEMENTED", "RESOURCE_EXHAUSTED")],
        *[(code, BadItems) for code in ("INVALID_ARGUMENT", "INTERNAL", "UNKNOWN", "FAILED_PRECONDITION")],
        *[(code, BadItems) for code in ("NOT_FOUND", "ALREADY_EXISTS")],
    ],
)
def test_grpc_codes(code: str, meaning: type) -> None:
    """Six codes may be tried again, what is about us stops, everything else is about the items."""
    assert type(grpc.classified(code, "why", ())) is meaning


@pytest.mark.parametrize(
    "details",
    [
        "grpc: received message larger than max (5000000 vs. 4194304)",
        "grpc: received message after decompression larger than max 4194304",
        "SERVER: Received message larger than max (5000000 vs. 4194304)",
        "gRPC message exceeds maximum size 4194304: 5000000",
    ],
)
def test_exhausted_by_the_size_of_a_message_is_too_large(details: str) -> None:
    """The Go, C and Java implementations say it in their own words under one code."""
    assert grpc.classified("RESOURCE_EXHAUSTED", details, ()) == TooLarge(f"RESOURCE_EXHAUSTED: {details}")


@pytest.mark.parametrize(
    ("headers", "after_s"),
    [
        ({"retry-after": "7"}, 7),
        ({"retry-after": " 0 "}, 0),
        ({"retry-after": "Fri, 21 Nov 2025 10:00:30 GMT", "date": "Fri, 21 Nov 2025 10:00:00 GMT"}, 30),
        ({"retry-after": "Fri, 21 Nov 2025 09:00:00 GMT", "date": "Fri, 21 Nov 2025 10:00:00 GMT"}, 0),
        ({"retry-after": "Fri, 21 Nov 2025 10:00:30 GMT"}, None),
        ({"retry-after": "Fri, 21 Nov 2025 10:00:30 GMT", "date": "Fri, 21 Nov 2025 10:00:00 -0000"}, None),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "-1"}, None),
        ({}, None),
    ],
)
def test_retry_after_is_seconds_or_a_date(headers: dict[str, str], after_s: float | None) -> None:
    """A date counts from the receiver's own clock; what cannot be understood is no wish at all."""
    assert http.classified(503, headers, b"") == Retry("503 Service Unavailable", after_s)


def test_the_delay_of_retry_info_is_kept() -> None:
    """RetryInfo among the details of a status makes exhaustion a passing state, with its delay."""
    any_detail = b"\x0a\x28type.googleapis.com/google.rpc.RetryInfo\x12\x0a\x0a\x08\x08\x02\x10\x80\xca\xb5\xee\x01"
    status = b"\x08\x08" + b"\x1a" + bytes([len(any_detail)]) + any_detail
    trailers = (("x", "y"), ("grpc-status-details-bin", status))
    assert grpc.classified("RESOURCE_EXHAUSTED", "", trailers) == Retry("RESOURCE_EXHAUSTED", 2.5)
    assert grpc.classified("UNAVAILABLE", "", trailers) == Retry("UNAVAILABLE", 2.5)


@pytest.mark.parametrize("status", [b"\xff", b"", b"\x1a\x03\x0a\x01x", b"\x1a\x02\xff\xff", b"\x1a\x7f"])
def test_other_details_are_no_delay(status: bytes) -> None:
    """Details of another kind, or broken ones, ask for nothing."""
    answer = grpc.classified("UNAVAILABLE", "", (("grpc-status-details-bin", status),))
    assert answer == Retry("UNAVAILABLE", None)


@pytest.mark.parametrize(
    ("body", "content_type", "text"),
    [
        (b'{"code": 3, "message": "bad\\n  span"}', JSON, "bad span"),
        (b"\x08\x03\x12\x08bad span", PROTOBUF, "bad span"),
        (b"<html>\n bad  span", "text/html", "<html> bad span"),
        (b"\xffbad", PROTOBUF, "�bad"),
        (b"bad", JSON, "bad"),
        (b"", JSON, ""),
        (b"x" * 1000, "", "x" * 299 + "…"),
    ],
)
def test_the_words_of_an_error_are_found(body: bytes, content_type: str, text: str) -> None:
    """A status in JSON or protobuf, or any text, becomes one short line."""
    assert error_text(body, content_type) == text
    assert http.classified(400, {"content-type": content_type}, body) == BadItems(
        f"400 Bad Request: {text}" if text else "400 Bad Request"
    )


@pytest.mark.parametrize(
    ("body", "content_type", "answer"),
    [
        (b"", PROTOBUF, Accepted()),
        (b"{}", JSON, Accepted()),
        (b'{"partialSuccess": null}', JSON, Accepted()),
        (b'{"partialSuccess": {"rejectedSpans": "3", "errorMessage": "old"}}', JSON, Accepted(3, "old")),
        (b'{"partialSuccess": {"rejectedLogRecords": 2}}', JSON, Accepted(2)),
        (b'{"partialSuccess": {"rejectedDataPoints": -2}}', JSON, Accepted()),
        (b"\x0a\x07\x08\x03\x12\x03old", PROTOBUF, Accepted(3, "old")),
        (b"\x0a\x0b\x08\xfe\xff\xff\xff\xff\xff\xff\xff\xff\x01", PROTOBUF, Accepted()),
        (b"ok", "text/plain", Accepted()),
        (b"ok", JSON, Accepted()),
    ],
)
def test_partial_success_is_found_and_nothing_else_is_taken_for_it(
    body: bytes, content_type: str, answer: Accepted
) -> None:
    """Counts may be numbers or text; a body of another kind means plain success."""
    assert accepted(body, content_type) == answer


def test_a_web_page_is_no_receiver_whatever_its_status() -> None:
    """A store's user interface answers every path with its page and 200."""
    answer = http.classified(200, {"content-type": "text/html; charset=utf-8"}, b"<html>")
    assert isinstance(answer, Refused)
    assert "no OTLP receiver" in answer.advice
