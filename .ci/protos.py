"""Generate the Python code of the protos (public API and token relay), or check that it is up to date.

The protos are compiled from the root of the project, so that the generated modules import each other by their full
names (``api.proto.opspawn.v1.tasks_pb2``). The lock pins the compilers, so the same protos always give the same code.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

_PROTO_ROOTS = ("api/proto", "activities/streaming/proto")
_STUBS = ("mypy", "mypy_grpc")
"""Plugins of protoc that generate type stubs."""
_GENERATED = ("*_pb2.py", "*_pb2.pyi", "*_pb2_grpc.py", "*_pb2_grpc.pyi")


def generate(root: Path, target: Path) -> None:
    """Compile all protos of ``root`` into ``target``."""
    protos = sorted(str(path.relative_to(root)) for folder in _PROTO_ROOTS for path in (root / folder).rglob("*.proto"))
    plugins = [f"--plugin=protoc-gen-{name}={Path(sys.executable).with_name(f'protoc-gen-{name}')}" for name in _STUBS]
    outputs = [f"--{name}_out={target}" for name in ("python", "grpc_python", *_STUBS)]
    command = [sys.executable, "-m", "grpc_tools.protoc", "--proto_path=.", *plugins, *outputs, *protos]
    subprocess.run(command, cwd=root, check=True, capture_output=True, text=True)


def generated(root: Path) -> dict[str, bytes]:
    """Return the generated files under ``root`` by their names."""
    paths = (path for folder in _PROTO_ROOTS for pattern in _GENERATED for path in (root / folder).rglob(pattern))
    return {str(path.relative_to(root)): path.read_bytes() for path in paths}


def write(root: Path, fresh: dict[str, bytes]) -> None:
    """Replace the generated files of ``root`` by ``fresh``; delete all others."""
    for name in generated(root).keys() - fresh.keys():
        (root / name).unlink()
    for name, text in fresh.items():
        (root / name).write_bytes(text)


def compare(existing: dict[str, bytes], fresh: dict[str, bytes]) -> list[str]:
    """Return the differences, a sentence each."""
    return [
        *(f"{name} is missing" for name in sorted(fresh.keys() - existing.keys())),
        *(f"{name} has no proto" for name in sorted(existing.keys() - fresh.keys())),
        *(f"{name} doesn't fit its proto" for name in sorted(fresh) if existing.get(name, fresh[name]) != fresh[name]),
    ]


def main(arguments: list[str]) -> int:
    """Generate the code; with ``--check`` print differences, and return 1 if there are any. The root may be named."""
    root = Path(next((argument for argument in arguments if argument != "--check"), "."))
    with tempfile.TemporaryDirectory() as target:
        try:
            generate(root, Path(target))
        except subprocess.CalledProcessError as error:
            sys.stderr.write(error.stderr)
            return 1
        fresh = generated(Path(target))
    if "--check" not in arguments:
        write(root, fresh)
        return 0
    differences = compare(generated(root), fresh)
    if differences:
        sys.stderr.write("".join(f"{difference}\n" for difference in differences) + "Run: make proto\n")
        return 1
    sys.stdout.write(f"{len(fresh)} generated files fit the protos\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
