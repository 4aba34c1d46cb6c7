"""Who may ask, and what the machine's files have to do with it."""

from __future__ import annotations

import pytest
import requests

from utils.cli.errors import UserError
from utils.serving.settings import ServerSettings


@pytest.mark.parametrize("host", ["evil.example", "evil.example:5000", "127.0.0.1.evil.example"])
def test_a_name_that_was_made_to_mean_this_machine_is_refused(server, host):
    answer = requests.get(f"{server.url}/health", headers={"Host": host}, timeout=60)
    assert answer.status_code == 403


def test_pages_of_other_origins_are_refused(server, clips):
    for origin in ("https://evil.example", "null", "http://127.0.0.1:1"):
        answer = requests.post(
            f"{server.url}/recognition",
            files={"audio": clips[0].read_bytes()},
            headers={"Origin": origin},
            timeout=60,
        )
        assert answer.status_code == 403
        assert "access-control-allow-origin" not in answer.headers


def test_the_pages_own_origin_is_taken(server):
    headers = {"Origin": server.url}
    assert requests.get(f"{server.url}/health", headers=headers, timeout=60).status_code == 200


@pytest.mark.parametrize("path", ["/v1/models", "/docs", "/metrics", "/openapi.json", "/nothing"])
def test_the_key_opens(keyed, path):
    for key in (None, "Bearer", "Bearer wrong", "Bearer sesame2", "Basic sesame"):
        headers = {} if key is None else {"Authorization": key}
        answer = requests.get(keyed.url + path, headers=headers, timeout=60)
        assert answer.status_code == 401
        assert answer.headers["WWW-Authenticate"] == "Bearer"
    answer = requests.get(keyed.url + path, headers={"Authorization": "Bearer sesame"}, timeout=60)
    assert answer.status_code == (404 if path == "/nothing" else 200)


@pytest.mark.parametrize("path", ["/", "/health", "/ready"])
def test_the_page_and_what_watches_need_no_key(keyed, path):
    assert requests.get(keyed.url + path, timeout=60).status_code == 200


def test_a_key_that_the_environment_lacks_is_not_repeated():
    with pytest.raises(UserError) as raised:
        ServerSettings(api_key="sk-secret")
    assert "sk-secret" not in raised.value.message + raised.value.hint


@pytest.mark.parametrize(
    "path",
    [
        *("/page/../settings.py", "/page/..%2fsettings.py", "/page/%2e%2e/settings.py"),
        *("/page//etc/passwd", "/..%2f..%2fetc/passwd", "/page/%00", "/page/....//run.py"),
        *("/page", "/page/", "/page/nothing.js", "/v1/models/..%2f..%2fbase"),
    ],
)
def test_no_path_leads_to_files_of_the_machine(server, path):
    with requests.Session() as session:
        request = requests.Request("GET", server.url).prepare()
        request.url = server.url + path  # as it stands, not tidied
        answer = session.send(request, timeout=60)
    assert answer.status_code in (400, 404, 405)


@pytest.mark.parametrize(
    "content",
    [
        b"ffconcat version 1.0\nfile 'secret.wav'\n",
        b"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:2,\nsecret.wav\n#EXT-X-ENDLIST\n",
        b"v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=audio 9 RTP/AVP 0\n",
    ],
)
def test_a_list_of_other_files_is_no_sound(server, clips, content):
    (server.service.folder / "secret.wav").write_bytes(clips[0].read_bytes())
    try:
        answer = server.post("/recognition", content)
    finally:
        (server.service.folder / "secret.wav").unlink()
    assert answer.status_code == 422
    assert str(server.service.folder) not in answer.text


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"", "multipart/form-data"),
        (b"--x", "multipart/form-data; boundary=x"),
        (b"\x00" * 100, "multipart/form-data; boundary=x"),
        (b"--x\r\n\r\n\r\n--x--", "multipart/form-data; boundary=x"),
        (
            b"--x\r\nContent-Disposition: form-data\r\n\r\na\r\n--x--",
            "multipart/form-data; boundary=x",
        ),
        (b"{}", "application/json"),
        (b"audio=x", "application/x-www-form-urlencoded"),
        (b"<a/>", "text/xml"),
    ],
)
def test_a_body_that_is_no_form_is_told_in_a_sentence(server, body, kind):
    answer = requests.post(
        f"{server.url}/recognition", data=body, headers={"Content-Type": kind}, timeout=60
    )
    assert answer.status_code in (400, 422)
    assert answer.json()["error"]["message"].endswith(".")


def test_an_uploads_name_names_no_place(server):
    answer = requests.post(
        f"{server.url}/recognition",
        files={"audio": ("../../etc/pass\x1b[31mwd", b"no sound")},
        timeout=60,
    )
    assert answer.status_code == 422
    message = answer.json()["error"]["message"]
    assert "etc" not in message and "\x1b" not in message and "tmp" not in message
    assert not server.files()


def test_every_answer_has_the_headers_of_safety(server):
    for path in ("/health", "/nothing"):
        headers = requests.get(server.url + path, timeout=60).headers
        assert "unsafe-inline" not in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["cache-control"] == "no-store"
        assert "server" not in headers


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"model_path": ""}, "names no model"),
        ({"model_path": "a/x,b/x"}, "two models are called x"),
        ({"model_path": "a b=x"}, "cannot be a model's name"),
        ({"port": 70_000}, "--port is 70000"),
        ({"num_workers": 0}, "--num_workers is 0"),
        ({"max_upload_mb": 0.0}, "--max_upload_mb is 0"),
    ],
)
def test_settings_that_cannot_work_are_refused(given, message):
    with pytest.raises(UserError, match=message):
        ServerSettings(**given)


def test_models_have_names():
    settings = ServerSettings(
        model_path="models/mine/, new=output/run/checkpoint-best,output/r/checkpoint-9"
    )
    assert list(settings.models.items()) == [
        ("mine", "models/mine/"),
        ("new", "output/run/checkpoint-best"),
        ("r-checkpoint-9", "output/r/checkpoint-9"),
    ]
