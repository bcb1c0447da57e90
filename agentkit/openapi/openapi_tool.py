"""An operation of an OpenAPI document as a tool."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from http import HTTPStatus
from urllib.parse import quote

from pydantic import JsonValue

from agentkit.errors import SecretMissing, ToolArgumentsInvalid, ToolError, ToolInterrupted, ToolUnavailable
from agentkit.interfaces import HttpClient, HttpReply, HttpRequest, Secrets, ToolContext
from agentkit.openapi.openapi_operations import IDEMPOTENCY_HEADER, Operation
from agentkit.openapi.openapi_parameters import header_text, path_text, query_pairs, scalar_text
from agentkit.openapi.openapi_security import Credentials
from agentkit.schemas.exact_validator import NO_DOCUMENTS, ExactValidator
from agentkit.specs import ToolSpec

__all__ = ["OpenApiTool"]

_MAX_BYTES = 1_000_000
_MAX_ERROR_CHARS = 4_000
_MAX_ISSUES = 8
_MAX_VALUE_CHARS = 80
_REPORT_TIME_S = 2.0
"""What is left of the tool's timeout when the request is given up, so that the model reads which server was slow."""
_REJECTED = (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE)
"""Statuses of requests that were not carried out, and may be later."""


class OpenApiTool:
    """Calls an operation. Responses of 2xx are results, 4xx are errors for the model."""

    def __init__(self, operation: Operation, client: HttpClient | None, secrets: Secrets) -> None:
        """Set up; without a client, the tool has a spec, but its calls fail."""
        self._operation = operation
        self._client = client
        self._secrets = secrets
        self._validator = ExactValidator(operation.spec.parameters, registry=NO_DOCUMENTS)

    @property
    def spec(self) -> ToolSpec:
        """The name, description, schema and effect."""
        return self._operation.spec

    async def call(self, arguments: Mapping[str, JsonValue], context: ToolContext) -> JsonValue:
        """Check the arguments, send the request, and return the response's JSON or text.

        Raises:
            ToolArgumentsInvalid: raised before the request is sent.
            ToolUnavailable: there was no connection, or the server can't respond now; a retry may succeed.
            ToolInterrupted: the connection broke off, or the server failed, in an operation that can't be repeated.
            ToolError: the server refused the request.
        """
        if self._client is None:
            raise ToolError("Nothing can be requested in this process. A worker can: give the task to one.")
        self._check(arguments)
        request = self._request(arguments, context)
        timeout_s = max(self.spec.timeout - _REPORT_TIME_S, self.spec.timeout / 2)
        try:
            reply = await self._client.send(request, max_bytes=_MAX_BYTES, timeout_s=timeout_s)
        except ToolInterrupted as error:
            if self.spec.effect == "irreversible":
                raise
            raise ToolUnavailable(str(error)) from error
        return self._result(reply)

    def _check(self, arguments: Mapping[str, JsonValue]) -> None:
        issues = []
        for error in self._validator.iter_errors(dict(arguments)):
            place = ".".join(map(str, error.absolute_path)) or "arguments"
            issues.append(f"- {place}: {error.message[:500]}")
            if len(issues) == _MAX_ISSUES:
                break
        if issues:
            wrong = f"The arguments of {self.spec.name} are wrong, so nothing was done. Correct them and call again:"
            raise ToolArgumentsInvalid("\n".join([wrong, *issues]))

    def _request(self, arguments: Mapping[str, JsonValue], context: ToolContext) -> HttpRequest:
        operation = self._operation
        url, query, headers, cookies = operation.url, list[str](), dict[str, str](), list[str]()
        for parameter in operation.parameters:
            if parameter.argument not in arguments:
                continue
            value = arguments[parameter.argument]
            if parameter.place == "path":
                url = url.replace(f"{{{parameter.name}}}", path_text(parameter, value))
            elif parameter.place == "query":
                query += query_pairs(parameter, value)
            elif parameter.place == "header":
                headers[parameter.name] = _header_value(parameter.argument, header_text(parameter, value))
            else:
                cookies.append(f"{parameter.name}={quote(scalar_text(value), safe='')}")
        content = None
        if operation.body is not None and operation.body.argument in arguments:
            content_type, content = operation.body.encode(arguments[operation.body.argument])
            headers["Content-Type"] = content_type
        headers["Accept"] = "application/json, text/*;q=0.9, */*;q=0.1"
        if self.spec.effect != "pure":
            headers[IDEMPOTENCY_HEADER] = context.idempotency_key
        credentials = self._credentials(url)
        secret_headers = dict(credentials.headers)
        if cookies or credentials.cookies:
            secret_headers["Cookie"] = "; ".join([*cookies, *(f"{n}={v}" for n, v in credentials.cookies.items())])
        target = f"{url}?{'&'.join(query)}" if query else url
        return HttpRequest(operation.method, target, headers, secret_headers, credentials.query, content)

    def _credentials(self, url: str) -> Credentials:
        credentials = Credentials()
        options = self._operation.security
        if not options:
            return credentials
        for scheme in options[0]:
            if scheme.secret is None:
                raise SecretMissing(
                    f"{self.spec.name} was not called: it needs a secret for the security scheme {scheme.name!r}. Its "
                    f"operator has to name one in opspawn.toml: [openapi.{self.spec.name.partition('__')[0]}] "
                    f'secrets = {{{scheme.name} = "SECRET"}}.'
                )
            credentials.add(scheme, self._secrets, url)
        return credentials

    def _result(self, reply: HttpReply) -> JsonValue:
        status = _status_text(reply.status)
        text = reply.text or ""
        if reply.status < 400:
            if reply.text is None and reply.size:
                return f"{status}: {reply.size} bytes of {reply.media_type}, which is not text."
            return _parsed(reply) if text.strip() else status
        message = f"{self.spec.name} failed: {status}. {text[:_MAX_ERROR_CHARS]}".rstrip()
        if reply.status not in _REJECTED and reply.status < 500:
            raise ToolError(message)
        if self.spec.effect != "irreversible":
            raise ToolUnavailable(message)
        raise ToolError(message) if reply.status in _REJECTED else ToolInterrupted(message)


def _header_value(argument: str, text: str) -> str:
    if not (text.isascii() and text.isprintable()):
        shown = repr(text[:_MAX_VALUE_CHARS])
        raise ToolArgumentsInvalid(f"{argument}: {shown} can't be sent in a header. Nothing was sent.")
    return text


def _parsed(reply: HttpReply) -> JsonValue:
    text = reply.text or ""
    if not reply.truncated and re.fullmatch(r"application/([\w.-]+\+)?json", reply.media_type):
        try:
            value: JsonValue = json.loads(text)
        except (ValueError, RecursionError):
            return text
        return value
    return f"{text}\n(Only the first {reply.size} bytes were read.)" if reply.truncated else text


def _status_text(status: int) -> str:
    try:
        return f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        return str(status)
