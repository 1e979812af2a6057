"""`zoo schedule`: a daemon that looks at each pipeline at its cron time and retrains what is due.

APScheduler fires, its SQL job store remembers. The daemon itself holds no TensorFlow: a retraining
runs in a process of its own, so that its memory is given back. Three things keep it exact:

- A fire time that passed while no daemon ran, or during one that was killed, is made up for at the
  start: `finished.json` says up to when each pipeline was looked at.
- One daemon at a time (a file lock), and one retraining of a pipeline at a time (another one).
- A retraining is identified by its inputs, so that a second start of it finds the first one's result.
"""

from __future__ import annotations

import functools
import json
import logging
import signal
import subprocess
import sys
import threading
from datetime import datetime, timedelta
from pathlib import Path
from types import FrameType
from typing import Any

from governance.errors import BusyError, ConfigError, DataError, ZooError
from pipelines.atomic import write_json
from pipelines.cron import cron_trigger
from zoo.workspace import Workspace

log = logging.getLogger("zoo.schedule")

_children: set[subprocess.Popen[str]] = set()

#: When a look that failed is repeated, by pipeline.
_retry_at: dict[str, datetime] = {}
_RETRY_SECONDS = 300

_finished_file = threading.Lock()

_NOW = "now"  # folder with the pipelines that do not wait for their time
_EVERY_SECONDS = 30  # how often changed pipeline files are looked for


def run_daemon() -> None:
    """Runs until SIGTERM or SIGINT.

    Raises:
        BusyError: another daemon runs on this workspace.
        ConfigError: no pipeline has a cron time.
    """
    import filelock

    workspace = Workspace.current()
    if not _crons(workspace):
        raise ConfigError(
            "no pipeline has a refresh.cron", where=str(workspace.home / "pipelines"), fix="add one, then start again"
        )
    state = workspace.storage / "schedule"
    try:
        state.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError(f"cannot write: {error.strerror}", where=str(state), fix="check permissions") from None
    lock = filelock.FileLock(state / "daemon.lock", timeout=0)
    try:
        with lock:
            _log_to_standard_output()
            _run(workspace, state)
    except filelock.Timeout:
        raise BusyError("another `zoo schedule` runs on this workspace", where=str(state / "daemon.lock")) from None


def _log_to_standard_output() -> None:
    """The daemon's own lines, and with the same time in front the scheduler's warnings."""
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s"))
    for logger, level in ((log, logging.INFO), (logging.getLogger("apscheduler"), logging.WARNING)):
        logger.addHandler(handler)
        logger.setLevel(level)
        logger.propagate = False


def _run(workspace: Workspace, state: Path) -> None:
    from apscheduler.executors.pool import ThreadPoolExecutor
    from apscheduler.jobstores.memory import MemoryJobStore
    from apscheduler.jobstores.sqlalchemy import SQLAlchemyJobStore
    from apscheduler.schedulers.background import BackgroundScheduler

    stores = {"default": SQLAlchemyJobStore(url=f"sqlite:///{state / 'jobs.db'}"), "memory": MemoryJobStore()}
    scheduler = BackgroundScheduler(
        jobstores=stores,
        # trainings one after another: each takes all cores
        executors={"default": ThreadPoolExecutor(1), "reload": ThreadPoolExecutor(1)},
        job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": None},
    )
    scheduler.start(paused=True)
    _add_jobs(scheduler, workspace, state, starting=True)
    reload = functools.partial(_add_jobs, scheduler, workspace, state, starting=False)
    scheduler.add_job(reload, "interval", seconds=_EVERY_SECONDS, id="reload", jobstore="memory", executor="reload")
    scheduler.resume()
    stop = threading.Event()

    def on_signal(number: int, frame: FrameType | None) -> None:
        stop.set()

    signal.signal(signal.SIGTERM, on_signal)
    signal.signal(signal.SIGINT, on_signal)
    stop.wait()
    log.info("ending; a retraining in progress continues at the next start")
    scheduler.shutdown(wait=False)
    for child in list(_children):
        child.terminate()


