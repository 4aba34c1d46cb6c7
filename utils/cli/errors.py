"""Errors that are told to the user in one message, and the exit code that each ends in.

| exit code | meaning |
|---|---|
| 0 | done |
| 1 | a failure: disk full, a worker died, a gate that was not passed, or a bug (with traceback) |
| 2 | the user's input cannot work: a wrong flag, a missing file, a broken manifest |
| 130 | interrupted with Ctrl-C |
| 143 | stopped with SIGTERM, as schedulers do |
"""

from __future__ import annotations

import atexit
import errno
import os
import sys
import tempfile
import threading
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, NoReturn

from utils.cli.chatter import silence_libraries
from utils.cli.console import print_to, process_count

LONGEST_MESSAGE = 4000  # a list of changed settings is no longer
EXIT_FAILURE = 1
EXIT_USER_ERROR = 2
EXIT_INTERRUPTED = 130  # 128 + SIGINT, as shells have it

# Each of these is nearly always a path that the user typed, or a folder that is not theirs.
_USER_PATH_ERRORS = (
    FileNotFoundError,
    FileExistsError,
    PermissionError,
    IsADirectoryError,
    NotADirectoryError,
)
DISK_FULL_CODES = (errno.ENOSPC, errno.EDQUOT)
_REASON_HIDDEN = ("file write failed", "inline_container.cc", "System error.")


class _ToldError(Exception):
    """An error with a message for the user and, where there is one, the next step to take.

    Args:
        message: What was found and what was expected, in one sentence.
        hint: What to do next; may be empty, may span several lines.
    """

    def __init__(self, message: str, hint: str = "") -> None:
        if len(message) > LONGEST_MESSAGE:  # a value of a damaged file may be of any length
            left_out = len(message) - LONGEST_MESSAGE
            half = LONGEST_MESSAGE // 2
            message = f"{message[:half]} [... {left_out} characters ...] {message[-half:]}"
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __reduce__(self) -> tuple[type[_ToldError], tuple[Any, ...]]:
        # Data-loading workers send their errors through pickle, which would lose the hint.
        return type(self), (self.message, self.hint)


class UserError(_ToldError):
    """The user's input cannot work as it is; the script ends with exit code 2."""


class Failure(_ToldError):  # noqa: N818 (a failure is no error of the program's or the user's)
    """Something outside the user's input went wrong; the script ends with exit code 1."""


class Stopped(_ToldError):  # noqa: N818 (what was asked for is no error)
    """A signal ended the work in an orderly way; the script ends with 128 + the signal's number.

    Args:
        message: What was done before the end.
        hint: How to go on.
        exit_code: 130 after Ctrl-C, 143 after SIGTERM.
    """

    def __init__(self, message: str, hint: str, exit_code: int) -> None:
        super().__init__(message, hint)
        self.exit_code = exit_code

    def __reduce__(self) -> tuple[type[Stopped], tuple[Any, ...]]:
        return type(self), (self.message, self.hint, self.exit_code)


def run_script(main: Callable[[Sequence[str] | None], int | None]) -> int:
    """Run a script's `main` and turn what it raises into one clear message.

    Args:
        main: Takes the arguments (None: the command line's); returns an exit code or None.

    Returns:
        The exit code: main's own (None counts as 0), 2 for a `UserError`, an unusable path or a
        library that is not installed,
        1 for a `Failure` or a full disk, 130 for Ctrl-C, 128 + the signal for `Stopped`.
        SystemExit passes through; anything else is a bug and keeps its traceback.
    """
    silence_libraries()
    sys.excepthook = _tell_bug
    try:
        return main(None) or 0
    except UserError as error:
        return _tell(error.message, error.hint, EXIT_USER_ERROR)
    except Failure as error:
        return _tell(error.message, error.hint, EXIT_FAILURE)
    except Stopped as error:
        return _tell(error.message, error.hint, error.exit_code)
    except KeyboardInterrupt:
        return _tell(
            "interrupted", "Finished checkpoints and reports are intact.", EXIT_INTERRUPTED
        )
    except BrokenPipeError:
        # The reader of a pipe (`| head`) left. Python would complain once more when it flushes.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_FAILURE
    except ImportError as error:
        return _tell_missing(error)
    except Exception as error:
        if _is_disk_full(error):
            hint = "Free some space, or choose another output folder, and run the command again."
            return _tell(_disk_full_message(error), hint, EXIT_FAILURE)
        if isinstance(error, OSError) and error.filename is not None:
            return _tell_path_error(error)
        raise


