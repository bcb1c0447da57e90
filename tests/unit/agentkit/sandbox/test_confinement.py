"""What a program sees is the system's software and its scratch directory, and nothing of the worker's."""

from __future__ import annotations

from pathlib import Path

from agentkit.interfaces import SandboxedProgram, SandboxLimits
from agentkit.sandbox.confinement import Confinement, ScratchPaths, is_open_to_all

PATHS = ScratchPaths(Path("/x/files"), Path("/x/tmp"))
PROGRAM = SandboxedProgram(kind="python", code="1")


def test_only_the_scratch_directories_can_be_written() -> None:
    for confinement in (Confinement("landlock", 7), Confinement("bubblewrap", 7, "/usr/bin/bwrap")):
        job = confinement.job(PROGRAM, PATHS, SandboxLimits(), user_id=None, status=5)
        assert set(job["writable"]) <= {"/x/files", "/x/tmp", "/scratch", "/tmp", "/dev/shm"}
        assert not {"/", "/etc", "/home", "/var"} & set(job["readable"])
        assert job["filter"] is not None


def test_bubblewrap_binds_nothing_but_the_scratch_directories_for_writing() -> None:
    command = list(Confinement("bubblewrap", 7, "/usr/bin/bwrap").command(PATHS, as_root=False, with_packages=True))
    bound = [command[index + 1] for index, word in enumerate(command) if word == "--bind"]
    assert bound == ["/x/files", "/x/tmp"]
    for option in ("--unshare-pid", "--unshare-net", "--unshare-user", "--disable-userns", "--die-with-parent"):
        assert option in command
    assert "--share-net" not in command


def test_a_program_with_the_workers_user_may_do_less() -> None:
    def program_filter(confinement: Confinement, user_id: int | None) -> bytes | None:
        return confinement.job(PROGRAM, PATHS, SandboxLimits(), user_id=user_id, status=5)["filter"]

    own, others = Confinement("landlock", 7), Confinement("landlock", 3)
    assert len({program_filter(own, 1), program_filter(own, None), program_filter(others, None)}) == 3
    assert program_filter(Confinement("none", 0), None) is None


def test_the_environment_has_nothing_of_the_workers() -> None:
    assert set(Confinement("landlock", 7).environment(PATHS)) == {
        *("PATH", "HOME", "TMPDIR", "LANG", "PYTHONDONTWRITEBYTECODE"),
        *("MALLOC_ARENA_MAX", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"),
    }


def test_a_private_directory_above_is_noticed(tmp_path: Path) -> None:
    below = tmp_path / "private" / "below"
    below.mkdir(parents=True)
    (tmp_path / "private").chmod(0o700)
    assert not is_open_to_all(below)
    assert is_open_to_all(Path("/usr/bin"))
