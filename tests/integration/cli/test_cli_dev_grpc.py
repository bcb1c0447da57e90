"""``opspawn dev`` and the port for gRPC."""

from __future__ import annotations

import re
import socket
from contextlib import suppress

from grpc import insecure_channel
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

from tests.integration.cli.dev_process import OPSPAWN, Dev, free_ports


def services(address: str) -> list[str]:
    with insecure_channel(address) as channel:
        return list(ProtoReflectionDescriptorDatabase(channel).get_services())


def test_another_port_is_taken_and_told_when_the_default_one_is_in_use(dev: Dev) -> None:
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)  # so that another suite may hold it, too
        while taken.getsockname()[1] != 50051:  # an API of another test may have it for a while
            with suppress(OSError):
                taken.bind(("127.0.0.1", 50051))
        taken.listen()
        dev.start("--no-worker")
        address = re.search(r"gRPC\s+(127\.0\.0\.1:(?!50051)\d+)", dev.output)
        assert address is not None, dev.output
        assert "opspawn.v1.TaskService" in services(address[1])
        assert dev.end()[0] == 0


def test_a_port_that_was_asked_for_and_is_in_use_is_named(dev: Dev) -> None:
    (port,) = free_ports(1)
    dev.directory.mkdir()
    with socket.create_server(("127.0.0.1", port)):
        ended = dev.opspawn(*dev.command("--grpc-port", str(port))[len(OPSPAWN) :])
    assert ended.returncode == 2
    assert re.search(rf"Port {port} \(gRPC\) is in use.*--grpc-port", " ".join(ended.stderr.split()))