def _crons(workspace: Workspace) -> dict[str, str]:
    """Cron expression by pipeline; a file that is wrong is reported and left out."""
    crons: dict[str, str] = {}
    for name in workspace.pipeline_names:
        try:
            cron = workspace.pipeline(name).refresh.cron
        except ZooError as error:
            log.error("%s", error)
            continue
        if cron is not None:
            crons[name] = cron
    return crons


def _add_jobs(scheduler: Any, workspace: Workspace, state: Path, *, starting: bool) -> None:
    """Makes the jobs agree with the pipeline files; at the start, what was missed runs at once."""
    crons = _crons(workspace)
    finished = _read_finished(state)
    now = datetime.now().astimezone()
    for name, cron in crons.items():
        since = finished.get(name)
        if since is None:
            _write_finished(state, name, now)
            since = now
        job_id = f"retrain:{name}"
        job = scheduler.get_job(job_id)
        if job is None or job.name != cron or starting:  # the workspace may have moved meanwhile
            trigger = cron_trigger(cron)
            arguments = [name, str(workspace.home), str(state), workspace.built_in]
            job = scheduler.add_job(run_job, trigger, args=arguments, id=job_id, name=cron, replace_existing=True)
            log.info("%s: looks for fresh data at %s", name, cron)
        missed = cron_trigger(cron).get_next_fire_time(None, since) if starting else None
        if missed is not None and missed < now:
            log.info("%s: %s was missed, looking now", name, missed)
            job.modify(next_run_time=now)
        elif name in _retry_at and _retry_at[name] <= now:
            del _retry_at[name]
            job.modify(next_run_time=now)
    for job in scheduler.get_jobs(jobstore="default"):
        if job.id.startswith("retrain:") and job.id.removeprefix("retrain:") not in crons:
            job.remove()
    for asked in sorted((state / _NOW).glob("[!.]*")):
        log.info("%s: a model was erased, looking now", asked.name)
        arguments = [asked.name, str(workspace.home), str(state), workspace.built_in]
        scheduler.add_job(run_job, args=arguments, id=f"erased:{asked.name}", replace_existing=True)
        asked.unlink()


def look_now(storage: Path, pipeline: str) -> None:
    """Lets a daemon look at a pipeline at once, or as soon as it is started."""
    write_json(storage / "schedule" / _NOW / pipeline, {})


def run_job(pipeline: str, home: str, state: str, built_in: bool) -> None:
    """One look at a pipeline, in a process of its own. Called by APScheduler."""
    import os

    started = datetime.now().astimezone()
    log.info("%s: looking for fresh data", pipeline)
    environment = dict(os.environ)
    if not built_in:
        environment["ZOO_HOME"] = home
    # -P: the current folder may be a workspace, whose `pipelines/` is no package of ours
    command = [sys.executable, "-P", "-m", "zoo", "retrain", pipeline, "--due", "--json"]
    pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, env=environment, text=True, **pipes) as child:
        _children.add(child)
        output, errors = child.communicate()
        _children.discard(child)
    if child.returncode == 0:
        log.info("%s: %s", pipeline, _summary(output))
        _write_finished(Path(state), pipeline, started)
        return
    # Not finished: the next look at the clock tries again, and a resumable run continues.
    log.error("%s: %s", pipeline, (errors.strip().splitlines() or [f"ended with {child.returncode}"])[-1])
    _retry_at[pipeline] = datetime.now().astimezone() + timedelta(seconds=_RETRY_SECONDS)


def _summary(output: str) -> str:
    content = json.loads(output)
    if not content["due"]:
        return "nothing is due"
    return "; ".join(
        f"{done['model']} version {done['version']} {'promoted' if done['promoted'] else 'not promoted'}: {done['why']}"
        for done in content["done"]
    )


def _read_finished(state: Path) -> dict[str, datetime]:
    try:
        content = json.loads((state / "finished.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    return {name: datetime.fromisoformat(value) for name, value in content.items()}


def _write_finished(state: Path, pipeline: str, when: datetime) -> None:
    with _finished_file:
        content = {name: value.isoformat() for name, value in _read_finished(state).items()}
        write_json(state / "finished.json", content | {pipeline: when.isoformat()})
