"""The page's files: what the web app replaces is there to be replaced."""

from __future__ import annotations

import re

from utils.page.files import MEDIA_TYPES, PAGE, device_files, shared_files


def test_the_web_app_replaces_only_who_recognises():
    shared, own = shared_files(), device_files()
    assert set(shared) & set(own) == {"recogniser.js"}
    assert {"index.html", "main.js", "texts.js", "page.css"} <= set(shared)
    assert {"app.js", "service-worker.js", "worker.js", "icon-512.png"} <= set(own)
    assert not any(name.endswith(".py") for name in (*shared, *own))


def test_both_recognisers_have_the_same_members():
    for content in (shared_files()["recogniser.js"], device_files()["recogniser.js"]):
        text = content.decode()
        assert "export class Recogniser " in text
        for member in ("settings()", "transcribe(file, options, tell, signal)", "live("):
            assert re.search(rf"^  (async )?{re.escape(member)}", text, re.M), member


def test_every_import_is_there():
    names = {**shared_files(), **device_files()}
    for path in [*PAGE.glob("*.js"), *PAGE.glob("device/*.js")]:
        for wanted in re.findall(r'from "\./([\w-]+\.\w+)"', path.read_text("utf-8")):
            assert wanted in names, f"{path.name} imports {wanted}"
    assert {name[name.rindex(".") :] for name in names} <= set(MEDIA_TYPES)
