"""Alerts fire when they should and stay silent when they should, by Prometheus's own judge of rules."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.stack.built import run
from tools.stack.configured import CONFIG

ROOT = CONFIG.parent
RULES = CONFIG / "prometheus" / "rules"
CASES = Path(__file__).parent / "rules"
NAMES = sorted(path.name for path in CASES.glob("*.yaml"))
SEVERITIES = {"info", "warning", "critical"}


def groups(name: str) -> list[dict[str, Any]]:
    """Return the groups of a rule file."""
    found: list[dict[str, Any]] = yaml.safe_load((RULES / name).read_text(encoding="utf-8"))["groups"]
    return found


ALERTS = {rule["alert"]: rule for group in groups("alerts.yaml") for rule in group["rules"] if "alert" in rule}


def cases(alert: str) -> list[dict[str, Any]]:
    """Return what the tests expect of an alert."""
    documents = [yaml.safe_load((CASES / name).read_text(encoding="utf-8")) for name in NAMES]
    tests = [test for document in documents for test in document["tests"]]
    return [case for test in tests for case in test["alert_rule_test"] if case["alertname"] == alert]


def test_prometheus_has_nothing_to_say_about_the_rules() -> None:
    """Every rule parses, and no lint finds fault."""
    answer = run("promtool", "check", "rules", "--lint=all", "--lint-fatal", *sorted(map(str, RULES.glob("*.yaml"))))
    assert answer.returncode == 0, answer.stdout


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_alerts_fire_and_stay_silent(name: str) -> None:
    """Each file of cases holds against the shipped rules and limits."""
    answer = run("promtool", "test", "rules", name, cwd=CASES)
    assert answer.returncode == 0, answer.stdout


@pytest.mark.parametrize("alert", ALERTS)
def test_every_alert_has_a_case_that_fires_and_one_that_is_silent(alert: str) -> None:
    """An alert that nothing makes fire may never fire."""
    fires = [bool(case["exp_alerts"]) for case in cases(alert)]
    assert True in fires
    assert False in fires


@pytest.mark.parametrize("alert", ALERTS)
def test_every_alert_says_what_happened_and_what_to_do(alert: str) -> None:
    """Severity, summary, a description with the value, and a page whose heading is the alert's name."""
    rule = ALERTS[alert]
    annotations = rule["annotations"]
    assert rule["labels"]["severity"] in SEVERITIES
    assert annotations.keys() == {"summary", "description", "runbook_url"}
    assert "{{" not in annotations["summary"], "one summary for all alerts of a group"
    assert "$value" in annotations["description"] or "$labels" in annotations["description"]
    page, anchor = annotations["runbook_url"].split("#")
    headings = [line.removeprefix("## ") for line in (ROOT / page).read_text(encoding="utf-8").splitlines()]
    assert alert in headings
    assert anchor == alert.lower()


def test_the_runbook_has_no_page_for_an_alert_that_is_gone() -> None:
    """Headings of the second level are alerts."""
    lines = (ROOT / "docs" / "runbook.md").read_text(encoding="utf-8").splitlines()
    assert {line.removeprefix("## ") for line in lines if line.startswith("## ")} == ALERTS.keys()


def test_limits_stand_in_one_file() -> None:
    """An alert on cost or shares compares with a series of budgets.yaml, and every one of those is used."""
    limits = [rule for group in groups("budgets.yaml") for rule in group["rules"]]
    used = "".join(rule["expr"] for group in groups("alerts.yaml") for rule in group["rules"])
    for rule in limits:
        ((name, value),) = rule["labels"].items()
        assert f'{rule["record"]}{{{name}="{value}"}}' in used
