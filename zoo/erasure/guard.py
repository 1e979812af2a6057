"""A training that began before an erasure must not bring back what was erased."""

from __future__ import annotations

from governance.errors import DataError
from pipelines.erasure.remove import remove_tokens
from pipelines.erasure.store import read_journals
from registry import Tracking, list_versions
from zoo.ancestry import DIGEST_TAG
from zoo.job import Job


def refuse_erased(job: Job, tracking: Tracking) -> None:
    """Stops a training whose data, tokenizer, base or teacher was erased since it began.

    Raises:
        DataError: one of them was.
    """
    # Not the tokenizer's content: one of clean data may be equal to one that was removed.
    made_of = {job.data.version.digest, job.tokens.tokenizer.dataset_digest}
    for domain in job.label:
        for journal in read_journals(job.workspace.storage, domain):
            if made_of & set(journal.before):
                remove_tokens(job.workspace.storage, journal.before, journal.tokenizers)
                raise _erased("data")
    origins = {str(job.teacher.version)} if job.teacher is not None else set()
    if job.base is not None:
        origins |= {job.base.base.name, job.base.digest}
    if not origins:
        return
    for version in list_versions(tracking):
        if version.quarantined is not None and {str(version), version.tags.get(DIGEST_TAG)} & origins:
            raise _erased("base or teacher")


def _erased(what: str) -> DataError:
    return DataError(
        f"the {what} of this training was erased or taken out of use meanwhile",
        fix="run the same command again: it takes what is there now",
    )
