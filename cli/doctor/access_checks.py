"""What the doctor says about who may use the API."""

from __future__ import annotations

import shlex
import stat
from datetime import UTC, datetime

from activities.settings import Settings, check_exposure
from activities.shell_commands import opspawn_command
from agentkit.access.keys_file import read_keys
from agentkit.errors import ConfigurationInvalid
from cli.doctor.finding import Finding

__all__ = ["access_findings"]

_SUBJECT = "API keys"


def access_findings(settings: Settings) -> list[Finding]:
    """Return what is wrong with the keys file, and how many keys it has; nothing where no key is needed."""
    try:
        check_exposure(settings)
        keys = () if settings.keys_file is None else read_keys(settings.keys_file, must_exist=True)
    except ConfigurationInvalid as error:
        remedy = opspawn_command("keys", "create", "--name", "admin", "--role", "admin")
        return [Finding(_SUBJECT, "missing", str(error), (remedy,))]
    if settings.keys_file is None:
        return []
    if settings.keys_file.stat().st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        detail = f"others may change {settings.keys_file}, and give themselves a key"
        return [Finding(_SUBJECT, "missing", detail, (f"chmod go-w {shlex.quote(str(settings.keys_file))}",))]
    now = datetime.now(UTC)
    valid = [key for key in keys if not key.has_expired(now)]
    tenants = len({key.tenant for key in valid})
    return [Finding(_SUBJECT, "ok", f"{len(valid)} valid, of tenants: {tenants} ({settings.keys_file})")]
