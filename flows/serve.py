"""The house's own Prefect server: everything that `hsecard serve` starts, and the environment that Prefect needs.

Server and worker are child processes on 127.0.0.1 with their database under HSECARD_HOME; they start together, stop
together, and starting again finds everything in place. Prefect reads its PREFECT_… variables when it is imported, so
this module never imports it: it only sets the variables and starts programs that do.
"""

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import certifi
from pydantic import SecretStr

from cards.errors import Refused, Unavailable
from flows.settings import PREFIX, Settings

POOL = "bureau"
RUNS_AT_ONCE = 4
_LOOK_EVERY_S = 0.2
_GOODBYE_S = 20.0
_PEM_END = "-----END CERTIFICATE-----\n"

Say = Callable[[str], None]


# --- the environment -------------------------------------------------------------------------------------------


def prefect_environment(settings: Settings) -> dict[str, str]:
    """The variables with which Prefect finds this house's server and stays quiet, offline and quick.

    For the server, the worker, and any process that is to ring its bell; set before Prefect is imported. Writes the
    one-certificate file it names. Measured with Prefect 3.8.8 unless a line says otherwise.
    """
    home = _prefect_home(settings)
    return {
        "PREFECT_HOME": str(home),
        "PREFECT_API_URL": f"{address(settings)}/api",
        "PREFECT_SERVER_API_HOST": "127.0.0.1",
        "PREFECT_SERVER_API_PORT": str(settings.prefect_port),
        "PREFECT_SERVER_EPHEMERAL_ENABLED": "false",
        "PREFECT_SERVER_DATABASE_CONNECTION_URL": f"sqlite+aiosqlite:///{home / 'prefect.db'}",
        # nothing leaves the machine: the newer UI asks an analytics host on load even with analytics off
        "DO_NOT_TRACK": "1",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT_TELEMETRY_ENABLE_RESOURCE_METRICS": "false",
        "PREFECT_CLOUD_ENABLE_ORCHESTRATION_TELEMETRY": "false",
        "PREFECT_SERVER_UI_SHOW_PROMOTIONAL_CONTENT": "false",
        "PREFECT_SERVER_UI_V2_ENABLED": "false",
        "PREFECT_SERVER_UI_API_URL": "/api",  # otherwise the UI calls port 4200, whatever the port
        # every client parses the whole CA bundle although the API is plain http on loopback: one certificate is quick
        "PREFECT_API_SSL_CERT_FILE": str(_one_certificate(home)),
        "PREFECT_WORKER_QUERY_SECONDS": "2",
        # devices held by a run that was killed come free again, also after a restart of the server
        "PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE": "prefect.server.concurrency.lease_storage.filesystem",
        # a server that slept over night has an hour's runs to catch up with, not a hundred
        "PREFECT_SERVER_SERVICES_SCHEDULER_MAX_RUNS": "6",
        "PREFECT_CLI_COLORS": "false",
    }


def house_environment(settings: Settings) -> dict[str, str]:
    """The HSECARD_ variables that make another process read these very settings."""
    secrets = {name: value.get_secret_value() for name, value in settings if isinstance(value, SecretStr)}
    people = {name: token.get_secret_value() for name, token in settings.api_people.items()}
    plain = settings.model_dump(mode="json") | secrets | {"api_people": people}
    chosen = {name: plain[name] for name in settings.model_fields_set if plain[name] is not None}
    chosen["home"] = str(settings.home.resolve())  # a flow run's process may have another working directory
    return {
        PREFIX + name.upper(): value if isinstance(value, str) else json.dumps(value) for name, value in chosen.items()
    }


def address(settings: Settings) -> str:
    """Where the server and its UI are: only this machine can reach them, since the server knows no users."""
    return f"http://127.0.0.1:{settings.prefect_port}"


def deployments_file() -> Path:
    """prefect.yaml, beside the packages. Raises Refused (`serve.no_deployments`)."""
    path = Path(__file__).resolve().parent.parent / "prefect.yaml"
    if not path.is_file():
        raise Refused(
            "serve.no_deployments",
            f"there is no {path}",
            fix="serve from a checkout of the repository, installed with `make` or `pip install --editable .`",
        )
    return path


def _prefect_home(settings: Settings) -> Path:
    home = settings.home.resolve() / "prefect"
    try:
        home.mkdir(parents=True, exist_ok=True)
    except OSError as fault:
        raise Unavailable(
            "home.not_writable",
            f"{home} cannot be written: {fault.strerror}",
            field="HSECARD_HOME",
            fix="name a folder that this user may write, with room on its disk",
        ) from None
    return home


