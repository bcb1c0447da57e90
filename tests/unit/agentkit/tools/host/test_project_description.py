from __future__ import annotations

import logging
import resource
import sys
from typing import TYPE_CHECKING

import pytest

from agentkit.tools.host.host_limits import HostLimits

if TYPE_CHECKING:
    from tests.unit.agentkit.tools.host.conftest import Project

GOOD = '@tool(effect="pure", timeout="5s")\ndef good(text: str) -> str:\n    """Return the text."""\n    return text\n'


def test_the_specs_of_tools_are_read_without_importing_them_here(project: Project) -> None:
    path = project.write("tools/a.py", f"import mylib_of_this_test\n{GOOD}")
    project.write("mylib_of_this_test.py", "")
    (file,) = project.description.files
    (tool,) = file.tools
    assert (tool.spec.name, tool.spec.description, tool.spec.timeout) == ("good", "Return the text.", 5.0)
    assert tool.spec.parameters["required"] == ["text"]
    assert tool.origin == f"{path}:3"
    assert "mylib_of_this_test" not in sys.modules
    assert str(project.directory) not in sys.path


def test_the_files_that_the_tools_import_are_named(project: Project) -> None:
    paths = [
        project.write("lib/prices.py", ""),
        project.write("tools/a.py", f"import json, lib.prices\n{GOOD}"),
    ]
    project.write("tools/_unused.py", "")
    assert list(project.description.imported) == paths


def test_an_app_directory_without_tools_starts_no_process(project: Project) -> None:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert project.description.files == ()
    assert resource.getrusage(resource.RUSAGE_CHILDREN) == before


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        pytest.param("1 / 0", "a.py:2: ZeroDivisionError: division by zero.", id="exception"),
        pytest.param("import sys\nsys.exit(1)", "a.py:3: SystemExit: 1.", id="sys.exit"),
        pytest.param(
            "import os\nos._exit(3)",
            "a.py: its import ended the process, which ended with exit code 3.",
            id="os._exit",
        ),
        pytest.param(
            "import ctypes\nctypes.string_at(0)",
            "a.py: its import ended the process, which was ended by SIGSEGV.",
            id="segmentation fault",
        ),
        pytest.param(
            "raise KeyboardInterrupt", "a.py: its import ended the process, which was ended by SIGINT", id="interrupt"
        ),
        pytest.param("bytearray(10**10)", "a.py:2: MemoryError: .", id="10 GB of memory"),
        pytest.param("while True: pass", "a.py: its import took more than 2 s.", id="endless loop"),
        pytest.param(
            "import os, time\nos.closerange(3, 4096)\ntime.sleep(60)",
            "a.py: its import closed the connection to this process.",
            id="descriptors closed",
        ),
        pytest.param(
            "import os, time\nfor fd in range(3, 4096):\n  try: os.write(fd, b'noise\\n')\n  except OSError: pass\n"
            "time.sleep(60)",
            "a.py: its import disturbed the connection to this process.",
            id="noise",
        ),
    ],
)
def test_a_file_that_can_not_be_imported_is_a_problem_and_the_others_are_read(
    project: Project, text: str, problem: str
) -> None:
    project.limits = HostLimits(import_timeout_s=2 if "2 s" in problem else 30, exit_timeout_s=0.5)
    project.write("tools/a.py", text)
    project.write("tools/b.py", GOOD)
    bad, good = project.description.files
    assert bad.import_error is not None
    assert bad.import_error.startswith(f"{project.directory}/tools/{problem}")
    assert [tool.spec.name for tool in good.tools] == ["good"]
    assert project.description.importable == ["b.py"]


def test_several_files_that_end_the_process_are_each_a_problem(project: Project) -> None:
    for name in ("a", "b", "d"):
        project.write(f"tools/{name}.py", "import os\nos._exit(1)")
    project.write("tools/c.py", GOOD)
    assert [file.import_error is None for file in project.description.files] == [False, False, True, False]


def test_what_an_import_prints_is_logged_and_bounded(project: Project, caplog: pytest.LogCaptureFixture) -> None:
    project.write("tools/a.py", f"print('connected')\nfor _ in range(20_000): print('x' * 100)\n{GOOD}")
    with caplog.at_level(logging.INFO):
        assert project.description.importable == ["a.py"]
    assert caplog.messages[0] == "tools: connected"
    assert len(caplog.messages) < 1_000


def test_a_file_that_forks_when_it_is_imported_is_read_once(project: Project) -> None:
    project.write("tools/a.py", f"import os\nos.fork()\n{GOOD}")
    (file,) = project.description.files
    assert [tool.spec.name for tool in file.tools] == ["good"]
