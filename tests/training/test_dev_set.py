"""What a dev set says beside its error rate."""

from __future__ import annotations

from utils.training.dev_set import choice_that_loops_made


def event(step: int, rate: float, without: float | None = None) -> dict[str, float]:
    more = {} if without is None else {"dev_loops": 1, "dev_cer_without_loops": without}
    return {"step": step, "dev_loss": 0.5, "dev_cer": rate, **more}


def test_a_loop_that_keeps_a_better_step_from_being_chosen_is_named():
    log = [{"step": 5, "loss": 1.0}, event(10, 0.12), event(20, 0.5, without=0.08)]
    assert choice_that_loops_made(log, "cer") == (
        "loops decided which checkpoint is the best: at step 20 1 utterance of the dev set looped, "
        "and its CER is 50.00%; with each repeated phrase once it is 8.00%, and 12.00% at step 10, "
        "which is kept"
    )


def test_loops_that_change_no_choice_are_not_spoken_of():
    assert choice_that_loops_made([event(10, 0.08), event(20, 0.5, without=0.09)], "cer") is None
    assert choice_that_loops_made([event(10, 0.2, without=0.1), event(20, 0.3)], "cer") is None
    assert choice_that_loops_made([], "cer") is None
