from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import JsonValue
from temporalio.client import Client

from activities.settings import Settings
from activities.storage.content_storage import ContentStorage
from activities.storage.result_keeping import ResultKeeper, redacted_output
from activities.temporal.data_converter import data_converter
from agentkit.config.secret_sources import SecretSource
from agentkit.interfaces import ToolOutput
from agentkit.secrets.secret_store import SecretStore
from agentkit.tools import File, Image
from agentkit.tools.returned_files import stored_file

PNG = b"\x89PNG\r\n\x1a\n0"


async def keeper_in(directory: Path) -> ResultKeeper:
    converter = data_converter(Settings(data_dir=directory))
    client = await Client.connect("127.0.0.1:1", lazy=True, data_converter=converter)
    return ResultKeeper(ContentStorage(client))


async def test_a_short_value_is_returned_as_it_is_and_nothing_is_stored(tmp_path: Path) -> None:
    value: JsonValue = {"numbers": [1, 2.5, None]}
    assert await (await keeper_in(tmp_path)).keep("task", value, 10) is value
    assert not (tmp_path / "payloads").exists()


async def test_files_are_stored_and_their_bytes_are_not_in_the_result(tmp_path: Path) -> None:
    value = ToolOutput(value="plan", files=(stored_file(Image(PNG, name="plan.png")),))
    output = await (await keeper_in(tmp_path)).keep("task", value, 10)
    assert isinstance(output, ToolOutput)
    assert output.files is not None
    assert (output.value, output.loss) == ("plan", None)
    assert (output.files[0].data, output.files[0].name, output.files[0].size) == (None, "plan.png", 9)
    assert output.files[0].claim is not None


async def test_after_the_timeout_the_bounded_text_is_returned(tmp_path: Path) -> None:
    output = await (await keeper_in(tmp_path)).keep("task", "x" * 100_000, -1)
    assert isinstance(output, ToolOutput)
    assert (output.whole, output.loss) == (None, "storing it took too long")


async def test_without_storage_results_are_bounded_and_files_are_described() -> None:
    value = ToolOutput(value="x" * 100_000, files=(stored_file(File(b"%PDF", "application/pdf")),))
    output = await ResultKeeper(None).keep("task", value, 10)
    assert isinstance(output, ToolOutput)
    assert output.omitted is not None
    assert output.files is not None
    assert (output.whole, output.files[0].data, output.files[0].claim) == (None, None, None)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Mount 6 MiB of memory."""
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=6m", "tmpfs", tmp_path], check=False)
    if mounted.returncode != 0:
        pytest.skip("this root may not mount")
    yield tmp_path
    subprocess.run(["umount", "--lazy", tmp_path], check=True)


@pytest.mark.root
async def test_on_a_full_disk_start_and_end_of_a_result_are_returned(small_disk: Path) -> None:
    keeper = await keeper_in(small_disk)
    output = await keeper.keep("task", "x" * 20_000_000, 30)
    assert isinstance(output, ToolOutput)
    assert (output.whole, output.loss) == (None, "its storage can't be written")
    assert await keeper.keep("task", "y" * 20_000, 30) == "y" * 20_000, "the failed write has left space"


def test_secrets_are_redacted_from_values_files_and_their_names() -> None:
    secrets = secret_store("pass-word-4711")
    file = File(b"\xff\x00key=pass-word-4711\x00", "application/octet-stream", "pass-word-4711.bin")
    output = redacted_output(secrets, ToolOutput(value="it is pass-word-4711", files=(stored_file(file),)))
    assert isinstance(output, ToolOutput)
    assert output.files is not None
    (redacted,) = output.files
    assert "4711" not in f"{output.value}{redacted.name}"
    assert redacted.data is not None
    assert redacted.data.startswith(b"\xff\x00key=[")
    assert b"4711" not in redacted.data
    assert redacted.size == len(redacted.data)


def secret_store(value: str) -> SecretStore:
    return SecretStore({"vault": SecretSource(env="VAULT")}, Path(), {"VAULT": value})
