"""``opspawn dev`` serves gRPC at the address that it prints."""

from __future__ import annotations

import re

import pytest
from grpc import insecure_channel
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

from tests.integration.cli.dev_process import DevProcess

pytestmark = pytest.mark.acceptance


def services(address: str) -> list[str]:
    with insecure_channel(address) as channel:
        return list(ProtoReflectionDescriptorDatabase(channel).get_services())


def test_grpc_is_served_at_the_printed_address(dev: DevProcess) -> None:
    dev.start("--no-worker")

    address = re.search(r"gRPC\s+(127\.0\.0\.1:\d+)", dev.output)

    assert address is not None, dev.output
    assert address[1] == f"127.0.0.1:{dev.grpc_port}"
    assert "opspawn.v1.TaskService" in services(address[1])
