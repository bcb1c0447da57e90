from __future__ import annotations

import pytest
from pydantic import BaseModel

from api.rest.agents.agent_schemas import AgentListResponse, AgentResponse, ToolListResponse


@pytest.mark.parametrize("model", [AgentResponse, AgentListResponse, ToolListResponse])
def test_examples_are_valid(model: type[BaseModel]) -> None:
    schema = model.model_config["json_schema_extra"]
    assert isinstance(schema, dict)
    model.model_validate(schema["example"])
