from __future__ import annotations

import pytest

from activities.telemetry.content_capture import CAPTURE_VARIABLE, ContentCapture, content_mode


@pytest.mark.parametrize(
    ("text", "on_spans", "on_events"),
    [
        (None, False, False),
        ("", False, False),
        ("NO_CONTENT", False, False),
        ("SPAN_ONLY", True, False),
        (" event_only ", False, True),
        ("span_and_event", True, True),
    ],
)
def test_the_switch_says_where_contents_go(
    text: str | None, on_spans: bool, on_events: bool, caplog: pytest.LogCaptureFixture
) -> None:
    capture = ContentCapture(content_mode({} if text is None else {CAPTURE_VARIABLE: text}))
    assert (capture.on_spans, capture.on_events) == (on_spans, on_events)
    assert not caplog.records


def test_a_wrong_value_captures_nothing_and_is_warned_of(caplog: pytest.LogCaptureFixture) -> None:
    assert content_mode({CAPTURE_VARIABLE: "true"}) == "NO_CONTENT"
    (message,) = caplog.messages
    assert message == (
        f"{CAPTURE_VARIABLE}=true: no such value, so no content is captured. "
        "Values: NO_CONTENT, SPAN_ONLY, EVENT_ONLY, SPAN_AND_EVENT."
    )
