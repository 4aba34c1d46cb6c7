"""Requests that are made from the server's own description: every answer is one that it names."""

from __future__ import annotations

from typing import Any

import schemathesis
from hypothesis import HealthCheck, given, settings


def test_every_answer_is_one_that_is_described(server):
    description = schemathesis.openapi.from_url(f"{server.url}/openapi.json")
    operations = [found.ok() for found in description.get_all_operations()]
    assert {each.path for each in operations} >= {"/recognition", "/v1/audio/transcriptions"}
    for operation in operations:
        try_out(operation)


def try_out(operation: Any) -> None:
    described = operation.definition.raw["responses"]

    @given(case=operation.as_strategy())
    @settings(max_examples=10, deadline=None, suppress_health_check=list(HealthCheck))
    def check(case):
        answer = case.call(timeout=60)
        assert answer.status_code < 500 and str(answer.status_code) in described
        if answer.status_code >= 400:
            assert answer.json()["error"]["message"].endswith((".", "?"))

    check()
