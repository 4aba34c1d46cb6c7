"""What makes a run the run that it is: everything that has a say in the weights it ends with."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from utils.cli.data_files import read_json_object
from utils.cli.errors import UserError
from utils.cli.files import atomic_write, sha256_file
from utils.data.sounds import Sounds
from utils.model.fingerprint import model_fingerprint
from utils.model.loaded import LoadedModel
from utils.model.precision import choose_precision
from utils.sources.direct import manifest_of
from utils.training.audio_context.plan import batch_plan
from utils.training.data import RunData
from utils.training.resume.sounds import IN_IDENTITY, identity_of_sounds
from utils.training.settings.common import TrainSettings

RUN_FILE = "run.json"

FOLLOWING = ("eval_steps", "warmup_steps")
"""Follow from the run's length where they are not given."""
NO_SAY = frozenset(
    {
        # Where things are and what is said and kept.
        *("output_dir", "logging_steps", "save_steps", "save_total_limit", "profile"),
        *("push_to_hub", "hub_model_id", "hub_private", "license"),
        *("local_files_only", "audio_cache"),
        *("report_to", "find_learning_rate"),
        # How the run is begun and ended.
        *("resume_from_checkpoint", "overwrite_output_dir", "allow_changed_settings"),
        *("grace_seconds", "max_bad_steps"),
        # How the same sums are computed.
        *("num_workers", "auto_batch", "memory_budget", "gradient_checkpointing", "loss_chunk"),
        "per_device_eval_batch_size",
        # Below, by their content or by what they come to.
        *("train_data", "dev_data", "test_data", "base_model", "augment_config_path"),
        *("keep_data", "add_tokens", "adapter", "use_adalora"),
        *("per_device_train_batch_size", "gradient_accumulation_steps", "fp16", "bf16"),
        *("audio_context", "context_margin", "batch_seconds", "batch_tokens"),
    }
)
"""Settings that may change while a run goes on, or that are compared by what they come to."""


def run_identity(
    settings: TrainSettings,
    loaded: LoadedModel,
    data: RunData,
    sounds: Mapping[str, Sounds],
) -> dict[str, Any]:
    """All that has a say in a run's result, by name, as plain values.

    Args:
        settings: of the run, with the language's code.
        loaded: the base model as `with_context` gave it.
        data: the training and the dev manifest, and what of them is used.
        sounds: of `sounds_of`.
    """
    fields = {field.name for field in dataclasses.fields(settings)} - NO_SAY
    fields -= {name for name in FOLLOWING if getattr(settings, name) is None}
    named = {name: getattr(settings, name) for name in sorted(fields)}
    base = model_fingerprint(settings.base_model, local_files_only=settings.local_files_only)
    found = {
        "script": settings.run_type,
        **named,
        "precision": choose_precision(settings.fp16, settings.bf16).name,
        "audio_context": loaded.audio_context,
        "context_margin": loaded.context_margin,
        **_step_size(settings, loaded),
        **_files(settings),
        "base model (SHA-256)": dict(line.split(" ") for line in base or ()),
    }
    for name, manifest, table in (
        ("train", data.manifest, data.train),
        ("dev", data.dev_manifest, data.dev),
    ):
        found[f"{name} manifest (SHA-256)"] = manifest.sha256
        found[f"{name} utterances"] = len(table)
    found |= identity_of_sounds(sounds)
    plain: dict[str, Any] = json.loads(json.dumps(found))
    return plain


def _files(settings: TrainSettings) -> dict[str, Any]:
    """Files that settings name, by their content; and the adapter, whichever flag names it."""
    named = {
        "augmentation": settings.augment_config_path,
        "kept manifest": None if settings.keep_data is None else manifest_of(settings.keep_data),
        "added tokens": settings.add_tokens,
    }
    found: dict[str, Any] = {
        f"{name} (SHA-256)": sha256_file(path) if path else None for name, path in named.items()
    }
    adapter = settings.adapter_type
    return found if adapter is None else {"adapter": adapter, **found}


def _step_size(settings: TrainSettings, loaded: LoadedModel) -> dict[str, Any]:
    """What a step holds, however many processes share it."""
    plan = batch_plan(settings, loaded)
    if plan.by_count:
        return {"utterances a step": plan.micro_batch * plan.parts}
    return {
        "batches a step": plan.parts,
        "batch_seconds": plan.batch_seconds,
        "batch_tokens": plan.batch_tokens,
    }


def differences(recorded: dict[str, Any], now: dict[str, Any]) -> list[str]:
    """Name what differs between two identities, one line each: `name: old -> new`."""
    lines = []
    for name in [*recorded, *(name for name in now if name not in recorded)]:
        old, new = recorded.get(name, "not set"), now.get(name, "not set")
        # It may follow from the rest; and what was begun earlier does not know its sounds.
        is_optional = name in FOLLOWING or (name.endswith(IN_IDENTITY) and name not in recorded)
        if old == new or (is_optional and "not set" in (old, new)):
            continue
        if isinstance(old, dict) and isinstance(new, dict):
            changed = sorted(n for n in {*old, *new} if old.get(n) != new.get(n))
            lines.append(f"{name}: {', '.join(changed)} changed")
        elif name.endswith("(SHA-256)"):
            lines.append(f"{name}: {_short(old)} -> {_short(new)}")
        else:
            lines.append(f"{name}: {old} -> {new}")
    return lines


def _short(digest: Any) -> str:
    return f"{digest[:12]}..." if isinstance(digest, str) and len(digest) > 12 else str(digest)


def read_run_file(run: Path) -> dict[str, Any] | None:
    """What `run.json` says: `identity` and `finished`; None if there is none that can be read."""
    try:
        content = read_json_object(run / RUN_FILE, allow_nan=True)
    except (OSError, UserError):
        return None
    is_known = type(content.get("identity")) is dict and type(content.get("finished")) is bool
    return content if is_known else None


def write_run_file(run: Path, identity: dict[str, Any], *, finished: bool) -> None:
    """Write `run.json`.

    Args:
        run: the run's folder.
        identity: of `run_identity`.
        finished: whether the final weights are written.
    """
    with atomic_write(run / RUN_FILE) as file:
        content = {"schema": 1, "finished": finished, "identity": identity}
        json.dump(content, file, indent=1, ensure_ascii=False)
        file.write("\n")
