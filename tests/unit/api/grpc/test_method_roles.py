from __future__ import annotations

from api.grpc.method_roles import ROLES
from api.proto.opspawn.v1 import conversations_pb2, tasks_pb2


def test_every_method_declares_its_roles() -> None:
    services = [
        service for proto in (conversations_pb2, tasks_pb2) for service in proto.DESCRIPTOR.services_by_name.values()
    ]
    methods = {f"{service.full_name}/{method.name}" for service in services for method in service.methods}
    assert set(ROLES) == methods
    assert all(ROLES.values())
