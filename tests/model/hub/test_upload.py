"""Models on the hub: what is refused at once, what is sent, how an interrupted upload goes on."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import huggingface_hub
import pytest
import yaml
from huggingface_hub import constants

import finetune
import merge_lora
from tests.hub_stand_in import TOKEN, HubStandIn
from tests.training.test_run import flags
from utils.cli.errors import Failure, UserError
from utils.model.checksums import find_damage
from utils.model.hub import upload
from utils.model.hub.card import ModelOrigin, format_card
from utils.model.hub.settings import HubSettings
from utils.model.hub.upload import expect_hub, upload_model
from utils.model.load import load_model

ASKED = HubSettings(push_to_hub=True, hub_model_id="me/whisper-x", license="apache-2.0")


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[HubStandIn]:
    """A hub on loopback that this process talks to; nothing else can be reached."""
    with HubStandIn() as stand_in:
        monkeypatch.setattr(constants, "ENDPOINT", stand_in.address)
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
        monkeypatch.setattr(upload, "FIRST_WAIT", 0.01)
        monkeypatch.setenv("HF_TOKEN", TOKEN)
        huggingface_hub.close_session()
        yield stand_in
    huggingface_hub.close_session()


@pytest.fixture(scope="module")
def run(tiny_model: Path, speech_manifest: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run of two steps that nobody was told of."""
    output = tmp_path_factory.mktemp("run")
    finetune.main(flags(tiny_model, speech_manifest, output, max_steps=2))
    return output / "tiny"


def head_of(card: str) -> dict[str, object]:
    """The metadata that the hub reads."""
    head: dict[str, object] = yaml.safe_load(card.split("---\n")[1])
    return head


def test_offline_is_told_at_once() -> None:
    with pytest.raises(UserError, match="HF_HUB_OFFLINE=1"):
        expect_hub(ASKED, {"HF_TOKEN": TOKEN})


def test_no_upload_asks_nobody() -> None:
    assert expect_hub(HubSettings(), {}) is None


@pytest.mark.parametrize(
    ("missing", "flag"), [("hub_model_id", "--hub_model_id"), ("license", "--license")]
)
def test_an_upload_says_where_and_under_which_licence(missing: str, flag: str) -> None:
    given = {"hub_model_id": "me/x", "license": "mit", missing: None}
    with pytest.raises(UserError, match=f"needs {flag}"):
        HubSettings(push_to_hub=True, **given).check_hub()  # type: ignore[arg-type]


def test_a_token_comes_from_the_environment_alone(hub: HubStandIn) -> None:
    with pytest.raises(UserError, match="HF_TOKEN"):
        expect_hub(ASKED, {})
    with pytest.raises(UserError, match="refuses the token"):
        expect_hub(ASKED, {"HF_TOKEN": "hf_of_nobody"})
    hub.role = "read"
    with pytest.raises(UserError, match="can only read"):
        expect_hub(ASKED)
    assert not hub.repositories


def test_whose_repository_it_is(hub: HubStandIn) -> None:
    bare = HubSettings(push_to_hub=True, hub_model_id="whisper-x", license="mit")
    assert expect_hub(bare) == expect_hub(ASKED) == "me/whisper-x"
    other = HubSettings(push_to_hub=True, hub_model_id="you/whisper-x", license="mit")
    with pytest.raises(UserError, match="who is not in you") as caught:
        expect_hub(other)
    assert "--hub_model_id=me/whisper-x" in caught.value.hint


def test_a_hub_that_is_not_there_is_told_before_training(
    hub: HubStandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(UserError, match="cannot be reached"):
        expect_hub(ASKED)


def test_a_finished_run_is_uploaded_with_a_card(
    hub: HubStandIn, run: Path, tiny_model: Path, speech_manifest: Path, tmp_path: Path
) -> None:
    where = {"push_to_hub": True, "hub_model_id": "me/whisper-x", "hub_private": True}
    again = {**where, "license": "cc-by-4.0", "resume_from_checkpoint": "auto", "max_steps": 2}
    finetune.main(flags(tiny_model, speech_manifest, run.parent, **again))
    assert hub.repositories["me/whisper-x"]["visibility"] == "private"
    sent = hub.files["me/whisper-x"]
    assert "best.json" not in sent and "adapter_model.safetensors" in sent
    text = sent["README.md"].decode()
    head = head_of(text)
    assert head["license"] == "cc-by-4.0" and head["library_name"] == "peft"
    assert head["language"] == ["en", "zh"] and "base_model" not in head
    best = json.loads((run / "checkpoint-best" / "best.json").read_text())
    low, high = best["interval"]
    assert low <= best["error"] <= high
    assert f"| dev | 9 | CER {best['error']:.2%} | {low:.2%} to {high:.2%} |" in text
    assert "- train: 9 utterances" in text and "| lora_rank | 32 |" in text
    assert str(tmp_path.parent) not in text and TOKEN not in text
    # What was sent is whole: another machine can check and load it.
    for name, content in sent.items():
        (tmp_path / name).write_bytes(content)
    assert find_damage(tmp_path) is None
    assert load_model(str(tmp_path)).base_path == str(tiny_model)


def test_a_merged_model_is_uploaded(hub: HubStandIn, run: Path, tmp_path: Path) -> None:
    merge_lora.main(
        [
            *(f"--lora_model={run / 'checkpoint-best'}", f"--output_dir={tmp_path}"),
            *("--alpha=0.5", "--push_to_hub=True", "--hub_model_id=merged", "--license=mit"),
        ]
    )
    sent = hub.files["me/merged"]
    assert {"model.safetensors", "config.json", "tokenizer.json", "vocab.json"} <= set(sent)
    text = sent["README.md"].decode()
    assert "WiSE-FT, alpha 0.5" in text and "These weights were not scored" in text
    assert head_of(text)["library_name"] == "transformers"
    assert "private" not in json.dumps(hub.repositories["me/merged"]).replace(
        '"private": false', ""
    )


def test_an_upload_that_breaks_off_goes_on(hub: HubStandIn, tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").write_bytes(b"weights")
    hub.failing_commits = upload.TRIES
    with pytest.raises(Failure, match="HTTP 503") as caught:
        upload_model(tmp_path, "# x\n", "me/x", ASKED)
    assert "not sent again" in caught.value.hint
    hub.failing_commits = 1
    address = upload_model(tmp_path, "# x\n", "me/x", ASKED)
    assert address == f"{hub.address}/me/x"
    assert hub.files["me/x"] == {"model.safetensors": b"weights", "README.md": b"# x\n"}
    sent = [each for each in hub.requests if each.startswith("PUT")]
    assert len(sent) == 1, "the weights were stored once"


def test_the_card_names_a_base_of_the_hub() -> None:
    origin = ModelOrigin("x", "openai/whisper-tiny", "adapter", "mit")
    head = head_of(format_card(origin))
    assert head["base_model"] == "openai/whisper-tiny"
    assert head["base_model_relation"] == "adapter"
    assert "were not scored" in format_card(origin)
