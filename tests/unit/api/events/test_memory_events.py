from __future__ import annotations

from datetime import UTC, datetime

from temporalio.exceptions import ApplicationError, TimeoutError, TimeoutType

from activities.memory.memory_payloads import RecalledText, RecallResult
from api.events.memory_events import recall_failure_data, recalled_data
from tests.unit.api.events.golden import events_of, read_history

TOLD = datetime(2026, 3, 1, tzinfo=UTC)


def test_memories_have_ids_texts_and_times() -> None:
    memory = RecalledText(id="1", text="Ada likes tea.", created_at=TOLD)
    result = RecallResult(memories=(memory,)).model_dump(mode="json")
    expected = {"id": "1", "text": "Ada likes tea.", "created_at": "2026-03-01T00:00:00Z"}
    assert recalled_data([result]) == {"memories": [expected]}


def test_a_recall_that_found_nothing_is_no_event() -> None:
    assert recalled_data([RecallResult().model_dump(mode="json")]) is None


def test_a_result_that_cannot_be_read_has_no_memories() -> None:
    assert recalled_data([]) == recalled_data(["nonsense"]) == {"memories": []}


def test_a_failure_says_why() -> None:
    failed = recall_failure_data(ApplicationError("Another model.", type="MemoryMisconfigured"))
    assert failed == {"memories": [], "error": {"type": "MemoryMisconfigured", "message": "Another model."}}
    late = recall_failure_data(TimeoutError("late", type=TimeoutType.SCHEDULE_TO_CLOSE, last_heartbeat_details=[]))
    assert late["error"] == {
        "type": "MemoryUnavailable",
        "message": "No worker that serves long-term memory responded in time.",
    }


async def test_the_recorded_task_recalled_before_its_first_step() -> None:
    types = [event.type for event in await events_of(read_history("memory"))]
    assert types.index("memory.recalled") < types.index("model.started")
