"""Nothing that only POSIX systems have is needed to import a module or to print a script's help."""

from __future__ import annotations

import subprocess
import sys

# Libraries are loaded first: what they need is theirs to get right. Then what Windows lacks is
# taken away, every module of the repository is imported, and every script asked for its help.
WITHOUT_POSIX = """
import contextlib, importlib, io, os, pkgutil, signal, sys
from pathlib import Path

import accelerate, datasets, multiprocessing.forkserver, peft, psutil, safetensors.torch, torch
import transformers, scipy.stats, matplotlib.pyplot, tempfile, subprocess, selectors, filelock
import transformers.trainer, transformers.trainer_seq2seq, torch.utils.data, concurrent.futures

for name in ("fcntl", "resource", "termios", "tty", "pwd", "grp", "pty", "posix", "syslog"):
    sys.modules[name] = None
for name in ("fork", "pread", "pwrite", "getuid", "geteuid", "killpg", "getpgid", "setsid",
             "mkfifo", "sched_getaffinity",
             "getloadavg", "statvfs", "sysconf", "uname", "O_DIRECTORY",
             "register_at_fork", "posix_fadvise", "chown", "wait4", "WNOHANG"):
    if hasattr(os, name):
        delattr(os, name)
for name in [name for name in dir(signal) if name.startswith("SIG")]:
    # Windows has these.
    if name not in ("SIG_DFL", "SIG_IGN", "SIGABRT", "SIGFPE", "SIGILL", "SIGINT", "SIGSEGV",
                    "SIGTERM"):
        delattr(signal, name)

root = Path.cwd()
scripts = sorted(path.stem for path in root.glob("*.py") if "former_names" not in path.read_text())
modules = [info.name for info in pkgutil.walk_packages([str(root / "utils")], "utils.")]
modules += [f"demo.{path.stem}" for path in (root / "demo").glob("*.py")]
for name in [*modules, *scripts]:
    importlib.import_module(name)
for script in scripts:
    main = importlib.import_module(script).main
    for command in getattr(importlib.import_module(script), "COMMANDS", [None]):
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed), contextlib.suppress(SystemExit):
            main([*([command] if command else []), "--help=all"])
        assert f"usage: {script}.py" in printed.getvalue(), script
print(len(modules), len(scripts))
"""


def test_every_module_is_imported_and_every_help_printed_without_what_windows_lacks(repository):
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_POSIX],
        cwd=repository,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    modules, scripts = map(int, done.stdout.split())
    assert modules > 150 and scripts >= 9


def test_help_needs_no_posix_even_where_no_library_is_loaded(repository):
    code = (
        "import sys, runpy\n"
        "for name in ('fcntl', 'resource', 'termios', 'pwd', 'grp'): sys.modules[name] = None\n"
        "sys.path.insert(0, ''); sys.argv = ['finetune.py', '--help']\n"
        "runpy.run_path('finetune.py', run_name='__main__')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=repository, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "--train_data" in done.stdout
