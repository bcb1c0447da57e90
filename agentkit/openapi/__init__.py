"""OpenAPI documents as tools: each operation is one."""

from __future__ import annotations

from agentkit.openapi.openapi_document import OpenApiDocument, OpenApiIssue, validate_document
from agentkit.openapi.openapi_operations import Operation, read_operations
from agentkit.openapi.openapi_tool import OpenApiTool

__all__ = ["OpenApiDocument", "OpenApiIssue", "OpenApiTool", "Operation", "read_operations", "validate_document"]
