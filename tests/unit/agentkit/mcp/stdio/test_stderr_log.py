"""What servers write to stderr."""

from __future__ import annotations

from pathlib import Path

from agentkit.mcp.stdio.stderr_log import StderrLog


def redact(text: str) -> str:
    return text.replace("hunter2", "[secret:password]")


def size(directory: Path) -> int:
    return sum(path.stat().st_size for path in directory.iterdir())


def test_lines_are_logged_and_the_last_ones_are_kept(tmp_path: Path) -> None:
    log = StderrLog(tmp_path / "logs" / "server.log", str)
    log.write(b"one\ntwo\nthr")
    log.write(b"ee\n\xff\n")
    assert log.last_lines() == "one\ntwo\nthree\n\ufffd"
    log.close()
    assert log.path.read_text() == "one\ntwo\nthree\n\ufffd\n"


def test_secrets_are_redacted_also_where_a_line_comes_in_two_parts(tmp_path: Path) -> None:
    log = StderrLog(tmp_path / "server.log", redact)
    log.write(b"the password is hunt")
    log.write(b"er2\n")
    assert log.last_lines() == "the password is [secret:password]"
    log.close()
    assert log.path.read_text() == "the password is [secret:password]\n"


def test_a_flood_is_cut(tmp_path: Path) -> None:
    log = StderrLog(tmp_path / "server.log", str)
    chunk = b"A line of some length, written again and again.\n" * 1_000
    for _ in range(1_000):
        log.write(chunk)
    log.close()
    assert 100_000 < size(tmp_path) < 2_000_000
    assert "bytes are left out here]" in log.path.read_text()
    assert log.last_lines().endswith("again and again.")


def test_the_log_rotates(tmp_path: Path) -> None:
    for _ in range(12):
        log = StderrLog(tmp_path / "server.log", str)
        log.write(b"A line of some length\n" * 10_000)
        log.close()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["server.log", "server.log.1"]
    assert size(tmp_path) <= 2_000_000


def test_a_log_that_cannot_be_written_is_ignored(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    log = StderrLog(tmp_path / "file" / "server.log", str)
    log.write(b"line\n")
    assert log.last_lines() == "line"
    log.close()


def test_a_new_start_forgets_the_last_lines_of_the_one_before(tmp_path: Path) -> None:
    log = StderrLog(tmp_path / "server.log", str)
    log.write(b"old\n")
    log.begin()
    assert log.last_lines() == ""
    log.close()
