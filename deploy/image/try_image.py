"""Build the image and run a task in it, without Docker and without a registry of images: ``make test-image``.

The base is bootstrapped from Debian's packages instead of pulled, and ``buildah`` builds in a chroot. Then API, worker
and ``opspawn doctor`` run as the image's user, in the image's file system mounted read-only, with no capabilities.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parents[2]
WORK = ROOT / "dist" / "image"
BASE_NAME, IMAGE_NAME = "localhost/opspawn-base", "localhost/opspawn"
UID = 10001
_CA_BUNDLE = "etc/ssl/certs/ca-certificates.crt"
_TIMEOUT_S = 120.0
_STOP_TIMEOUT_S = 30.0
"""Within terminationGracePeriodSeconds of the chart."""


class CannotRun(Exception):
    """This machine can't build the image; the message says what it lacks."""


class ImageWrong(Exception):
    """The image doesn't do what it should."""


def require_tools() -> None:
    """Check that this is root on Linux with the tools."""
    if sys.platform != "linux" or os.geteuid() != 0:
        raise CannotRun("make test-image needs root on Linux: it mounts file systems and changes its root directory.")
    names = ("buildah", "debootstrap", "setpriv", "unshare")
    if missing := [name for name in names if shutil.which(name) is None]:
        raise CannotRun(f"make test-image needs {', '.join(missing)}: apt-get install buildah debootstrap util-linux")


