"""Refund cases over HTTP: looked at, approved and rejected by a person who is known by a token of their own.

GET /api/refunds, POST /api/refunds/CASE/approve (with the digest that was looked at) and …/reject. The token that gates
share names nobody, so it opens none of these: two people with one login would be one pair of eyes.
"""
# ruff: noqa: PLC0415 -- FastAPI and the rooms are brought along when the API runs: help must be quick

import hmac
import json
from typing import TYPE_CHECKING, Any

from billing.people import person
from cards.errors import Refused

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from fastapi import FastAPI, Request

    from flows.house import House

TOKEN_MIN = 16
PATH = "/api/refunds"


def people_of(house: "House") -> dict[str, str]:
    """Name → token of everybody who may act on refunds here.

    Raises Refused `api.weak_token` (short, or with a space), `api.shared_login` (a token or a person stands twice).
    """
    tokens = {name: token.get_secret_value() for name, token in house.settings.api_people.items()}
    for name, token in tokens.items():
        if len(token) < TOKEN_MIN or not token.isascii() or not token.isprintable() or " " in token:
            raise Refused(
                "api.weak_token",
                f"the token of {name} must be at least {TOKEN_MIN} letters and digits",
                field="HSECARD_API_PEOPLE",
                fix="draw a random one, for instance with `openssl rand -hex 24`",
            )
    shared = house.settings.api_token
    taken = [*tokens.values(), *([shared.get_secret_value()] if shared else [])]
    if len(set(taken)) != len(taken) or len({person(name) for name in tokens}) != len(tokens):
        raise Refused(
            "api.shared_login",
            "a token or a person stands twice, and nobody may act as another",
            field="HSECARD_API_PEOPLE",
            fix="give each person one name and a token that nobody else has",
        )
    return tokens


def register(app: "FastAPI", house: "House", read_body: "Callable[[Request], Awaitable[bytes]]") -> None:
    """Put the paths on an app. `read_body` reads a request's body within its limit."""
    from fastapi import Request, Response
    from fastapi.concurrency import run_in_threadpool
    from fastapi.responses import JSONResponse

    people = people_of(house)

    @app.get(PATH)
    async def cases(request: Request) -> Response:
        _who(request, people)
        return JSONResponse({"cases": await run_in_threadpool(_cases, house)})

    @app.post(PATH + "/{case_id}/{act}")
    async def act(request: Request, case_id: str, act: str) -> Response:
        by, body = _who(request, people), await read_body(request)
        return JSONResponse({"case": await run_in_threadpool(_act, house, case_id, act, body, by)})


def _who(request: "Request", people: dict[str, str]) -> str:
    given = request.headers.get("authorization", "").encode()
    found = [name for name, token in people.items() if hmac.compare_digest(given, f"Bearer {token}".encode())]
    if not found:
        raise Refused(
            "api.no_person",
            "this token names no person, and a refund takes two",
            field="Authorization",
            fix="send `Bearer TOKEN` with your own token, as HSECARD_API_PEOPLE has it",
        )
    return found[0]


def _cases(house: "House") -> list[dict[str, Any]]:
    with house.store.read() as uow:
        return [case.model_dump(mode="json") for case in uow.refunds.all()]


def _act(house: "House", case_id: str, act: str, body: bytes, by: str) -> dict[str, Any]:
    from flows.stages.refund_postage import approve_case, reject_case

    if act == "approve":
        case = approve_case(house, case_id, by=by, digest=_digest(body))
    elif act == "reject":
        case = reject_case(house, case_id, by=by)
    else:
        raise Refused("api.no_such_path", f"a case is not {act}ed", fix="POST …/approve or …/reject")
    return case.model_dump(mode="json")


def _digest(body: bytes) -> str:
    """What was looked at. Raises Refused `refund.no_digest`."""
    try:
        content = json.loads(body)
    except ValueError:
        content = None
    digest = content.get("digest") if isinstance(content, dict) else None
    if not isinstance(digest, str):
        raise Refused(
            "refund.no_digest",
            "an approval says what it is for",
            field="digest",
            fix='send {"digest": …} with the digest of the case as you saw it',
        )
    return digest
