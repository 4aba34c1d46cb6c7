from __future__ import annotations

import errno
import os
import pickle
import signal
import subprocess
import sys

import pytest

from utils.cli.errors import Failure, UserError, run_script


def raising(error: BaseException):
    def main(argv):
        assert argv is None
        raise error

    return main


@pytest.mark.parametrize(("returned", "code"), [(None, 0), (0, 0), (1, 1), (3, 3)])
def test_the_exit_code_is_what_main_returns(returned, code):
    assert run_script(lambda argv: returned) == code


@pytest.mark.parametrize(
    ("error", "code", "printed"),
    [
        (UserError("a.json, line 3: no audio"), 2, "error: a.json, line 3: no audio\n"),
        (UserError("found 1", "Use 2.\nOr 3."), 2, "error: found 1\n  Use 2.\n  Or 3.\n"),
        (Failure("a worker died", "Try fewer."), 1, "error: a worker died\n  Try fewer.\n"),
        (
            KeyboardInterrupt(),
            130,
            "error: interrupted\n  Finished checkpoints and reports are intact.\n",
        ),
        (
            FileNotFoundError(errno.ENOENT, "No such file or directory", "a.json"),
            2,
            "error: a.json: No such file or directory\n  Check the path and its permissions.\n",
        ),
        (
            PermissionError(errno.EACCES, "Permission denied", b"/a"),
            2,
            "error: /a: Permission denied\n  Check the path and its permissions.\n",
        ),
        (
            OSError(errno.EIO, "Input/output error", "a.wav"),
            1,
            "error: a.wav: Input/output error\n",
        ),
        (
            OSError(errno.ENOSPC, "No space left on device", "m.safetensors"),
            1,
            "error: the disk is full: m.safetensors\n"
            "  Free some space, or choose another output folder, and run the command again.\n",
        ),
        (
            # The words in which safetensors passes the system's error on.
            RuntimeError('IoError(Os { code: 28, message: "No space left on device" })'),
            1,
            "error: the disk is full\n"
            "  Free some space, or choose another output folder, and run the command again.\n",
        ),
    ],
)
def test_each_error_is_one_message_and_its_exit_code(capsys, error, code, printed):
    assert run_script(raising(error)) == code
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", printed)


def test_a_full_disk_is_recognised_behind_another_error(capsys):
    outer = RuntimeError("could not save")
    outer.__cause__ = OSError(errno.ENOSPC, "No space left on device")
    assert run_script(raising(outer)) == 1
    assert capsys.readouterr().err.startswith("error: the disk is full\n")


def test_a_bug_keeps_its_traceback():
    with pytest.raises(ZeroDivisionError):
        run_script(raising(ZeroDivisionError()))


def test_the_traceback_of_a_bug_does_not_steer_the_terminal(repository):
    code = (
        "import sys\n"
        "from utils.cli.errors import run_script\n"
        "def main(argv): raise ValueError('a\\x1b[2Jb\\u202ec')\n"
        "sys.exit(run_script(main))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=repository, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert done.stderr.startswith("Traceback (most recent call last):\n")
    assert done.stderr.endswith("ValueError: a\\x1b[2Jb\\u202ec\n")


def test_an_error_does_not_steer_the_terminal(capsys):
    assert run_script(raising(UserError("a\x1b]0;b\x07", "c\rd"))) == 2
    assert capsys.readouterr().err == "error: a\\x1b]0;b\\x07\n  c\\rd\n"


def test_system_exit_passes_through():
    with pytest.raises(SystemExit):
        run_script(raising(SystemExit(0)))


def test_other_processes_say_which_they_are(capsys, monkeypatch):
    monkeypatch.setenv("RANK", "3")
    assert run_script(raising(Failure("lost"))) == 1
    assert capsys.readouterr().err == "process 3: error: lost\n"


def test_an_error_from_a_worker_process_keeps_its_hint():
    error = pickle.loads(pickle.dumps(UserError("found", "do")))
    assert (type(error), error.message, error.hint, str(error)) == (
        UserError,
        "found",
        "do",
        "found",
    )


def test_ctrl_c_ends_a_script_with_130_and_no_traceback(repository):
    code = (
        "import sys, time\n"
        "from utils.cli.errors import run_script\n"
        "def main(argv):\n"
        "    print('ready', flush=True)\n"
        "    time.sleep(60)\n"
        "sys.exit(run_script(main))\n"
    )
    script = subprocess.Popen(
        [sys.executable, "-c", code],
        cwd=repository,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert script.stdout.readline() == "ready\n"
    os.kill(script.pid, signal.SIGINT)
    _, printed = script.communicate(timeout=30)
    assert script.returncode == 130
    assert printed.startswith("error: interrupted")
    assert "Traceback" not in printed


def test_a_reader_that_leaves_the_pipe_ends_the_script_quietly(repository):
    code = (
        "import sys\n"
        "from utils.cli.errors import run_script\n"
        "def main(argv):\n"
        "    while True:\n"
        "        print('x' * 1000)\n"
        "sys.exit(run_script(main))\n"
    )
    script = subprocess.Popen(
        [sys.executable, "-c", code],
        cwd=repository,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    script.stdout.read(10)
    script.stdout.close()
    assert (script.wait(timeout=30), script.stderr.read()) == (1, "")
    script.stderr.close()


# Its thread is in PyTorch nearly always, and asks for the interpreter when it comes back.
AT_WORK = """
import atexit, sys, threading, time, torch
from utils.cli.errors import exit_script
numbers = torch.ones(1000, 1000)
def work():
    while True:
        numbers @ numbers
threading.Thread(target=work, daemon=True).start()
time.sleep(0.2)
atexit.register(print, "registered", flush=False)
print("said", flush=False)
exit_script(int(sys.argv[1]))
"""


@pytest.mark.parametrize("code", [0, 3])
def test_one_of_several_processes_ends_well_while_threads_compute(repository, code):
    done = subprocess.run(
        [sys.executable, "-c", AT_WORK, str(code)],
        cwd=repository,
        env={**os.environ, "WORLD_SIZE": "2", "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert (done.returncode, done.stderr) == (code, "")  # SIGABRT without exit_script
    assert done.stdout.split() == ["said", "registered"]
