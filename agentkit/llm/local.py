"""A real language model on this machine, with no key and no network: ``local:smollm2``."""

from __future__ import annotations

import asyncio
import importlib.util
import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from agentkit.errors import ModelRequestRejected, ModelUnavailable
from agentkit.interfaces import Emit, ModelRequest, ModelResponse
from agentkit.llm.local_process import LocalServer, Serving, start_server
from agentkit.llm.openai_chat import ChatWire
from agentkit.llm.openai_client import Endpoint, StreamingModel
from agentkit.llm.openai_wire import chat_body

__all__ = ["LocalModel"]

logger = logging.getLogger("opspawn.local")
