"""The steps of a build on Apache Beam: one of its runners shares the buckets out.

A bucket goes through the same task as in a local pool (`pipelines.curate.runners`), with a model loaded once in each
worker (`DoFn.setup`). Its text is read and its result written in the storage root, so all workers have to see that
folder under the same path. Reading sources, choosing among duplicates and writing shards stay with the process that
builds.

Imported only when Beam is asked for: it is an extra, and takes seconds to import.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import apache_beam as beam
from apache_beam.metrics import Metrics, MetricsFilter
from apache_beam.options.pipeline_options import PipelineOptions, StandardOptions

from governance.errors import DataError
from pipelines.curate.runners import BucketTask, DoesBucket, SlowToLoad

#: The part of Beam's DirectRunner that runs in this process; the DirectRunner itself first tries to download another.
_IN_PROCESS = "apache_beam.runners.portability.fn_api_runner.FnApiRunner"
_DONE = ("domain_zoo", "done")


@dataclass(frozen=True)
class BeamRunner:
    """Runs tasks on buckets as Beam pipelines.

    Attributes:
        options: Beam's own, such as "--runner=FlinkRunner"; without a runner, this process does all.
    """

    options: Sequence[str] = ()

    def ahead(self, task: SlowToLoad) -> AbstractContextManager[None]:
        """Nothing: Beam's workers load when they begin."""
        return nullcontext()

    def run(self, task: BucketTask, buckets: Sequence[int], *, small: bool) -> Iterator[int]:
        """Yields once, when all is done. Raises DataError: the runner stopped."""
        if not buckets:
            return
        options = PipelineOptions(list(self.options))
        standard = options.view_as(StandardOptions)
        standard.runner = standard.runner or _IN_PROCESS
        pipeline = beam.Pipeline(options=options)
        created = pipeline | "Buckets" >> beam.Create(list(buckets)) | beam.Reshuffle()
        created | task.purpose.capitalize() >> beam.ParDo(_DoBucket(task))
        try:
            result = pipeline.run()
            state = result.wait_until_finish()
        except RuntimeError as error:  # the only kind for what a worker raised; Beam puts its traceback before it
            raise DataError(
                f"the Beam runner that {task.purpose} stopped: {str(error).strip().splitlines()[-1]}",
                where=standard.runner,
                fix="its log says more",
            ) from None
        if state != "DONE":
            raise DataError(f"the Beam job that {task.purpose} ended as {state}", where=standard.runner)
        counters = result.metrics().query(MetricsFilter().with_namespace(_DONE[0]).with_name(_DONE[1]))["counters"]
        yield sum(counter.result for counter in counters)


class _DoBucket(beam.DoFn):
    def __init__(self, task: BucketTask) -> None:
        self._task = task
        self._does: DoesBucket | None = None
        self._done = Metrics.counter(*_DONE)

    def setup(self) -> None:
        self._does = self._task.start()

    def process(self, bucket: int) -> None:
        if self._does is None:
            raise RuntimeError("Beam has not set this step up")
        self._done.inc(self._does(bucket))
