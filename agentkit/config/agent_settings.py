"""Settings of agents and models, from the environment and ``opspawn.toml``; the environment wins.

Each key of the file is also a variable ``OPSPAWN_<KEY>``. API keys are read from the providers' usual variables, too.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AliasChoices, BeforeValidator, Field, SecretStr, ValidationError
from pydantic.fields import FieldInfo
from pydantic_settings import (
    BaseSettings,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from agentkit.config.durations import Duration
from agentkit.config.long_term_memory_settings import CollectionName, Embeddings, MemoryStoreKind, MemoryUrl
from agentkit.config.model_prices import ModelPrice
from agentkit.config.networks import Networks
from agentkit.config.openapi_settings import OpenApiSettings
from agentkit.config.secret_sources import SecretName, SecretSource
from agentkit.config.secret_variables import LIBRARY_SECRETS, values_of_variables
from agentkit.errors import ConfigurationInvalid
from agentkit.validation.validation_messages import did_you_mean, validation_issues

__all__ = ["AgentSettings"]


def _split_names(value: object) -> object:
    return [name.strip() for name in value.split(",") if name.strip()] if isinstance(value, str) else value


_WITHOUT_VALUES = {
    "encryption_keys": "expected text such as 2026-11:BASE64",
    "input_webhook": "expected a URL, 2,000 characters at most",
    "input_webhook_secret": "expected text",
    "AGENTKIT_LTM_URL": "expected a URL, 2,000 characters at most",
    "ltm_url": "expected a URL, 2,000 characters at most",
    "secrets": """expected a name with its source, such as github = {env = "GITHUB_TOKEN"} or {file = "PATH"}""",
}
"""Settings whose messages never have a value, each with what is expected."""

FieldNames = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split_names)]
"""Names of fields in requests to a provider; separated by commas in the environment."""


class AgentSettings(BaseSettings):
    """Settings of agents and their models. ``repr`` hides secrets."""

    model_config = SettingsConfigDict(
        env_prefix="OPSPAWN_", extra="ignore", frozen=True, populate_by_name=True, env_ignore_empty=True
    )

    app_dir: Path = Path()
    """The directory with ``agents/``, ``tools/`` and ``opspawn.toml``."""
    task_queue: str = "opspawn"
    """The task queue of the app's workers; those that serve long-term memory poll a second one of their own."""
    tool_host: Literal["process", "inline"] = "process"
    """Where a project's tools run: in processes of their own, or in the worker itself, for debuggers."""
    tool_memory_bytes: int = Field(default=4 * 2**30, ge=0)
    """The memory that each process of a project's tools may allocate; what goes beyond fails with ``MemoryError``. 0:
    no limit."""
    reload: bool = False
    """Load tool files again when they change; ``opspawn dev`` turns it on."""
    sandbox: Literal["auto", "bubblewrap", "landlock", "none"] = "auto"
    """How the code of ``python`` and ``shell`` is confined: ``auto`` is the strongest tier that works on the worker, or
    none is run; a tier's name is that one or nothing; ``none`` confines nothing, for development."""
    sandbox_slots: int = Field(default=4, ge=1, le=64)
    """The most programs that a worker runs in the sandbox at once."""
    sandbox_timeout: Duration = 60.0
    """How long one program may take, in seconds."""
    sandbox_memory_bytes: int = Field(default=2**30, ge=64 * 2**20)
    """The memory that one program may use, with all of its processes."""
    task_files_bytes: int = Field(default=256 * 2**20, ge=2**20)
    """The size of all files of one task, and what one program may write."""
    task_files_keep: Duration = 30 * 86_400.0
    """How long the files of an ended task are kept, in seconds."""
    http_fetch_allow: Networks = ()
    """Networks that ``http_fetch`` and other requests of tools may access besides public addresses, such as
    ``10.0.0.0/8``."""
    openapi: dict[str, OpenApiSettings] = Field(default_factory=dict)
    """How the APIs of the documents ``openapi/NAME.yaml`` are reached, by NAME."""
    openapi_dir: Path | None = None
    """Where workers store the documents that ``openapi.NAME.url`` names, for themselves and the API. None:
    ``.opspawn/openapi`` in the app directory."""
    secrets: dict[SecretName, SecretSource] = Field(default_factory=dict)
    """Secrets of tools by name, each with its variable or file: ``github = {env = "GITHUB_TOKEN"}``."""

    default_provider: str | None = Field(
        default=None, validation_alias=AliasChoices("AGENTKIT_LLM_PROVIDER", "OPSPAWN_DEFAULT_PROVIDER")
    )
    default_model: str | None = Field(
        default=None, validation_alias=AliasChoices("AGENTKIT_LLM_MODEL", "OPSPAWN_DEFAULT_MODEL")
    )
    default_planner: str = Field(
        default="tools", validation_alias=AliasChoices("AGENTKIT_PLANNER_TYPE", "OPSPAWN_DEFAULT_PLANNER")
    )

    openai_api_key: SecretStr | None = Field(
        default=None, validation_alias=AliasChoices("OPENAI_API_KEY", "OPSPAWN_OPENAI_API_KEY")
    )
    openai_base_url: str | None = Field(
        default=None, validation_alias=AliasChoices("OPSPAWN_OPENAI_BASE_URL", "OPENAI_BASE_URL")
    )
    openai_compatible_api_key: SecretStr | None = Field(
        default=None, validation_alias=AliasChoices("OPENAI_COMPATIBLE_API_KEY", "OPSPAWN_OPENAI_COMPATIBLE_API_KEY")
    )
    openai_compatible_base_url: str | None = None
    openai_api: Literal["responses", "chat"] | None = None
    """Which of OpenAI's APIs is used. None: Responses for OpenAI itself, Chat Completions for another base URL."""
    anthropic_api_key: SecretStr | None = Field(
        default=None, validation_alias=AliasChoices("ANTHROPIC_API_KEY", "OPSPAWN_ANTHROPIC_API_KEY")
    )
    anthropic_base_url: str | None = Field(
        default=None, validation_alias=AliasChoices("OPSPAWN_ANTHROPIC_BASE_URL", "ANTHROPIC_BASE_URL")
    )
    google_api_key: SecretStr | None = Field(
        default=None, validation_alias=AliasChoices("GOOGLE_API_KEY", "GEMINI_API_KEY", "OPSPAWN_GOOGLE_API_KEY")
    )
    google_base_url: str | None = Field(
        default=None, validation_alias=AliasChoices("OPSPAWN_GOOGLE_BASE_URL", "GOOGLE_GEMINI_BASE_URL")
    )
    openrouter_api_key: SecretStr | None = Field(
        default=None, validation_alias=AliasChoices("OPENROUTER_API_KEY", "OPSPAWN_OPENROUTER_API_KEY")
    )
    openrouter_base_url: str | None = None
    openrouter_referer: str | None = None
    """The URL of your site, for OpenRouter's rankings."""
    openrouter_title: str | None = None
    """The name of your application, for OpenRouter's rankings."""

    openai_omit: FieldNames = ()
    """Fields that are left out of all requests to this provider, as its server rejects them."""
    openai_compatible_omit: FieldNames = ()
    anthropic_omit: FieldNames = ()
    google_omit: FieldNames = ()
    openrouter_omit: FieldNames = ()

    model_concurrency: int = Field(default=64, ge=1)
    """The most concurrent requests of a worker to one provider."""
    model_requests_per_minute: int | None = Field(default=None, ge=1)
    """The most requests of a worker to one provider; None: the limit that the provider's responses state."""
    model_tokens_per_minute: int | None = Field(default=None, ge=1)
    """The same for input and output tokens together."""
    model_connect_timeout: Duration = 10.0
    """How long a connection to a provider may take to be established, in seconds."""
    model_first_byte_timeout: Duration = 60.0
    """How long a provider may take to begin its response, in seconds."""
    model_idle_timeout: Duration = 60.0
    """How long a provider may pause within a response, in seconds."""
    model_content_timeout: Duration = 180.0
    """How long a response may go on without content, in seconds, and how long a model may think without a sign."""
    model_max_wait: Duration = 120.0
    """The longest that a provider's refusal or rate-limit headers hold up requests to one model, in seconds."""

    ltm_provider: MemoryStoreKind | None = Field(
        default=None, validation_alias=AliasChoices("AGENTKIT_LTM_PROVIDER", "OPSPAWN_LTM_PROVIDER")
    )
    """Where long-term memory is. None: ``qdrant`` if ``ltm_url`` is set, else ``embedded``; see ``memory_store``."""
    ltm_path: Path | None = Field(default=None, validation_alias=AliasChoices("AGENTKIT_LTM_PATH", "OPSPAWN_LTM_PATH"))
    """The directory of the embedded memory. None: ``memory`` in the data directory."""
    ltm_url: MemoryUrl | None = Field(
        default=None, validation_alias=AliasChoices("AGENTKIT_LTM_URL", "OPSPAWN_LTM_URL")
    )
    """The Qdrant server."""
    ltm_api_key: SecretStr | None = Field(
        default=None, validation_alias=AliasChoices("AGENTKIT_LTM_API_KEY", "OPSPAWN_LTM_API_KEY")
    )
    ltm_collection: CollectionName = Field(
        default="opspawn", validation_alias=AliasChoices("AGENTKIT_LTM_COLLECTION", "OPSPAWN_LTM_COLLECTION")
    )
    """The collection on the Qdrant server."""
    ltm_embeddings: Embeddings = Field(
        default="minilm", validation_alias=AliasChoices("AGENTKIT_LTM_EMBEDDINGS", "OPSPAWN_LTM_EMBEDDINGS")
    )
    """The model that computes the vectors of memories: ``minilm``, ``multilingual``, or ``provider:name``."""
    ltm_dimension: int | None = Field(
        default=None, ge=1, le=65_536, validation_alias=AliasChoices("AGENTKIT_LTM_DIMENSION", "OPSPAWN_LTM_DIMENSION")
    )
    """How many numbers a provider's vectors have, where it offers a choice. None: the model's own number."""

    prices: dict[str, ModelPrice] = Field(default_factory=dict)
    """Prices of models by ``provider:name``, where ``*`` matches any text; the first that matches applies."""

    @property
    def memory_store(self) -> MemoryStoreKind:
        """Where long-term memory is."""
        return self.ltm_provider or ("qdrant" if self.ltm_url is not None else "embedded")

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Arguments override the environment; ``load`` adds the file below both."""
        return init_settings, env_settings

    @classmethod
    def variables(cls) -> frozenset[str]:
        """Return the names of the environment variables that are read, in capitals."""
        return frozenset(name for key, field in cls.model_fields.items() for name in _variables(key, field))

    @classmethod
    def secret_variables(cls) -> tuple[str, ...]:
        """Return the names of the environment variables with secrets of Opspawn's own, and of the libraries it uses.

        ``*`` in a name is any text. A tool that needs one declares it as a secret.
        """
        own = (name for key, field in cls.model_fields.items() if _is_secret(field) for name in _variables(key, field))
        return tuple(sorted({*own, *LIBRARY_SECRETS}))

    @property
    def secret_values(self) -> dict[str, str]:
        """The values of Opspawn's own secrets, by the names of the settings; the key of a table follows a dot."""
        values: dict[str, str] = {}
        for key, field in type(self).model_fields.items():
            value = getattr(self, key) if _is_secret(field) else None
            for name, secret in value.items() if isinstance(value, dict) else [(None, value)]:
                if isinstance(secret, SecretStr):
                    values[key if name is None else f"{key}.{name}"] = secret.get_secret_value()
        return values

    def internal_secrets(self, environment: Mapping[str, str]) -> dict[str, str]:
        """Return what is redacted besides the secrets of tools: the values of the settings, and of variables.

        Those of variables that no setting was read from, as ``TEMPORAL_API_KEY``, are by the names of the variables.
        """
        values = self.secret_values
        known = set(values.values())
        others = values_of_variables(environment, self.secret_variables())
        return {**values, **{name: value for name, value in others.items() if value not in known}}

    @classmethod
    def load(cls, app_dir: Path | None = None, **overrides: object) -> Self:
        """Read the environment and ``opspawn.toml`` of the app directory; ``overrides`` (command-line options) win.

        Raises:
            ConfigurationInvalid: the message has the file or variable, the key, and what was expected.
        """
        arguments = {key: value for key, value in overrides.items() if value is not None}
        if app_dir is not None:
            arguments["app_dir"] = app_dir
        try:
            settings = cls(**arguments)  # type: ignore[arg-type]  # pydantic checks the values
        except ValidationError as error:
            raise ConfigurationInvalid(_explain(error)) from None
        file = settings.app_dir / "opspawn.toml"
        return settings._with_file(file) if file.is_file() else settings

    def _with_file(self, file: Path) -> Self:
        """Return these settings, with values from the file for the keys that aren't set."""
        try:
            values = TomlConfigSettingsSource(type(self), toml_file=file).toml_data
        except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as error:
            raise ConfigurationInvalid(f"{file}: no valid TOML: {error}") from None
        unknown = sorted(set(values) - set(type(self).model_fields))
        if unknown:
            known = ", ".join(sorted(type(self).model_fields))
            hint = did_you_mean(unknown[0], type(self).model_fields)
            raise ConfigurationInvalid(f"{file}: unknown key {unknown[0]!r}.{hint} Known keys: {known}")
        try:
            return type(self)(**{**self._absolute_paths(values, file), **self.model_dump(exclude_unset=True)})
        except ValidationError as error:
            raise ConfigurationInvalid(f"{file}: {_explain(error)}") from None

    @classmethod
    def _absolute_paths(cls, values: Mapping[str, object], file: Path) -> dict[str, object]:
        """Return the values of ``opspawn.toml`` with its paths resolved: they are relative to the file's directory."""
        paths = {key for key, field in cls.model_fields.items() if field.annotation in (Path, Path | None)}
        directory = file.parent.absolute()
        return {
            key: directory / value if key in paths and isinstance(value, str) else value
            for key, value in values.items()
        }


def _variables(key: str, field: FieldInfo) -> list[str]:
    """Return the names of the environment variables of a setting, in capitals."""
    alias = field.validation_alias
    choices = alias.choices if isinstance(alias, AliasChoices) else [alias or f"OPSPAWN_{key}"]
    return [str(choice).upper() for choice in choices]


def _is_secret(field: FieldInfo) -> bool:
    return "SecretStr" in str(field.annotation)


def _explain(error: ValidationError) -> str:
    first = error.errors()[0]
    key = str(first["loc"][0])
    path = ".".join(map(str, first["loc"]))
    name = key if key.isupper() else f"{path} (OPSPAWN_{key.upper()})"
    if key in _WITHOUT_VALUES:  # somebody may have written the secret itself
        problem = _WITHOUT_VALUES[key]
        if first["type"] == "value_error":
            problem = first["msg"].removeprefix("Value error, ")
        return f"Setting {name}: {problem}"
    if "api_key" in key.lower() or "secret" in key.lower():
        return f"Setting {name}: expected text"
    return f"Setting {name}: {validation_issues(error, {key: first['input']})[0].message}"
