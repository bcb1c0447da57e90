"""Any moves of people on a task have the effect that the documentation says, and no other.

``--hypothesis-profile=long`` tries many more of them, other ones each time.
"""

from __future__ import annotations

import asyncio
import uuid
from datetime import timedelta
from pathlib import Path

from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule, run_state_machine_as_test
from temporalio.client import Client
from temporalio.testing import WorkflowEnvironment

from activities.settings import Settings
from activities.temporal.data_converter import data_converter
from tests.workflows.conftest import TaskEnvironment, start_time_skipping_server
from tests.workflows.people_desk import Desk
from tests.workflows.people_machine import PeopleMachine
from tests.workflows.people_moves import ANY_MOVE, Intent, apply_move

QUICK_EXAMPLES = 6
MOVES = 20
PASSED_MINUTES = 47
"""Never at the same time as an expiry."""


class MovesAndTime(PeopleMachine):
    """Each task has a server of its own: one where a task ended while an activity ran skips no time any more."""

    directory: Path
    server: WorkflowEnvironment

    async def open_desk(self) -> Desk:
        settings = Settings(data_dir=self.directory, task_queue="people")
        self.server = await start_time_skipping_server(settings)
        desk = Desk(TaskEnvironment(self.server.client, settings))
        desk.on_close.push_async_callback(self.server.shutdown)
        await desk.start_worker()
        return desk

    @precondition(lambda self: self.expected.outcome is None and self.expected.phase != "model")
    @rule()
    def time_passes(self) -> None:
        self.desk.is_open = True
        try:
            self.run(self.server.sleep(timedelta(minutes=PASSED_MINUTES)))
            self.expected.pass_time(PASSED_MINUTES)
            self.agree()
        finally:
            self.desk.is_open = False


class MovesAndRestarts(PeopleMachine):
    """On a real server: one that skips time waits for ever for a stopped worker that has the task cached."""

    directory: Path
    address: str

    async def open_desk(self) -> Desk:
        settings = Settings(data_dir=self.directory, task_queue=f"people-{uuid.uuid4().hex}")
        client = await Client.connect(self.address, data_converter=data_converter(settings))
        desk = Desk(TaskEnvironment(client, settings))
        await desk.start_worker()
        return desk

    @precondition(lambda self: self.expected.outcome is None and self.expected.phase != "model")
    @rule(intents=st.lists(ANY_MOVE, max_size=4))
    def people_move_while_no_worker_runs(self, intents: list[Intent]) -> None:
        self.run(self.desk.stop_worker())
        for intent in intents:
            move = apply_move(self.expected, intent)
            if move is not None:
                self.run(self.by_signal(move))
            if move is not None and move.is_checked:
                break  # the check takes time, so that what is sent next comes first
        self.run(self.desk.start_worker())
        self.agree()


def run_machine(machine: type[PeopleMachine]) -> None:
    profile = hypothesis_settings()
    is_quick = hypothesis_settings.get_current_profile_name() == "opspawn"
    examples = QUICK_EXAMPLES if is_quick else profile.max_examples
    with asyncio.Runner() as machine.runner:
        steps = hypothesis_settings(profile, max_examples=examples, stateful_step_count=MOVES)
        run_state_machine_as_test(machine, settings=steps)


def test_moves_of_people_have_their_documented_effects_as_time_passes(tmp_path: Path) -> None:
    class Moves(MovesAndTime):
        directory = tmp_path

    run_machine(Moves)


def test_moves_of_people_have_their_documented_effects_though_workers_stop(
    tmp_path: Path, temporal_address: str
) -> None:
    class Moves(MovesAndRestarts):
        directory, address = tmp_path, temporal_address

    run_machine(Moves)
