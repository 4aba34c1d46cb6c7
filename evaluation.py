r"""Score models on test sets, compare them, and let a gate decide.

One model:      python evaluation.py --model_path=models/whisper-tiny-finetune
Several:        python evaluation.py --model_path=models/a,b=models/b --test_data=zh.json,en.json
Ready text:     python evaluation.py --predictions=theirs.jsonl --test_data=dataset/test.json
Against a base: python evaluation.py --model_path=models/whisper-tiny-finetune \
                    --baseline=openai/whisper-tiny --gate="cer<=0.10, cer.delta<0"
Meetings:       python evaluation.py --test_data=ref.stm --predictions=hyp.json --metric=cpwer
Two processes:  torchrun --nproc_per_node=2 evaluation.py --test_data=dataset/test.json

Writes into --report_dir: results.json, report.html, report.md, predictions/<model>--<set>.jsonl,
speed.png, settings.yaml, and what continuous integration shows (summary.md, comment.md, junit.xml,
model-card.md). report.py makes these again, also of several results together.
Exit code: 0 the gate passes (or there is none), 3 it does not, 4 the data cannot tell, 2 unusable
input, 1 failure. (torchrun itself ends with 1 whenever that is not 0.)
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from utils.cli.config import save_settings
from utils.cli.console import is_main_process, process_count, say_result, warn
from utils.cli.errors import UserError, exit_script, run_script
from utils.cli.files import atomic_write
from utils.cli.flags import parse_settings
from utils.cli.garbage import garbage_collection_paused
from utils.evaluation.provenance import provenance
from utils.evaluation.settings import EvaluationSettings
from utils.scoring.gate import answer_gate, check_gate
from utils.scoring.metrics import MEETING_METRICS

if TYPE_CHECKING:
    from utils.evaluation.models_and_sets import Model, TestSet
    from utils.evaluation.run_models import Transcribed


def main(argv: Sequence[str] | None = None) -> int:
    """Read the test sets, transcribe them with every model, score, report, decide."""
    settings = parse_settings(
        EvaluationSettings, argv, prog="evaluation.py", description=__doc__ or ""
    )
    settings.read_files()
    given = sys.argv[1:] if argv is None else argv
    if settings.counted in MEETING_METRICS:
        return _score_meetings(settings, given)
    # Imported after the flags: --help and a mistyped flag answer at once.
    with garbage_collection_paused():
        from utils.evaluation.evaluate import expect_one_for_out_data, expect_report_dir
        from utils.evaluation.models_and_sets import find_models, read_test_sets
        from utils.evaluation.modules import load_modules
        from utils.evaluation.run_models import transcribe_all
        from utils.model.distributed import close_distributed, init_distributed

    test_sets = read_test_sets(settings)
    metrics = {test_set.name: test_set.metric for test_set in test_sets}
    check_gate(settings.conditions, metrics, has_baseline=bool(settings.baseline))
    entries = [*settings.baselines, *settings.in_question]
    models = find_models(entries, list(metrics), baselines=len(settings.baselines))
    expect_report_dir(settings)
    expect_one_for_out_data(settings, len(models), len(test_sets))
    modules = load_modules(settings.modules)
    init_distributed()
    processes = process_count()
    transcribed = transcribe_all(models, test_sets, settings)
    close_distributed()
    if not is_main_process():
        return 0
    made = provenance("evaluation.py", given, processes=processes)
    return _report(settings, models, test_sets, transcribed, modules, made)


def _score_meetings(settings: EvaluationSettings, argv: Sequence[str]) -> int:
    """Score recordings of several speakers; return the gate's exit code."""
    from utils.evaluation.evaluate import expect_report_dir
    from utils.evaluation.meetings.run import evaluate_meetings
    from utils.evaluation.results import build_results, write_results
    from utils.report.forms import make_forms
    from utils.report.terminal import format_results

    expect_report_dir(settings)
    if settings.out_data is not None:
        raise UserError(
            f"--out_data={settings.out_data}: --metric={settings.counted} scores whole sessions",
            "Leave it out.",
        )
    check_gate(settings.conditions, settings.counted, has_baseline=bool(settings.baseline))
    found = evaluate_meetings(settings)
    gate = answer_gate(settings.conditions, found.measured) if settings.conditions else None
    made = provenance("evaluation.py", argv)
    results = build_results(found.evaluated, found.compared, gate, made)
    report_dir = Path(settings.report_dir)
    write_results(report_dir / "results.json", results)
    save_settings(settings, report_dir / "settings.yaml")
    say_result("\n" + format_results(results))
    written = [report_dir / "results.json", *make_forms([report_dir / "results.json"], report_dir)]
    say_result("\nwrote " + ", ".join(map(str, written)))
    return gate.exit_code if gate is not None else 0


def _report(
    settings: EvaluationSettings,
    models: Sequence[Model],
    test_sets: Sequence[TestSet],
    transcribed: Sequence[Transcribed],
    modules: dict[str, Any],
    made: dict[str, Any],
) -> int:
    """Score, compare, write the reports, show the table; return the gate's exit code."""
    from utils.evaluation.evaluate import compare_all, score_all, write_out_data
    from utils.evaluation.results import build_results
    from utils.report.forms import make_forms
    from utils.report.terminal import format_results
    from utils.report.write import write_reports
    from utils.scoring.conventions.conventions import GLM_FILE

    evaluated = score_all(transcribed, settings, modules)
    baselines = [model.name for model in models if model.is_baseline]
    compared, measured = compare_all(evaluated, baselines, settings.seed)
    gate = answer_gate(settings.conditions, measured) if settings.conditions else None
    results = build_results(evaluated, compared, gate, made)
    report_dir = Path(settings.report_dir)
    if settings.glm_file is not None:
        # What is made of these results later needs the same rules.
        with atomic_write(report_dir / GLM_FILE, "wb") as handle:
            handle.write(Path(settings.glm_file).read_bytes())
    written = write_reports(results, evaluated, test_sets, report_dir)
    if settings.out_data is not None:
        written.append(Path(settings.out_data))
        write_out_data(written[-1], evaluated[0].score)
    try:
        written += make_forms([written[0]], report_dir)
    except UserError as error:
        # Such as predictions without references, scored where they lie: the gate is answered still.
        warn(f"report.html and its like were not made: {error.message}")
    save_settings(settings, report_dir / "settings.yaml")
    say_result("\n" + format_results(results))
    say_result("\nwrote " + ", ".join(map(str, dict.fromkeys(written))))
    return gate.exit_code if gate is not None else 0


if __name__ == "__main__":
    exit_script(run_script(main))
