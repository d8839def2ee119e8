"""The house's API: fault reports from gates and site systems, over HTTP, for whoever holds the token.

POST /api/faults takes the JSON of a fault report; POST /api/stripe takes Stripe's webhooks, by their signature; POST
/api/tracking takes the carrier's, with a token of their own: who tells of letters reports no faults; /api/refunds is
for people of finance, each by a token of their own (see console/refund_api.py). It listens on this machine only unless
a setting says otherwise; towards a network, a proxy that speaks TLS stands before it. Errors have the shape of the
command line's.
"""
# ruff: noqa: PLC0415 -- FastAPI and the rooms are brought along when the API runs: help must be quick

import hmac
from typing import TYPE_CHECKING, Any

import typer
from rich.console import Console

from cards.errors import HseCardError, Refused, Unavailable, Unsure
from console import refund_api
from console.answer import print_json
from console.options import WORK, AsJson
from console.show import line

if TYPE_CHECKING:
    from fastapi import FastAPI, Request, Response

    from flows.house import House
    from flows.settings import Settings
    from flows.stages.fault_reports import Filed

TOKEN_MIN = 16
_STATUS = {
    "api.unauthorized": 401,
    "api.no_person": 401,
    "api.no_such_path": 404,
    "refund.unknown": 404,
    "refund.same_person": 403,
    "refund.above_limit": 403,
    "refund.no_roles": 403,
    "refund.changed": 409,
    "refund.wrong_state": 409,
    "api.too_large": 413,
    "payments.webhook_signature": 400,
    "payments.webhook_unreadable": 400,
    "tracking.push_unreadable": 400,
    "fault.report_key_reused": 409,
    "fault.count_missing": 409,
    "fault.count_differs": 409,
}
PATH = "/api/faults"
STRIPE_PATH = "/api/stripe"
TRACKING_PATH = "/api/tracking"


def register(app: typer.Typer) -> None:
    """Put it on the root command."""
    app.command(rich_help_panel=WORK)(api)


def api(as_json: AsJson = False) -> int:
    """Take fault reports over HTTP (POST /api/faults), until Ctrl-C.

    Needs a token in HSECARD_API_TOKEN. `hsecard serve` starts it too when the
    token is set. Listens on this machine only, unless HSECARD_API_HOST is set.
    """
    import uvicorn

    from flows.house import open_house
    from flows.settings import read_settings

    settings = read_settings()
    token = token_of(settings)
    with open_house(actor="api", settings=settings) as house:
        config = uvicorn.Config(
            build_app(house, token),
            host=settings.api_host,
            port=settings.api_port,
            log_level="warning",
            access_log=False,
            server_header=False,
            lifespan="off",
        )
        try:
            listening = config.bind_socket()
        except SystemExit:  # how uvicorn says it
            raise _port_taken(settings) from None
        listening.listen(config.backlog)  # who reads the address may call at once
        _say_where(address_of(settings), as_json=as_json)
        uvicorn.Server(config).run(sockets=[listening])
    return 0


def address_of(settings: "Settings") -> str:
    """Where reports are taken."""
    host = f"[{settings.api_host}]" if ":" in settings.api_host else settings.api_host
    return f"http://{host}:{settings.api_port}{PATH}"


def token_of(settings: "Settings") -> str:
    """The bearer token. Raises Refused `api.no_token`, `api.weak_token`: without one the API does not start."""
    if settings.api_token is None:
        raise Refused(
            "api.no_token",
            "the API has no token",
            field="HSECARD_API_TOKEN",
            fix="set it to a long random text and give the same to whoever reports",
        )
    token = settings.api_token.get_secret_value()
    if len(token) < TOKEN_MIN or not token.isascii() or not token.isprintable() or " " in token:
        raise Refused(
            "api.weak_token",
            f"the token of the API must be at least {TOKEN_MIN} letters and digits",
            field="HSECARD_API_TOKEN",
            fix="draw a random one, for instance with `openssl rand -hex 24`",
        )
    return token


def _port_taken(settings: "Settings") -> Unavailable:
    return Unavailable(
        "api.port_taken",
        f"{settings.api_host}:{settings.api_port} cannot be listened on",
        field="HSECARD_API_PORT",
        fix="stop what holds the port, or choose another HSECARD_API_PORT (and an HSECARD_API_HOST of this machine)",
    )


def _say_where(address: str, *, as_json: bool) -> None:
    if as_json:
        print_json({"api": address})
    else:
        Console().print(line(f"fault reports are taken at {address}; Ctrl-C stops it"))


