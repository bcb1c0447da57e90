"""The chart, rendered without a cluster."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import helm_python as helm
import yaml

__all__ = ["CHART", "NEEDED", "SCENARIOS", "Manifest", "merged", "pod_spec", "render"]

Manifest = dict[str, Any]

CHART = Path(__file__).parents[3] / "deploy" / "helm" / "opspawn"

NEEDED: Manifest = {
    "temporal": {"address": "temporal.example.com:7233"},
    "auth": {"keysSecret": {"name": "api-keys"}},
    "payloads": {"storage": "s3://bucket/opspawn"},
}
"""What has no default."""

_CLOUD = {"address": "eu-west-1.aws.api.temporal.io:7233", "apiKeySecret": {"name": "temporal", "key": "api-key"}}
_MTLS = {"address": "a.tmprl.cloud:7233", "tls": {"existingSecret": "mtls", "hasCa": True, "serverName": "a"}}
_REMOTE = {"key": "production/opspawn", "property": "value"}

SCENARIOS: dict[str, Manifest] = {
    "defaults": {},
    "everything": {
        "temporal": {"uiUrl": "https://temporal.example.com", **_CLOUD},
        "settings": {"OPSPAWN_RATE_LIMIT": "50"},
        "secrets": {"existingSecret": "both", "workerExistingSecret": "models"},
        "auth": {"oidc": {"issuer": "https://login.example.com", "audience": "a"}, "allowedHosts": ["a.example.com"]},
        "app": {"name": "shop", "defaultProvider": "openai", "defaultModel": "gpt-5-mini"},
        "memory": {"url": "http://qdrant:6333", "collection": "shop"},
        "telemetry": {
            "otlpEndpoint": "http://collector:4318",
            "podMonitor": {"enabled": True, "apiKeySecret": {"name": "metrics"}},
        },
        "api": {"replicas": 3, "relayTlsSecret": "relay", "nodeSelector": {"a": "b"}, "podAnnotations": {"a": "b"}},
        "worker": {"tolerations": [{"key": "a", "operator": "Exists"}]},
        "image": {"digest": "sha256:" + "0" * 64, "pullSecrets": [{"name": "registry"}]},
        "commonLabels": {"team": "agents"},
        "serviceAccount": {"annotations": {"eks.amazonaws.com/role-arn": "arn:aws:iam::1:role/opspawn"}},
        "networkPolicy": {"metricsFrom": [{"namespaceSelector": {"matchLabels": {"name": "monitoring"}}}]},
    },
    "shared volume": {"payloads": {"storage": "", "existingClaim": "payloads"}},
    "external secrets": {
        "secrets": {
            "externalSecret": {
                "enabled": True,
                "storeRef": {"name": "vault"},
                "data": {"OPSPAWN_ENCRYPTION_KEYS": _REMOTE},
                "workerData": {"OPENAI_API_KEY": _REMOTE},
            }
        }
    },
    "versions and KEDA": {
        "temporal": _MTLS,
        "image": {"tag": "2.0.0"},
        "versioning": {"enabled": True, "previous": [{"buildId": "1.9.0+a", "tag": "1.9.0", "replicas": 1}]},
        "keda": {"enabled": True},
    },
    "worker controller": {
        "temporal": _CLOUD,
        "workerController": {
            "enabled": True,
            "rollout": {"strategy": "Progressive", "steps": [{"rampPercentage": 10, "pauseDuration": "5m"}]},
            "autoscaling": {"enabled": True},
        },
    },
    "as little as possible": {
        "setup": {"enabled": False},
        "networkPolicy": {"enabled": False},
        "serviceAccount": {"create": False},
        "api": {"replicas": 1, "podDisruptionBudget": {"enabled": False}},
        "worker": {"podDisruptionBudget": {"enabled": False}},
    },
}


def merged(values: Manifest, base: Manifest = NEEDED) -> Manifest:
    """Return ``base`` with these values, which win."""
    both = dict(base)
    for key, value in values.items():
        old = both.get(key)
        both[key] = merged(value, old) if isinstance(old, dict) and isinstance(value, dict) else value
    return both


def render(values: Manifest) -> list[Manifest]:
    """Return the objects of a release ``agents`` in the namespace ``prod``; no key stands twice in a mapping."""
    with helm.Chart.load(CHART) as chart:
        files = chart.render(merged(values), name="agents", namespace="prod")
    texts = [text for name, text in files.items() if name.endswith(".yaml")]
    return [manifest for text in texts for manifest in yaml.load_all(text, _UniqueKeys) if manifest]


def pod_spec(manifest: Manifest) -> Manifest | None:
    """Return the pod that the object makes; None: it makes none."""
    spec = manifest.get("spec", {})
    template = spec.get("template", {}) if isinstance(spec, dict) else {}
    pod = template.get("spec", {}) if isinstance(template, dict) else {}
    return pod if "containers" in pod else None


class _UniqueKeys(yaml.SafeLoader):
    """Refuses a mapping with a key twice, as a server does."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [key.value for key, _ in node.value]
        assert len(keys) == len(set(keys)), f"a key stands twice: {sorted(keys)}"
        return super().construct_mapping(node, deep)
