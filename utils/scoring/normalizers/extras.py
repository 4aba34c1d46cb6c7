"""Libraries that only some languages need: loaded when the first text asks for them."""

from __future__ import annotations

import importlib
import importlib.util
from types import ModuleType

from utils.cli.errors import UserError

EXTRAS = {
    "japanese@1": "neologdn",
    "thai@1": "pythainlp",
    "arabic@1": "pyarabic",
    "chinese-itn@1": "itn",
}
"""Normalizer -> its module of requirements/languages.txt; later versions need none."""


def is_installed(name: str) -> bool:
    """Tell whether a normalizer can run here.

    Args:
        name: With its version.
    """
    module = EXTRAS.get(name)
    return module is None or importlib.util.find_spec(module) is not None


def load_extra(module: str, normalizer: str) -> ModuleType:
    """Import a library of requirements/languages.txt.

    Args:
        module: Its dotted name.
        normalizer: Who needs it, for the message.

    Raises:
        UserError: It is not installed.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise UserError(
            f"the normalizer {normalizer!r} needs {module.split('.')[0]}, which is not installed",
            "pip install -r requirements/languages.txt -c constraints.txt, or choose "
            "a later version of it, which needs none.",
        ) from error
