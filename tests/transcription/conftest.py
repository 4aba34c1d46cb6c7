"""A model in the form of every engine."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def ct2_model(demo_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo's base model, converted by CTranslate2 in float32."""
    pytest.importorskip("ctranslate2")
    from utils.export.ct2 import export
    from utils.manifest.read import read_manifest

    target = tmp_path_factory.mktemp("converted") / "base-ct2"
    clips = list(read_manifest(demo_model.parent / "zh" / "test.jsonl"))[:2]
    parity = export(str(demo_model), target, "float32", clips)
    assert (parity.clips, parity.equal) == (2, 2)
    return target
