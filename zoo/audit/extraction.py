"""`zoo audit extraction`: how often a model writes training text on, word for word, when it is given the beginning."""

from __future__ import annotations

import hashlib
import heapq
import random
from dataclasses import dataclass
from typing import Any

from governance.errors import ConfigError, DataError, RegistryError
from governance.leakage import Share, verbatim_share
from pipelines.versions import DatasetVersion
from registry import ModelVersion, Tracking, resolve
from zoo import families
from zoo.compare import dataset_folder
from zoo.generate import TextModel
from zoo.load import LoadedModel, load
from zoo.seq2seq import Seq2SeqModel
from zoo.workspace import Workspace

SAMPLES, PREFIX, LENGTH = 100, 50, 50

#: Texts that are long enough in bytes, for each one wanted: some have too few tokens.
_SPARE = 4


@dataclass(frozen=True)
class ExtractionReport:
    """Shares of texts that came back; what is above that of validation texts was learned by heart.

    Attributes:
        prefix, length: tokens that the model was given, and that it had to write.
    """

    prefix: int
    length: int
    train: Share
    validation: Share

    def to_json(self) -> dict[str, Any]:
        return {
            "prefix": self.prefix,
            "length": self.length,
            "train": vars(self.train) | {"share": self.train.value},
            "validation": vars(self.validation) | {"share": self.validation.value},
        }


def audit_extraction(
    reference: str,
    *,
    samples: int = SAMPLES,
    prefix: int = PREFIX,
    length: int = LENGTH,
    workspace: Workspace | None = None,
) -> tuple[ModelVersion, ExtractionReport]:
    """Measures verbatim extraction from a registered version on the dataset version that it was trained on.

    Args:
        reference: such as "tax_domain.gpt@champion" or "tax_domain.gpt/3".
        samples: texts of each split, at most.
        prefix, length: tokens that are given, and tokens that have to come back.

    Raises:
        RegistryError: there is no such version.
        DataError: its dataset version is gone, or no text is long enough.
        ConfigError: the model does not continue text, or learned from shorter windows.
    """
    workspace = workspace or Workspace.current()
    tracking = Tracking(workspace.tracking_uri, workspace.artifact_root)
    version = resolve(tracking, reference)
    objective = version.objective or families.get(version.family).objective
    if objective != families.get(version.family).objective:
        raise ConfigError(f"it was tuned to {objective}, and is not asked to continue texts", where=str(version))
    data = DatasetVersion.open(dataset_folder(workspace, version))
    window = _window(tracking, version)
    model = load(str(version), workspace=workspace)
    return version, measure(model, data, window=window, samples=samples, prefix=prefix, length=length)


def _window(tracking: Tracking, version: ModelVersion) -> int:
    """Tokens of the windows that a version learned from."""
    said = tracking.client.get_run(version.run_id).data.params.get("window", "")
    if not said.isdecimal():
        raise RegistryError("its run does not say what window it learned from", where=str(version))
    return int(said)


def measure(
    model: LoadedModel,
    data: DatasetVersion,
    *,
    window: int,
    samples: int = SAMPLES,
    prefix: int = PREFIX,
    length: int = LENGTH,
) -> ExtractionReport:
    """Lets a model continue texts that it was trained on and, for the base rate, texts that it was not.

    Args:
        window: tokens of the windows that it learned from; it knows no longer texts by heart.

    Raises:
        DataError: no text of a split is long enough.
        ConfigError: the model does not continue text, or the window is shorter than prefix and length.
    """
    text_model = model.text_model
    if not isinstance(text_model, TextModel | Seq2SeqModel):
        raise ConfigError(f"a model that gives a {model.gives} does not continue text", where="model")
    if min(samples, prefix, length) < 1:
        raise ConfigError("samples, prefix and length are at least 1", where="extraction")
    if prefix + length > window:
        raise ConfigError(
            f"the model learned from windows of {window} tokens; {prefix} and {length} do not fit into one",
            where="extraction",
            fix=f"give a prefix of {window // 2} and a length of {window // 2} at most",
        )
    shares = {}
    for split in ("train", "validation"):
        pieces = _pieces(text_model, data, split, samples, prefix + length)
        written = text_model.continued([ids[:prefix] for ids in pieces], length)
        shares[split] = verbatim_share(written, [ids[prefix:] for ids in pieces])
    return ExtractionReport(prefix, length, shares["train"], shares["validation"])


def _pieces(
    text_model: TextModel | Seq2SeqModel, data: DatasetVersion, split: str, samples: int, tokens: int
) -> list[list[int]]:
    """So many tokens in a row from anywhere in different records; which ones follows from the records' ids."""
    long_enough = ((_chance(name), name, text) for name, text in data.texts(split) if len(text.encode()) >= tokens)
    chosen = heapq.nsmallest(_SPARE * samples, long_enough)
    encoded = text_model.encoder.encode([text for _, _, text in chosen])
    pieces = []
    for (chance, _, _), ids in zip(chosen, encoded, strict=True):
        if len(ids) >= tokens:
            start = random.Random(chance).randrange(len(ids) - tokens + 1)
            pieces.append(ids[start : start + tokens])
    if not pieces:
        raise DataError(
            f"no record of the {split} split has {tokens} tokens", where=data.pipeline, fix="give a shorter prefix"
        )
    return pieces[:samples]


def _chance(record_id: str) -> int:
    return int.from_bytes(hashlib.blake2b(f"extraction\0{record_id}".encode(), digest_size=8).digest(), "big")
