"""For every test: the same hypothesis examples each time, and no settings of the developer's."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator

import hypothesis
import pytest

from tests.process_starter import ProcessStarter

_REMOVED_PREFIXES = ("OPSPAWN_", "AGENTKIT_", "TEMPORAL_", "OPENAI_", "ANTHROPIC_", "GOOGLE_", "GEMINI_", "OPENROUTER_")
_KEPT = {"OPSPAWN_TEMPORAL_BIN"}


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add ``--long``, with which tests that repeat something at random do so more often."""
    parser.addoption("--long", action="store_true", help="as many random kills and cancellations as in make test-chaos")


_NOT_MEASURED = ("tests/acceptance/", "tests/integration/cli/", "tests/sandbox/")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Measure no coverage in tests of other processes: little of it would count, and it costs a fifth of their CPU."""
    for item in items:
        if item.nodeid.startswith(_NOT_MEASURED):
            item.add_marker("no_cover")


@pytest.fixture
def repetitions(request: pytest.FixtureRequest) -> int:
    """By how much to multiply the number of repetitions."""
    return 3 if request.config.getoption("--long") else 1


def pytest_configure() -> None:
    """Make hypothesis try the same examples on every machine, without deadlines."""
    hypothesis.settings.register_profile(
        "opspawn", deadline=None, derandomize=True, suppress_health_check=[hypothesis.HealthCheck.too_slow]
    )
    quick = hypothesis.settings.get_profile("opspawn")
    hypothesis.settings.register_profile("long", quick, derandomize=False, max_examples=1_000)
    hypothesis.settings.load_profile("opspawn")


@pytest.fixture(scope="session", autouse=True)
def interruptions_by_the_sdk_are_no_faults() -> Iterator[None]:
    """Let the SDK interrupt a workflow task that took 2 s on a busy machine, even where Python can't raise it.

    The SDK fails that workflow task, and the server has it done again. Inside of a callback of the garbage collector
    the interruption is an unraisable exception, which is an error of the test otherwise.
    """
    report = sys.unraisablehook

    def report_others(unraisable: sys.UnraisableHookArgs) -> None:
        if unraisable.exc_type.__name__ != "_InterruptDeadlockError":
            report(unraisable)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "unraisablehook", report_others)
        yield


@pytest.fixture(scope="session", autouse=True)
def no_settings_from_outside() -> Iterator[None]:
    """Remove keys and addresses, so that no test uses a paid model or a real Temporal namespace."""
    with pytest.MonkeyPatch.context() as patch:
        for name in set(os.environ) - _KEPT:  # noqa: TID251  # the names, not the values
            if name.startswith(_REMOVED_PREFIXES):
                patch.delenv(name)
        yield


@pytest.fixture(scope="session")
def process_starter() -> Iterator[ProcessStarter]:
    """Start workers and APIs for any test without the seconds that their imports take."""
    server = ProcessStarter()
    yield server
    server.close()