def exit_script(exit_code: int) -> NoReturn:
    """End a script that may be one of several processes which work together.

    Such a process ends without the interpreter being taken apart. The threads of its process group
    may still hold tensors, and one that asks for the interpreter then ends the process with SIGABRT
    ("terminate called without an active exception"), after all its work was done. PyTorch keeps
    the threads even of a group that was left. What is registered for the end is still called.

    Args:
        exit_code: as `run_script` returns it.
    """
    if process_count() == 1:
        sys.exit(exit_code)
    threading._shutdown()  # type: ignore[attr-defined]  # as multiprocessing ends its processes
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(exit_code)


def _tell(message: str, hint: str, exit_code: int) -> int:
    """Print the message and its hint on stderr and return the exit code."""
    # Every process of a launcher may fail on its own, so each speaks, and says which it is.
    rank = os.environ.get("RANK", "0")
    speaker = "" if rank == "0" else f"process {rank}: "
    lines = [
        f"{speaker}error: {message}",
        *(f"  {line}" for line in filter(None, hint.split("\n"))),
    ]
    sys.stdout.flush()
    print_to("\n".join(lines), sys.stderr)
    return exit_code


def _tell_bug(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Print a traceback in which ids, paths and sentences cannot steer the terminal."""
    print_to("".join(traceback.format_exception(kind, error, trace)).rstrip(), sys.stderr)


def _tell_missing(error: ImportError) -> int:
    """Tell of a library that is not installed; what is missing of ours is a bug."""
    from utils.cli.extras import how_to

    module = (error.name or "").partition(".")[0]
    is_library = isinstance(error, ModuleNotFoundError) and module not in ("", "utils")
    if is_library:
        return _tell(f"{module} is not installed", how_to(module), EXIT_USER_ERROR)
    if "pip install" in str(error):  # a library's own words for another that it needs
        return _tell(str(error).strip(), "", EXIT_USER_ERROR)
    raise error


def _tell_path_error(error: OSError) -> int:
    """Tell of an operation on a path that the system refused."""
    message = f"{os.fsdecode(error.filename)}: {error.strerror or error}"
    is_users = isinstance(error, _USER_PATH_ERRORS)
    hint = "Check the path and its permissions." if is_users else ""
    return _tell(message, hint, EXIT_USER_ERROR if is_users else EXIT_FAILURE)


def refused_write(error: Exception, folder: Path | None = None) -> str | None:
    """Say why the system refused to write; None if the error is of another kind.

    Args:
        error: The system's, or a library's around it: torch.save raises RuntimeError, tokenizers
            a plain Exception, safetensors one of its own.
        folder: Where it was to write. Libraries that hide the reason are found out there.
    """
    if _is_disk_full(error):
        return _disk_full_message(error)
    text = (str(error).splitlines() or [""])[0]
    # The words of torch's archive writer and of libsndfile.
    hides = any(each in str(error) for each in _REASON_HIDDEN)
    found = _refusal_of(folder) if hides and folder is not None else None
    if found is not None:
        return refused_write(found)
    return text if hides or isinstance(error, OSError) or "(os error " in text else None


def _refusal_of(folder: Path) -> OSError | None:
    """Write a little into a folder, and return what the system says against it."""
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(bytes(1 << 20))
    except OSError as error:
        return error
    return None


def _is_disk_full(error: BaseException | None) -> bool:
    """Whether the error, or what caused it, says that no space was left.

    safetensors, torch and pyarrow wrap the system's error in types of their own, so the words
    are looked at as well as the number.
    """
    while error is not None:
        if isinstance(error, OSError) and error.errno in DISK_FULL_CODES:
            return True
        if "No space left on device" in str(error) or "Disk quota exceeded" in str(error):
            return True
        error = error.__cause__ or error.__context__
    return False


def _disk_full_message(error: Exception) -> str:
    """Return "the disk is full", with the path where it is known."""
    filename = getattr(error, "filename", None)
    return "the disk is full" + (f": {os.fsdecode(filename)}" if filename else "")
