from __future__ import annotations

from pathlib import Path

import pytest
from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import HistoryEvent
from temporalio.exceptions import ApplicationError

from activities.settings import Settings
from activities.temporal.data_converter import data_converter
from api.events.history_decoder import LOCAL_ACTIVITY, HistoryDecoder
from tests.unit.api.events.scripted_temporal import payload


@pytest.fixture
def decoder(tmp_path: Path) -> HistoryDecoder:
    return HistoryDecoder(data_converter(Settings(data_dir=tmp_path)))


async def failed_activity(settings: Settings) -> HistoryEvent:
    event = HistoryEvent(event_type=EventType.EVENT_TYPE_ACTIVITY_TASK_FAILED)
    await data_converter(settings).encode_failure(
        ApplicationError("No.", {"step": 1}, type="ToolError"), event.activity_task_failed_event_attributes.failure
    )
    return event


def upserted_memo(**fields: object) -> HistoryEvent:
    event = HistoryEvent(event_type=EventType.EVENT_TYPE_WORKFLOW_PROPERTIES_MODIFIED)
    memo = event.workflow_properties_modified_event_attributes.upserted_memo
    for key, value in fields.items():
        memo.fields[key].CopyFrom(payload(value))
    return event


async def test_inputs_and_results_are_decoded(decoder: HistoryDecoder) -> None:
    event = HistoryEvent(event_type=EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED)
    event.activity_task_scheduled_event_attributes.input.payloads.extend([payload({"number": 4}), payload("b")])
    assert (await decoder.decode(event)).values == ({"number": 4}, "b")


async def test_of_a_memo_only_the_journal_is_decoded(decoder: HistoryDecoder) -> None:
    assert (await decoder.decode(upserted_memo(journal=[{"step": 1}], usage={}))).values == ([{"step": 1}],)
    assert (await decoder.decode(upserted_memo(usage={}))).values == ()


@pytest.mark.parametrize("threshold", [1, 1000], ids=["offloaded", "inline"])
async def test_decoding_a_failure_does_not_modify_the_event(
    decoder: HistoryDecoder, tmp_path: Path, threshold: int
) -> None:
    event = await failed_activity(Settings(data_dir=tmp_path, payload_threshold_bytes=threshold))
    before = event.SerializeToString(deterministic=True)
    failure = (await decoder.decode(event)).failure
    assert isinstance(failure, ApplicationError)
    assert (failure.message, failure.type, failure.details) == ("No.", "ToolError", ({"step": 1},))
    assert event.SerializeToString(deterministic=True) == before


async def test_a_local_activity_is_decoded_even_where_its_result_is_not(decoder: HistoryDecoder) -> None:
    event = HistoryEvent(event_type=EventType.EVENT_TYPE_MARKER_RECORDED)
    marker = event.marker_recorded_event_attributes
    marker.marker_name = LOCAL_ACTIVITY
    marker.details["data"].payloads.append(payload({"activity_id": "a"}))
    marker.details["result"].payloads.append(payload(2))
    assert (await decoder.decode(event)).values == (2,)
    marker.details["result"].payloads[0].data = b"\xff"
    decoded = await decoder.decode(event)
    assert (decoded.local_activity, decoded.values) == ({"activity_id": "a"}, ())
    assert decoded.unreadable is not None


async def test_an_undecodable_payload_is_noted_and_not_raised(decoder: HistoryDecoder) -> None:
    event = HistoryEvent(event_type=EventType.EVENT_TYPE_ACTIVITY_TASK_COMPLETED)
    event.activity_task_completed_event_attributes.result.payloads.append(payload(2))
    event.activity_task_completed_event_attributes.result.payloads[0].data = b"\xff"
    decoded = await decoder.decode(event)
    assert decoded.values == ()
    assert str(decoded.unreadable).startswith("Invalid JSON: ")


async def test_an_event_whose_stored_payload_is_missing_names_its_file(tmp_path: Path) -> None:
    payloads = await data_converter(Settings(data_dir=tmp_path / "a", payload_threshold_bytes=1)).encode(["large"])
    event = HistoryEvent(event_type=EventType.EVENT_TYPE_ACTIVITY_TASK_COMPLETED)
    event.activity_task_completed_event_attributes.result.payloads.extend(payloads)
    decoded = await HistoryDecoder(data_converter(Settings(data_dir=tmp_path / "b"))).decode(event)
    assert str(decoded.unreadable).startswith(f"Stored payload {tmp_path}/b/payloads/")


async def test_events_without_payloads_are_empty(decoder: HistoryDecoder) -> None:
    decoded = await decoder.decode(HistoryEvent(event_type=EventType.EVENT_TYPE_WORKFLOW_TASK_STARTED))
    assert (decoded.values, decoded.failure, decoded.local_activity, decoded.unreadable) == ((), None, None, None)
