"""Write the Python of the protos (public API and token relay), or check that it is what the protos give.

The protos are compiled from the root of the project, so that the generated modules import each other by their whole
names (``api.proto.opspawn.v1.tasks_pb2``). The lock pins the compilers, so the same protos always give the same code.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

_PROTO_ROOTS = ("api/proto", "activities/streaming/proto")
_STUBS = ("mypy", "mypy_grpc")
"""Plugins of protoc that write types."""
_GENERATED = ("*_pb2.py", "*_pb2.pyi", "*_pb2_grpc.py", "*_pb2_grpc.pyi")


def generate(root: Path, target: Path) -> None:
    """Compile all protos of ``root`` into ``target``."""
    protos = sorted(str(path.relative_to(root)) for home in _PROTO_ROOTS for path in (root / home).rglob("*.proto"))
    plugins = [f"--plugin=protoc-gen-{name}={Path(sys.executable).with_name(f'protoc-gen-{name}')}" for name in _STUBS]
    outputs = [f"--{name}_out={target}" for name in ("python", "grpc_python", *_STUBS)]
    command = [sys.executable, "-m", "grpc_tools.protoc", "--proto_path=.", *plugins, *outputs, *protos]
    subprocess.run(command, cwd=root, check=True, capture_output=True, text=True)


def generated(root: Path) -> dict[str, bytes]:
    """Return the generated files under ``root`` by their names."""
    found = (path for home in _PROTO_ROOTS for pattern in _GENERATED for path in (root / home).rglob(pattern))
    return {str(path.relative_to(root)): path.read_bytes() for path in found}


def write(root: Path, fresh: dict[str, bytes]) -> None:
    """Make the generated files of ``root`` be ``fresh``, and no others."""
    for name in generated(root).keys() - fresh.keys():
        (root / name).unlink()
    for name, text in fresh.items():
        (root / name).write_bytes(text)


def faults(there: dict[str, bytes], fresh: dict[str, bytes]) -> list[str]:
    """Return what is out of step, a sentence each."""
    return [
        *(f"{name} is missing" for name in sorted(fresh.keys() - there.keys())),
        *(f"{name} has no proto" for name in sorted(there.keys() - fresh.keys())),
        *(
            f"{name} isn't what its proto gives"
            for name in sorted(fresh)
            if there.get(name, fresh[name]) != fresh[name]
        ),
    ]


def main(arguments: list[str]) -> int:
    """Write; with ``--check`` say what is out of step, and return 1 if anything is. The root may be named."""
    root = Path(next((one for one in arguments if one != "--check"), "."))
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
    found = faults(generated(root), fresh)
    if found:
        sys.stderr.write("".join(f"{fault}\n" for fault in found) + "Mend it: make proto\n")
        return 1
    sys.stdout.write(f"{len(fresh)} generated files are in step with the protos\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