def _one_certificate(home: Path) -> Path:
    path = home / "one-certificate.pem"
    bundle = Path(certifi.where()).read_text("utf-8")
    first = bundle[bundle.index("-----BEGIN") :].partition(_PEM_END)[0] + _PEM_END
    if not path.exists() or path.read_text("utf-8") != first:
        path.write_text(first, "utf-8")
    return path


# --- server, furniture, worker ---------------------------------------------------------------------------------


def say_where(url: str) -> None:
    """Tell the operator where the UI is."""
    print(f"Prefect with the bureau's flows: {url}  (Ctrl-C stops it)", flush=True)


def say_step(step: str) -> None:
    """Show that something is going on: a first start takes a quarter of a minute, on a busy machine a whole one."""
    print(step, file=sys.stderr, flush=True)


def serve(
    settings: Settings, *, on_ready: Say = say_where, on_step: Say = say_step, stop: threading.Event | None = None
) -> None:
    """Run server and worker until SIGINT, SIGTERM or `stop`; then stop both.

    `on_step` is told what is being started; `on_ready` is called with the address of the UI once deployments, limits
    and the automation are in place and the worker is started. Raises Unavailable (`serve.program_ended`,
    `home.not_writable`) and Refused (`serve.no_deployments`).
    """
    file = deployments_file()
    logs = _prefect_home(settings) / "logs"
    logs.mkdir(exist_ok=True)
    stop = stop or threading.Event()
    environment = _environment(settings)
    with _signals_set(stop), contextlib.ExitStack() as running:
        on_step("starting the Prefect server, then telling it of flows, schedules and limits …")
        server = running.enter_context(_program("server", _server(settings), environment, logs))
        furnish = running.enter_context(_program("furnish", _furnish(file), environment, logs))
        if not _finished(furnish, beside=server, stop=stop):
            return
        on_step("starting the worker …")
        programs = [server, running.enter_context(_program("worker", _worker(), environment, logs))]
        if settings.api_token is not None:  # beside Prefect, so that a report over the API rings its bell
            programs.append(running.enter_context(_program("api", _api(), environment, logs)))
        on_ready(address(settings))
        _watch(*programs, stop=stop)


def _environment(settings: Settings) -> dict[str, str]:
    """This process's environment without foreign PREFECT_ settings: no other server is ever talked to."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}
    return kept | house_environment(settings) | prefect_environment(settings)


def _server(settings: Settings) -> list[str]:
    return ["prefect", "server", "start", "--host", "127.0.0.1", "--port", str(settings.prefect_port)]


def _furnish(deployments: Path) -> list[str]:
    return ["flows.furnish", str(deployments)]


def _worker() -> list[str]:
    return ["prefect", "worker", "start", "--pool", POOL, "--type", "process", "--limit", str(RUNS_AT_ONCE)]


def _api() -> list[str]:
    return ["console.cli", "api"]


@dataclass(frozen=True)
class Program:
    """A child process with its log."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path

    def ended(self) -> Unavailable:
        """What to say when it ended by itself."""
        lines = self.log.read_text("utf-8", errors="replace").strip().splitlines()
        return Unavailable(
            "serve.program_ended",
            f"the {self.name} ended by itself: {lines[-1] if lines else 'it said nothing'}",
            fix=f"read {self.log}; if the port is taken, stop the other server or choose HSECARD_PREFECT_PORT",
        )


@contextlib.contextmanager
def _program(name: str, module: list[str], environment: dict[str, str], logs: Path) -> Iterator[Program]:
    """A Python program in a process group of its own, so that it is we who stop it, and its children with it."""
    log = logs / f"{name}.log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", *module],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        yield Program(name, process, log)
    finally:
        _stop(process)


def _stop(process: subprocess.Popen[bytes]) -> None:
    for how in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, how)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_GOODBYE_S)


def _finished(program: Program, *, beside: Program, stop: threading.Event) -> bool:
    """Wait until `program` is done; False when stopped before."""
    while not stop.wait(_LOOK_EVERY_S):
        if beside.process.poll() is not None:
            raise beside.ended()
        if program.process.poll() == 0:
            return True
        if program.process.poll() is not None:
            raise program.ended()
    return False


def _watch(*programs: Program, stop: threading.Event) -> None:
    while not stop.wait(_LOOK_EVERY_S):
        for program in programs:
            if program.process.poll() is not None:
                raise program.ended()


@contextlib.contextmanager
def _signals_set(stop: threading.Event) -> Iterator[None]:
    """SIGINT and SIGTERM set `stop`. Python hands signals to its main thread only: elsewhere, `stop` is the way."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, lambda *_: stop.set()) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