def report(text: str) -> None:
    """Print a line at once."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def run(*command: str) -> str:
    """Run a command; return its stdout. Raises ImageWrong with its output if it fails."""
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    if done.returncode:
        raise ImageWrong(f"{' '.join(command)} failed ({done.returncode}):\n{done.stdout[-4000:]}{done.stderr[-4000:]}")
    return done.stdout.strip()


def buildah(*arguments: str) -> str:
    """Run buildah with storage of its own, which ``rm -r dist`` removes."""
    return run("buildah", "--root", str(WORK / "storage"), "--runroot", str(WORK / "run"), *arguments)


def release_storage() -> None:
    """Remove the containers, and the mount that buildah leaves, so that ``make clean`` can remove the files."""
    buildah("rm", "--all")
    subprocess.run(["umount", str(WORK / "storage" / "overlay")], capture_output=True, check=False)


def make_base() -> None:
    """Bootstrap a base image with Python, if there is none yet; it trusts the certificates that this machine trusts."""
    if BASE_NAME in buildah("images", "--noheading", "--format", "{{.Name}}").split():
        return
    tree = WORK / "base"
    report("Bootstrapping a base from Debian's packages: about a minute")
    shutil.rmtree(tree, ignore_errors=True)
    run("debootstrap", "--variant=minbase", "--include=ca-certificates,python3,python3-venv", "bookworm", str(tree))
    if (own := Path("/") / _CA_BUNDLE).exists():
        shutil.copy(own, tree / _CA_BUNDLE)
    container = buildah("from", "scratch")
    buildah("copy", "--quiet", container, str(tree), "/")
    buildah("commit", "--quiet", "--rm", container, BASE_NAME)
    shutil.rmtree(tree)


def build_image() -> None:
    """Build deploy/Dockerfile on the base."""
    report("Building the image: about a minute")
    started = time.monotonic()
    buildah(
        *("bud", "--isolation", "chroot", "--pull=never", "--format", "docker", "--layers", "--quiet"),
        *("--build-arg", f"BASE={BASE_NAME}", "--file", "deploy/Dockerfile", "--tag", IMAGE_NAME, "."),
    )
    megabytes = json.loads(buildah("inspect", "--type", "image", IMAGE_NAME))["Docker"].get("size", 0) / 1e6
    report(f"Built in {time.monotonic() - started:.0f} s{f', {megabytes:.0f} MB' if megabytes else ''}")


@dataclass
class Container:
    """The image's file system with its configuration, for commands in it."""

    tree: Path
    data: Path
    """A directory of the host: the volume of the image."""
    keys: Path
    entrypoint: Sequence[str]
    environment: dict[str, str]
    running: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def command(self, *arguments: str) -> list[str]:
        """Return the command that runs ``arguments`` in a read-only root, as the image's user, without capabilities."""
        script = (
            "set -e; "
            f'mount --bind "{self.tree}" "{self.tree}"; mount -o remount,bind,ro "{self.tree}"; '
            f'mount -t tmpfs tmpfs "{self.tree}/tmp"; chmod 1777 "{self.tree}/tmp"; '
            f'mount --bind "{self.data}" "{self.tree}/var/lib/opspawn"; '
            f'mount --bind "{self.keys}" "{self.tree}/etc/opspawn"; '
            f'mount --rbind /proc "{self.tree}/proc"; mount --rbind /dev "{self.tree}/dev"; '
            f'cd "{self.tree}"; '
            f'exec chroot "{self.tree}" setpriv --reuid {UID} --regid {UID} --clear-groups --bounding-set -all '
            '--inh-caps -all --no-new-privs sh -c \'cd /app; exec "$@"\' sh "$@"'
        )
        return ["unshare", "--mount", "sh", "-c", script, "sh", *arguments]

    def run(self, *arguments: str, fails: bool = False, **variables: str) -> str:
        """Run a command in the container to its end; return its output."""
        done = subprocess.run(
            self.command(*arguments),
            env=self.environment | variables,
            capture_output=True,
            text=True,
            check=False,
            timeout=_TIMEOUT_S,
        )
        output = done.stdout + done.stderr
        if (done.returncode != 0) != fails:
            raise ImageWrong(f"{' '.join(arguments)} exited with {done.returncode}:\n{output}")
        return output

    def opspawn(self, *arguments: str, fails: bool = False, **variables: str) -> str:
        """Run the image's entrypoint with these arguments to its end; return its output."""
        return self.run(*self.entrypoint, *arguments, fails=fails, **variables)

    @contextmanager
    def process(self, *arguments: str, **variables: str) -> Iterator[Path]:
        """Run the entrypoint until the end of the context, with its log in the file; it must stop on SIGTERM with 0."""
        log = self.data.parent / f"{arguments[0]}.log"
        with log.open("wb") as file:
            process = subprocess.Popen(
                self.command(*self.entrypoint, *arguments),
                env=self.environment | variables,
                stdout=file,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            try:
                yield log
                if process.poll() is not None:
                    raise ImageWrong(f"{arguments[0]} ended with {process.returncode}:\n{log.read_text()[-3000:]}")
                process.send_signal(signal.SIGTERM)  # `exec` all the way: this is opspawn itself
                if code := process.wait(_STOP_TIMEOUT_S):
                    raise ImageWrong(f"{arguments[0]} exited with {code} on SIGTERM:\n{log.read_text()[-3000:]}")
            finally:
                if process.poll() is None:
                    os.killpg(process.pid, signal.SIGKILL)
                    process.wait()


@contextmanager
def container(directory: Path, variables: Mapping[str, str]) -> Iterator[Container]:
    """Mount the image for commands with these variables besides its own."""
    config = json.loads(buildah("inspect", "--type", "image", IMAGE_NAME))["Docker"]["config"]
    if config["User"] != f"{UID}:{UID}" or not config["Healthcheck"]:
        raise ImageWrong(f"user {config['User']!r}, healthcheck {config['Healthcheck']!r}")
    for name in ("data", "keys"):
        (directory / name).mkdir()
        os.chown(directory / name, UID, UID)
    name = buildah("from", "--pull-never", IMAGE_NAME)
    try:
        tree = Path(buildah("mount", name))
        environment = dict(variable.split("=", 1) for variable in config["Env"]) | dict(variables)
        yield Container(tree, directory / "data", directory / "keys", config["Entrypoint"], environment)
    finally:
        buildah("rm", name)


@contextmanager
def temporal(port: int) -> Iterator[None]:
    """Run the development server of this checkout, outside of the image."""
    binary = Path(sys.executable).with_name("temporal")
    command = [str(binary), "server", "start-dev", "--headless", "--port", str(port), "--log-level", "error"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_for(lambda: connects(port), "Temporal")
        yield
    finally:
        process.terminate()
        process.wait()


def connects(port: int) -> bool:
    """Return whether something listens at the port of this machine."""
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


def wait_for(condition: object, name: str) -> None:
    """Wait until ``condition()`` is true."""
    assert callable(condition)
    deadline = time.monotonic() + _TIMEOUT_S
    while not condition():
        if time.monotonic() > deadline:
            raise ImageWrong(f"{name} wasn't ready within {_TIMEOUT_S:.0f} s")
        subprocess.run(["sleep", "0.2"], check=True)


def free_ports(count: int) -> list[int]:
    """Return ports that nothing uses now."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return [int(listener.getsockname()[1]) for listener in sockets]


def try_image(directory: Path) -> None:
    """Run everything in the image that a deployment runs."""
    temporal_port, port, grpc_port, relay_port, metrics_port = free_ports(5)
    variables = {
        "TEMPORAL_ADDRESS": f"127.0.0.1:{temporal_port}",
        "OPSPAWN_APP_NAME": "image",
        "OPSPAWN_PORT": str(port),
        "OPSPAWN_GRPC_PORT": str(grpc_port),
        "OPSPAWN_RELAY_PORT": str(relay_port),
        "OPSPAWN_WORKER_METRICS": f"0.0.0.0:{metrics_port}",
        "OPSPAWN_URL": f"http://127.0.0.1:{port}",
        "OPSPAWN_LOG_FORMAT": "json",
        "AGENTKIT_LTM_PROVIDER": "off",
    }
    with container(directory, variables) as image:
        check_file_system(image)
        with temporal(temporal_port):
            report(image.opspawn("setup").strip())
            run_task(image, f"http://127.0.0.1:{port}/healthz", f"http://127.0.0.1:{metrics_port}/metrics")


def check_file_system(image: Container) -> None:
    """Check user, read-only root, and what isn't in the image."""
    identity = image.run("sh", "-c", "id -u; id -g; grep CapEff /proc/self/status").split()
    if identity != [str(UID), str(UID), "CapEff:", "0" * 16]:
        raise ImageWrong(f"user and capabilities are {identity}")
    for path in ("/app", "/opt/opspawn", "/"):
        if "Read-only" not in image.run("touch", f"{path}/file", fails=True):
            raise ImageWrong(f"{path} can be written")
    left = image.run("sh", "-c", "ls /opt/opspawn/bin; ls -a / /app")
    for name in ("temporal", "pip", "uv", "pytest", ".git", ".venv", "tests"):
        if name in left.split():
            raise ImageWrong(f"the image has {name}")
    report(image.opspawn("--version").strip())
    refused = image.opspawn("dev", fails=True, TEMPORAL_ADDRESS="127.0.0.1:1", OPSPAWN_HOST="127.0.0.1")
    report(f"opspawn dev: {refused.strip()}")
    refused = image.opspawn("api", fails=True)
    if "keys_file" not in refused:
        raise ImageWrong(f"an API without keys said: {refused}")


def run_task(image: Container, api_health: str, worker_health: str) -> None:
    """Start API and worker, and run a task with a key."""
    image.environment["OPSPAWN_KEYS_FILE"] = "/etc/opspawn/keys.json"
    created = image.opspawn("keys", "create", "--name", "image", "--role", "admin", "--json")
    image.environment["OPSPAWN_API_KEY"] = json.loads(created)["key"]
    healthcheck = ("python", "-I", "/opt/opspawn/healthcheck.py")
    with ExitStack() as stack:
        for arguments, url in ((("worker",), worker_health), (("api",), api_health)):
            stack.enter_context(image.process(*arguments))
            port = int(url.split(":")[2].split("/")[0])
            wait_for(lambda port=port: connects(port), arguments[0])
            image.run(*healthcheck, url)
        image.run(*healthcheck, "http://127.0.0.1:1/", fails=True)
        output = image.opspawn("run", "assistant", 'call calculator {"expression": "6*7"}\nsay done', "--json")
        task = json.loads(output[output.index("{") :])
        if task["status"] != "completed":
            raise ImageWrong(f"the task ended so: {output}")
        report(f"A task: {task['status']}, {task['output']!r}")
        report(image.opspawn("doctor"))
    report("API and worker stopped on SIGTERM with 0")


def main() -> int:
    """Build and try the image; return the exit code: 0, 1 where it is wrong, 2 where this machine can't."""
    try:
        require_tools()
        WORK.mkdir(parents=True, exist_ok=True)
        buildah("rm", "--all")  # containers of a run that was interrupted
        make_base()
        build_image()
        with tempfile.TemporaryDirectory(prefix="opspawn-image-") as directory:
            os.chmod(directory, 0o755)
            try_image(Path(directory))
        release_storage()
    except CannotRun as error:
        sys.stderr.write(f"{error}\n")
        return 2
    except ImageWrong as error:
        sys.stderr.write(f"{error}\n")
        return 1
    report("The image works.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
