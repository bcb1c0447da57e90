from __future__ import annotations

import asyncio
import gzip
import socket
import ssl
from collections.abc import Sequence

import pytest
import trustme
from tests.unit.agentkit.web.conftest import Site, page, serving

from agentkit.errors import ToolError, ToolUnavailable
from agentkit.interfaces import Fetched, Fetcher
from agentkit.web import PublicFetcher
