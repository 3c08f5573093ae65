import pytest

from otel_bridge.convert import ConvertOptions, turn_resource
from otel_bridge.model import RecordContext
from tests.builders import session, turn

TURN = turn(context=RecordContext(version="2.1.196"))


def test_the_resource_is_the_agent_at_its_version() -> None:
    """Without settings a resource says which agent it was, in which version, and nothing about the machine."""
    resource = turn_resource(session(TURN), TURN, ConvertOptions())
    assert resource.attributes == (("service.name", "claude-code"), ("service.version", "2.1.196"))
    assert resource.schema_url == "https://opentelemetry.io/schemas/1.44.0"


def test_settings_name_the_service_and_the_place() -> None:
    """What the user configures is added and wins, in an order that makes equal resources equal."""
    options = ConvertOptions(resource=(("service.name", "my-agent"), ("host.name", "h"), ("k8s.pod.name", "p")))
    assert turn_resource(session(TURN), TURN, options).attributes == (
        ("host.name", "h"),
        ("k8s.pod.name", "p"),
        ("service.name", "my-agent"),
        ("service.version", "2.1.196"),
    )


@pytest.mark.parametrize("version", [None, ""])
def test_an_unknown_version_is_not_told(version: str | None) -> None:
    """Neither is that of a session as a whole, which may have had several."""
    unversioned = turn(context=RecordContext(version=version))
    expected = (("service.name", "claude-code"),)
    assert turn_resource(session(), unversioned, ConvertOptions()).attributes == expected
    assert turn_resource(session(TURN), None, ConvertOptions()).attributes == expected
