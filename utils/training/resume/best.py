"""What `checkpoint-best/` is the best of: its step, score, dev set and settings beside the weights.

A run may go back to an earlier checkpoint, or go on with another dev set or other settings. The
best weights of the course that it left are then no longer comparable with what follows: their
folder is set aside by a rename, and the next evaluation begins anew.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from transformers import TrainerCallback

from utils.cli.console import warn
from utils.cli.data_files import read_json_object
from utils.cli.errors import UserError
from utils.model.checksums import CHECKSUMS, find_damage
from utils.model.folders import BEST, CANDIDATES, DAMAGED, SET_ASIDE
from utils.training.dev_set import DevSet
from utils.training.resume.identity import differences

BEST_FILE = "best.json"


def write_best_file(
    folder: Path, step: int, metric: str, error: float, identity: dict[str, Any], **more: Any
) -> None:
    """Write `best.json` into the folder of the best weights.

    Args:
        folder: being filled.
        step: after which they were scored.
        metric: "cer" or "wer".
        error: corpus rate on the dev set.
        identity: of `run_identity`: the settings and data of the run, the dev set among them.
        **more: further plain values.
    """
    dev = {name: value for name, value in identity.items() if name.startswith("dev ")}
    content = {"schema": 1, "step": step, "metric": metric, "error": error, **more}
    text = json.dumps({**content, "dev": dev, "identity": identity}, indent=1, ensure_ascii=False)
    (folder / BEST_FILE).write_text(text + "\n", encoding="utf-8")


def facts_for_card(metrics: dict[str, float], dev: DevSet, train_seconds: float) -> dict[str, Any]:
    """What a model card states and no setting does, as `best.json` holds it.

    Args:
        metrics: of `DevSet.error_rates`.
        dev: the dev set.
        train_seconds: duration of the training clips in one pass.

    Returns:
        `interval` (95 %, two rates or None), `languages` (codes, of the dev set), `train_hours`
        and `dev_hours`.
    """
    ends = [metrics.get(f"dev_{dev.metric}{end}") for end in ("_low", "_high")]
    return {
        "interval": None if None in ends else ends,
        "languages": sorted({each.language for each in dev.utterances} - {None}),
        "train_hours": round(train_seconds / 3600, 4),
        "dev_hours": round(float(dev.dataset.table.durations.sum()) / 3600, 4),
    }


def read_best_file(folder: Path) -> dict[str, Any] | None:
    """What `best.json` says; None if there is none that can be read."""
    try:
        content = read_json_object(folder / BEST_FILE, allow_nan=True)
    except (OSError, UserError):
        return None
    is_known = type(content.get("identity")) is dict and type(content.get("step")) is int
    return content if is_known else None


def set_aside_stale_best(run: Path, identity: dict[str, Any], back_to: int | None) -> bool:
    """Set the best weights aside that this run will not lead to, or that are damaged.

    Args:
        run: its folder.
        identity: of the run as it goes on.
        back_to: step that the user goes back to by naming a checkpoint; None where the newest one
            is taken, after which the same steps come again.

    Returns:
        Whether the run must look for its best anew.
    """
    folder = run / BEST
    if not folder.is_dir():
        return False
    damage = find_damage(folder) if (folder / CHECKSUMS).is_file() else None
    if damage is not None:
        _rename(folder, DAMAGED, f"it is damaged: {damage}")
        return True
    kept = read_best_file(folder)
    if kept is None:
        return False
    changes = differences(kept["identity"], identity)
    if back_to is not None and kept["step"] > back_to:
        reason = f"it is of step {kept['step']}, and the run goes back to step {back_to}"
    elif changes:
        reason = f"it was chosen with other settings or another dev set ({'; '.join(changes)})"
    else:
        return False
    _rename(folder, SET_ASIDE, reason)
    if (run / CANDIDATES).is_dir():
        _rename(run / CANDIDATES, SET_ASIDE, reason)
    return True


def _rename(folder: Path, ending: str, reason: str) -> None:
    names = (f"{folder.name}{ending}{number or ''}" for number in range(10_000))
    aside = next(folder.with_name(name) for name in names if not folder.with_name(name).exists())
    folder.rename(aside)
    warn(f"{folder} is set aside as {aside.name}: {reason}")


class BestForgotten(TrainerCallback):
    """Lets a resumed run look for its best anew: the one in its checkpoint is set aside."""

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Forget the score that later ones would be compared with."""
        state.best_metric = state.best_global_step = None
