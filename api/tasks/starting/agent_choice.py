"""The agent of a new task: a named one, a definition, or that of another task; with what the request changes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from pydantic import JsonValue, ValidationError

from activities.settings import Settings
from agentkit.catalog.catalog import Catalog
from agentkit.config.providers import split_model
from agentkit.errors import AgentInvalid, ConfigurationInvalid
from agentkit.schemas.schema_rules import check_schema
from agentkit.specs import AgentSpec, Limits
from api.tasks.errors import FieldIssue, FieldPath, TaskRefused
from api.tasks.requests.request_validation import request_issues
from api.tasks.requests.task_requests import NewTask
from api.tasks.starting.task_start import missing_cost_price, missing_key

__all__ = ["AgentChoice"]


class AgentChoice:
    """Resolves agents, and checks that their models can be used."""

    def __init__(self, catalog: Catalog, settings: Settings) -> None:
        self._catalog = catalog
        self._settings = settings

    def requested(self, new_task: NewTask) -> AgentSpec:
        """Return the agent of a request.

        Raises:
            TaskRefused: there is no such agent, or it can't be used.
        """
        model, limits, schema = new_task.model, new_task.limit_changes, new_task.output_schema
        _check_model(model)
        if schema is not None:
            with _refused_at("output_schema"):
                check_schema(schema)
        field = "agent" if new_task.agent_spec is None else "agent_spec"
        with _refused_at(field):
            if new_task.agent_spec is not None:
                spec = self._catalog.resolve(new_task.agent_spec, model=model, limits=limits, output_schema=schema)
            else:
                spec = self._catalog.spec(new_task.agent or "", model=model, limits=limits, output_schema=schema)
        return self._usable(spec, field, model, limits)

    def named(self, name: str, model: str | None, limits: Mapping[str, JsonValue]) -> AgentSpec:
        """Return an agent of the app, with another model and other limits if given.

        Raises:
            TaskRefused: there is no such agent, or it can't be used.
        """
        _check_model(model)
        with _refused_at("agent"):
            spec = self._catalog.spec(name, model=model, limits=limits)
        return self._usable(spec, "agent", model, limits)

    def changed(self, spec: AgentSpec, model: str | None, limits: Mapping[str, JsonValue]) -> AgentSpec:
        """Return another task's agent, with another model and other limits if given.

        Raises:
            TaskRefused: it can't be used.
        """
        _check_model(model)
        changes: dict[str, object] = {} if model is None else {"models": (model,)}
        if limits:
            changed = {**spec.limits.model_dump(), **limits}
            try:
                changes["limits"] = Limits.model_validate(changed)
            except ValidationError as error:
                issues = request_issues(error.errors(include_url=False, include_input=False), changed)
                raise TaskRefused(issues[0].text, path=("limits", *issues[0].path)) from None
        return self._usable(spec.model_copy(update=changes), "agent", model, limits)

    def _usable(self, spec: AgentSpec, field: str, model: str | None, limits: Mapping[str, JsonValue]) -> AgentSpec:
        """Return the agent if its models have keys, and prices where its cost is limited."""
        if key_problem := missing_key(spec, self._settings):
            raise TaskRefused(key_problem, path=("model" if model else field,))
        if price_problem := missing_cost_price(spec, self._settings):
            path: FieldPath = ("limits", "max_cost_usd") if "max_cost_usd" in limits else (field,)
            raise TaskRefused(price_problem, path=path)
        return spec


def _check_model(model: str | None) -> None:
    if model is not None:
        with _refused_at("model"):
            split_model(model)


@contextmanager
def _refused_at(field: str) -> Iterator[None]:
    try:
        yield
    except ConfigurationInvalid as error:
        issues = [FieldIssue(*issue) for issue in error.request_issues] if isinstance(error, AgentInvalid) else ()
        raise TaskRefused(str(error), path=(field,), issues=issues) from error
