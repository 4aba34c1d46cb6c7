r"""One whole job with the versions that an environment has: train, resume, merge, evaluate.

    .venv-oldest/bin/python tests/ends/job.py output/oldest

What `make test-oldest` and `make test-newest` run after the tests: the scripts as a person starts
them, on a few clips of the demo, each in a process of its own.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CLIPS = 12
STEPS = 6


def few(manifest: Path, target: Path) -> Path:
    """The first clips of a manifest, by absolute paths."""
    lines = [json.loads(line) for line in manifest.read_text("utf-8").splitlines()[:CLIPS]]
    for line in lines:
        line["audio"]["path"] = str((manifest.parent / line["audio"]["path"]).resolve())
    target.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    return target


def run(*command: str) -> None:
    """Start a script; what it says goes to the terminal.

    Raises:
        SystemExit: it failed.
    """
    sys.stdout.write(f"$ python {' '.join(command)}\n")
    sys.stdout.flush()
    code = subprocess.run([sys.executable, *command], cwd=ROOT).returncode
    if code:
        raise SystemExit(f"{command[0]} ended with {code}")


def main(output: Path) -> None:
    """The whole job.

    Args:
        output: folder for everything that it writes.
    """
    output.mkdir(parents=True, exist_ok=True)
    train = few(ROOT / "demo" / "train.jsonl", output / "train.jsonl")
    test = few(ROOT / "demo" / "zh" / "test.jsonl", output / "test.jsonl")
    fine_tune = ("finetune.py", "--base_model=demo/base", f"--train_data={train}")
    fine_tune += (f"--dev_data={test}", f"--output_dir={output}", "--audio_context=thinned")
    fine_tune += ("--save_steps=2", "--save_total_limit=3", "--eval_steps=1000")
    fine_tune += (f"--max_steps={STEPS}", "--eval_on_start=False")
    run(*fine_tune, "--overwrite_output_dir=True")
    adapter = output / "base" / "checkpoint-final"
    weights = (adapter / "adapter_model.safetensors").read_bytes()
    for lost in (adapter, output / "base" / f"checkpoint-{STEPS}"):
        shutil.rmtree(lost)  # as if the run had been killed before its last steps
    run(*fine_tune, "--resume_from_checkpoint=auto")
    if (adapter / "adapter_model.safetensors").read_bytes() != weights:
        raise SystemExit("the resumed run ends with other weights than the one left alone")
    run("merge_lora.py", f"--lora_model={adapter}", f"--output_dir={output / 'models'}")
    compared = (f"--model_path={output / 'models' / 'base-finetune'}", f"--baseline={adapter}")
    report = output / "report"
    run("evaluation.py", *compared, f"--test_data={test}", f"--report_dir={report}")
    scores = json.loads((report / "results.json").read_text("utf-8"))["scores"]
    rates = {score["model"]: score["rate"] for score in scores}
    if len(rates) != 2 or len(set(rates.values())) != 1:
        raise SystemExit(f"the merged model and its adapter differ: {rates}")
    sys.stdout.write(f"trained, resumed, merged and scored: {rates}\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve())