def build_app(house: "House", token: str) -> "FastAPI":
    """The API over a house. It shows no pages of its own and never answers without the token."""
    from fastapi import FastAPI, Request, Response
    from fastapi.concurrency import run_in_threadpool
    from fastapi.responses import JSONResponse
    from starlette.exceptions import HTTPException

    app = FastAPI(title="hsecard", docs_url=None, redoc_url=None, openapi_url=None)
    refund_api.register(app, house, _body)

    @app.post(PATH)
    async def faults(request: Request) -> Response:
        _check_token(request, token)
        status, document = await run_in_threadpool(take_report, house, await _body(request))
        return JSONResponse(document, status)

    @app.post(STRIPE_PATH)
    async def stripe(request: Request) -> Response:
        """Stripe has no token; its signature over the raw body stands for it. Anything but 200 is sent again."""
        from flows.stages.payments import take_webhook

        signature = request.headers.get("stripe-signature", "")
        outcome = await run_in_threadpool(take_webhook, house, await _body(request), signature)
        return JSONResponse({"event": outcome})

    @app.post(TRACKING_PATH)
    async def tracking(request: Request) -> Response:
        """What is kept or known already is answered 200, also of a letter that is not ours; 503 is sent again."""
        from flows.stages.tracking import take_push

        pushes = house.settings.carrier_push_token
        _check_token(request, pushes.get_secret_value() if pushes else None)
        outcome = await run_in_threadpool(take_push, house, await _body(request))
        return JSONResponse({"event": outcome})

    @app.exception_handler(HseCardError)
    async def refused(request: Request, fault: HseCardError) -> Response:
        return _refusal(fault)

    @app.exception_handler(HTTPException)
    async def astray(request: Request, fault: HTTPException) -> Response:
        wrong = Refused(
            "api.no_such_path",
            f"{fault.detail}: only POST {PATH}, {STRIPE_PATH}, {TRACKING_PATH} and {refund_api.PATH} are here",
            fix="see docs/faults.md",
        )
        return _refusal(wrong)

    @app.exception_handler(Exception)
    async def defect(request: Request, fault: Exception) -> Response:
        words = {"code": "defect.unexpected", "message": "a defect of ours", "field": None, "family": "defect"}
        return JSONResponse({"error": words | {"fix": "send the same report again; nothing half-done was kept"}}, 500)

    return app


def take_report(house: "House", body: bytes) -> tuple[int, dict[str, Any]]:
    """File a report from its JSON: HTTP status and answer. 201 when it is new, 200 when known or only tried.

    Raises what reading and filing raise, and Refused `fault.nothing_taken` by way of its answer.
    """
    from flows.stages.fault_reports import file_report
    from flows.stages.fault_requests import read_document, request_of
    from flows.stages.reissue import ring_now

    document = read_document(body)
    for field in ("report_key", "reported_by"):
        if getattr(document, field) is None:
            raise Refused("fault.document", "the API needs it", field=field, fix="name the report and who reports it")
    filed = file_report(house, request_of(document, channel="api", by=""), dry_run=document.dry_run)
    if filed.nothing_taken:
        return 422, _nothing_taken(filed)
    if not document.dry_run and not filed.repeated:
        ring_now(house)  # a bell that cannot be rung now rings with the next `reissue`
    return 200 if filed.repeated or document.dry_run else 201, filed.model_dump(mode="json")


def _nothing_taken(filed: "Filed") -> dict[str, Any]:
    fault = Refused(
        "fault.nothing_taken",
        "not one card of the report could be taken",
        field="cards",
        fix="see the problem of each card; a corrected report may have the same key",
    )
    return _words(fault) | {"problems": [problem.model_dump(mode="json") for problem in filed.problems]}


def _check_token(request: "Request", token: str | None) -> None:
    given = request.headers.get("authorization", "").encode()
    if not token or not hmac.compare_digest(given, f"Bearer {token}".encode()):
        raise Refused(
            "api.unauthorized", "the token is missing or wrong", field="Authorization", fix="send `Bearer TOKEN`"
        )


async def _body(request: "Request") -> bytes:
    """The body, read no further than a report may be long. Raises Refused `api.too_large`."""
    from flows.stages.fault_requests import BYTES_MAX

    parts: list[bytes] = []
    async for part in request.stream():
        parts.append(part)
        if sum(map(len, parts)) > BYTES_MAX:
            raise Refused(
                "api.too_large",
                f"a report has at most {BYTES_MAX // 1_000_000} MB",
                fix="split it into several reports, each with its own key",
            )
    return b"".join(parts)


def _refusal(fault: HseCardError) -> "Response":
    from fastapi.responses import JSONResponse

    later = isinstance(fault, Unavailable | Unsure)
    status = 503 if later else _STATUS.get(fault.code, 422)
    headers = {"Retry-After": "5"} if later else {"WWW-Authenticate": "Bearer"} if status == 401 else {}
    return JSONResponse(_words(fault), status, headers)


def _words(fault: HseCardError) -> dict[str, Any]:
    family = type(fault).__name__.lower()
    error = {"code": fault.code, "message": fault.message, "field": fault.field, "fix": fault.fix, "family": family}
    return {"error": error}
