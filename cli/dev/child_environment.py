"""The environment of the processes that ``opspawn dev`` starts."""

from __future__ import annotations

from activities.settings import Settings, inherited_environment

__all__ = ["child_environment"]

_PASSED_ON = (
    "app_dir",
    "data_dir",
    "host",
    "port",
    "temporal_port",
    "ui_port",
    "temporal_ui_url",
    "reload",
    "collect_payloads",
)


def child_environment(settings: Settings, *, temporal_address: str, relay_port: int) -> dict[str, str]:
    """Return this process's environment, with the settings that the children must agree on in it."""
    environment = inherited_environment()
    for key in _PASSED_ON:
        environment[f"OPSPAWN_{key.upper()}"] = str(getattr(settings, key))
    if "grpc_port" in settings.model_fields_set:  # an API whose default port is taken starts without gRPC
        environment["OPSPAWN_GRPC_PORT"] = str(settings.grpc_port)
    environment["OPSPAWN_RELAY_PORT"] = str(relay_port)
    environment["TEMPORAL_ADDRESS"] = temporal_address
    environment["PYTHONUNBUFFERED"] = "1"
    return environment
