"""The pipeline file: where a domain's text comes from and what becomes of it.

`pipelines/<name>.yaml` is read into `PipelineSpec`; an unknown key is an error.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import re
import string
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, Self

from pydantic import AfterValidator, Field, field_validator, model_validator

from governance.config import StrictModel, load_yaml
from governance.errors import did_you_mean
from governance.labels import Label
from governance.policy import Name
from pipelines.cron import cron_trigger
from pipelines.parts import PartName, is_text

if TYPE_CHECKING:
    from pipelines.curate.quality import Rule

#: ISO 639-1, or -3 of a language that has no shorter code.
LanguageCode = Annotated[str, AfterValidator(lambda code: _known_language(code))]

Format = Literal["jsonl", "csv", "parquet", "txt", "html"]
Records = Literal["file", "paragraph", "line"]

#: How a file's name ends, before an optional compression suffix.
SUFFIXES: dict[str, Format] = {
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".csv": "csv",
    ".parquet": "parquet",
    ".txt": "txt",
    ".html": "html",
    ".htm": "html",
}


_WILDCARD = re.compile(r"[*?\[]")
_FIELD = re.compile(r"[^\W\d][\w-]*")


class SqlSpec(StrictModel):
    """A query, asked through SQLAlchemy.

    Attributes:
        url: of the database, such as ``postgresql+psycopg://reader@host/tax``; ``${NAME}`` is taken from the
            environment, so that no password stands in the file. A relative path of SQLite starts from the workspace.
        query: whose columns are the fields.
    """

    url: str = Field(min_length=1)
    query: str = Field(min_length=1)


class TfdsSpec(StrictModel):
    """A split of a TFDS data set: ``name/config``, or the folder of a prepared one."""

    name: str = Field(min_length=1)
    split: str = "train"
    data_dir: str | None = None

    @model_validator(mode="before")
    @classmethod
    def _from_name(cls, value: object) -> object:
        return {"name": value} if isinstance(value, str) else value


class SourceSpec(StrictModel):
    """Files of one shape (`path`), a query (`sql`), a TFDS data set (`tfds`), or the latest dataset version of another
    pipeline (`pipeline`), which brings its own ids, subjects and parts.

    `text`, `id`, `subject` and `date` name a field, or are a template over fields such as
    ``"{section}\\n{text}"``. A row whose `domain_field` names another domain stops the build. `date`, in
    ISO 8601, is the day from which the domain's `retention_days` count.

    For fine-tuning, `parts` takes the place of `text`: ``{prompt: "{question}", answer: reply}``. A
    `label` is one of few classes; `spans` names a field with a list of {"start", "end", "type"} that marks
    places of the part `text`, in characters.
    """

    path: str | None = Field(default=None, min_length=1)
    sql: SqlSpec | None = None
    tfds: TfdsSpec | None = None
    pipeline: Name | None = None
    name: str | None = Field(default=None, pattern=r"^[A-Za-z0-9_-]{1,64}$", description="in figures by source")
    weight: float = Field(default=1.0, gt=0, le=100, description="how often its training text is read in an epoch")
    format: Format | None = None
    text: str = "text"
    parts: dict[PartName, str] | None = None
    id: str | None = None
    subject: str | None = None
    date: str | None = None
    domain_field: str | None = "domain"
    records: Records = Field(default="file", description="txt only: what one record is")

    @field_validator("text", "id", "subject", "date")
    @classmethod
    def _is_template(cls, value: str | None) -> str | None:
        if value is not None and "{" in value:
            template_fields(value)
        return value

    @field_validator("parts")
    @classmethod
    def _are_templates(cls, value: dict[PartName, str] | None) -> dict[PartName, str] | None:
        if value is None:
            return None
        for name, template in value.items():
            template_fields(template)
            if name == "spans" and "{" in template:
                raise ValueError("spans is the name of a field, not a template")
        if not any(map(is_text, value)):
            raise ValueError("one of the parts must be text")
        if "spans" in value and "text" not in value:
            raise ValueError("spans mark places of the part text, which is missing")
        return value

    @model_validator(mode="after")
    def _comes_from_one_place(self) -> Self:
        given = [name for name in ("path", "sql", "tfds", "pipeline") if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError(
                f"give one of path, sql, tfds and pipeline{', not ' + ' and '.join(given) if given else ''}"
            )
        if given == ["pipeline"] and (others := self.model_fields_set - {"pipeline", "name", "weight"}):
            raise ValueError(f"a version has its own records; remove {', '.join(sorted(others))} beside pipeline")
        if given != ["path"] and self.format is not None:
            raise ValueError(f"format is for files; remove it beside {given[0]}")
        return self

    @model_validator(mode="after")
    def _text_or_parts(self) -> SourceSpec:
        if self.parts is not None and "text" in self.model_fields_set:
            raise ValueError("give text or parts, not both; a part may be named text")
        return self

    @property
    def fields(self) -> frozenset[str]:
        """All fields that a row must have."""
        texts = [self.text] if self.parts is None else list(self.parts.values())
        templates = [*texts, self.id, self.subject, self.date]
        return frozenset(name for t in templates if t is not None for name in template_fields(t))


def _name_of(path: str) -> str:
    """`data/tax/*.jsonl` is "tax", `letters.jsonl.gz` is "letters"."""
    parts = [part for part in path.split("/") if part and not _WILDCARD.search(part)]
    word = re.sub(r"[^A-Za-z0-9_-]+", "-", parts[-1].split(".")[0] if parts else "").strip("-")
    return word[:64] or "source"


def template_fields(template: str) -> list[str]:
    """Names of the fields in a template; a word without braces is itself the field's name."""
    if "{" not in template:
        return [template]
    try:
        parts = [part for part in string.Formatter().parse(template) if part[1] is not None]
    except ValueError as error:
        raise ValueError(f'"{template}" is not a template: {error}') from None
    names = [str(name) for _, name, _, _ in parts]
    formatted = any(form or conversion for _, _, form, conversion in parts)
    if not names or formatted or not all(_FIELD.fullmatch(name) for name in names):
        raise ValueError(f'"{template}" is not a template; write fields as {{name}}')
    return names


class QualitySpec(StrictModel):
    """Quality rules: `gopher`, `[gopher, fineweb]`, or with bounds of one's own.

    Attributes:
        sets: of rules.
        limits: other bounds of single rules, as [low, high]; null leaves one side open. A rule with both sides open
            is switched off.
    """

    sets: tuple[str, ...] = Field(min_length=1)
    limits: dict[str, tuple[float | None, float | None]] = Field(default_factory=dict)

    @model_validator(mode="before")
    @classmethod
    def _from_names(cls, value: object) -> object:
        if isinstance(value, str):
            return {"sets": [value]}
        return {"sets": value} if isinstance(value, list) else value

    @model_validator(mode="after")
    def _names_are_known(self) -> Self:
        from pipelines.curate.quality import SETS

        for name in self.sets:
            _check_known(name, SETS, "set of rules")
        names = [rule.name for chosen in self.sets for rule in SETS[chosen]]
        for name in self.limits:
            _check_known(name, names, "rule in these sets")
        return self

    @property
    def rules(self) -> list[Rule]:
        """With the bounds that hold."""
        from pipelines.curate.quality import SETS

        rules = [rule for name in self.sets for rule in SETS[name]]
        return [rule.within(*self.limits[rule.name]) if rule.name in self.limits else rule for rule in rules]


def _known_language(code: str) -> str:
    from pipelines.curate.language import CODES

    if code not in CODES:
        raise ValueError(f'no language "{code}"{did_you_mean(code, CODES)}; write a code such as en')
    return code


def _check_known(name: str, known: Iterable[str], what: str) -> None:
    if name not in known:
        raise ValueError(f'no {what} "{name}"{did_you_mean(name, known)}; known: {", ".join(known)}')


class DedupSpec(StrictModel):
    """`exact`, `none`, or `{near: 0.8}`.

    Attributes:
        exact: whether equal texts leave but one.
        near: Jaccard similarity, of the sets of five words in a row, at which texts are duplicates as well.
    """

    exact: bool = True
    near: float | None = Field(default=None, ge=0.5, le=1)

    @model_validator(mode="before")
    @classmethod
    def _from_word(cls, value: object) -> object:
        if isinstance(value, str):
            _check_known(value, ("exact", "none"), "way to remove duplicates")
            return {"exact": value == "exact"}
        return value

    @model_validator(mode="after")
    def _near_are_exact(self) -> Self:
        if self.near is not None and not self.exact:
            raise ValueError("near duplicates cannot leave while equal texts stay; remove exact")
        return self


class DecontaminateSpec(StrictModel):
    """Evaluation suites whose text may not be learned: `[evaluate/*.jsonl]`, or with a length of one's own.

    Attributes:
        suites: JSON Lines files or patterns, from the workspace's folder.
        ngram: words in a row that a record and a suite may not share.
    """

    suites: tuple[str, ...] = Field(min_length=1)
    ngram: int = Field(default=13, ge=8, le=100)
    folder: str = Field(default=".", exclude=True, description="what relative paths start from")

    @model_validator(mode="before")
    @classmethod
    def _from_paths(cls, value: object) -> object:
        if isinstance(value, dict) and "folder" in value:
            raise ValueError("the folder is the workspace's; write it into the paths")
        if isinstance(value, str):
            return {"suites": [value]}
        return {"suites": value} if isinstance(value, list) else value


class CurateSpec(StrictModel):
    """The curation steps of this pipeline."""

    repair: bool = True
    language: tuple[LanguageCode, ...] | None = Field(default=None, min_length=1)
    quality: QualitySpec | None = None
    decontaminate: DecontaminateSpec | None = None
    dedup: DedupSpec = DedupSpec()
    pii: Literal["domain"] = "domain"
    max_record_bytes: int = Field(default=10_000_000, ge=1, description="UTF-8 bytes of one record")

    max_quarantined: float = Field(default=0.05, ge=0, le=1, description="share of rows, above it the build stops")


class TokenizerSpec(StrictModel):
    kind: Literal["bpe"] = "bpe"
    vocab_size: int = Field(default=8192, ge=300, le=200_000)


class MixtureSpec(StrictModel):
    """How much of each source a model reads: see `pipelines.mixture`."""

    temperature: float = Field(default=1.0, ge=1, le=100, description="above 1, small sources are read more often")


class SplitSpec(StrictModel):
    """Shares of the records, chosen by a hash of the record's id."""

    validation: float = Field(default=0.05, gt=0, lt=0.5)
    test: float = Field(default=0.05, ge=0, lt=0.5)


class RefreshSpec(StrictModel):
    """When a model of this pipeline is trained again, and on what.

    Attributes:
        mode: `snapshot` keeps what the sources have today; `incremental` also what they had before (`pipelines.carry`).
    """

    mode: Literal["snapshot", "incremental"] = "snapshot"
    cron: str | None = None
    on_erasure: Literal["now"] | None = None
    min_changed: float = Field(default=0.02, ge=0, le=1, description="share of changed records")

    @field_validator("cron")
    @classmethod
    def _is_cron(cls, value: str | None) -> str | None:
        if value is not None:
            try:
                cron_trigger(value)
            except ValueError as error:
                raise ValueError(f'"{value}" is no cron expression: {error}') from None
        return value


class PipelineSpec(StrictModel):
    """A pipeline: sources, domain, curation, tokenizer, splits, mixture, refresh."""

    domain: Name
    sources: Annotated[list[SourceSpec], Field(min_length=1)]
    curate: CurateSpec = CurateSpec()
    tokenizer: TokenizerSpec = TokenizerSpec()
    split: SplitSpec = SplitSpec()
    mixture: MixtureSpec = MixtureSpec()
    refresh: RefreshSpec = RefreshSpec()
    name: str = Field(default="", exclude=True)
    folder: str = Field(default=".", exclude=True, description="what relative paths start from")
    joined: tuple[Name, ...] = Field(default=(), exclude=True, description="domains of other pipelines' records")
    derived_from: dict[str, str] = Field(default_factory=dict, exclude=True, description="digests by pipeline")

    @model_validator(mode="before")
    @classmethod
    def _name_is_the_file_name(cls, value: object) -> object:
        if isinstance(value, dict) and {"name", "folder"} & set(value):
            raise ValueError("a pipeline's name is its file's name; remove the key")
        if isinstance(value, dict) and {"joined", "derived_from"} & set(value):
            raise ValueError("labels follow from what is read; remove joined and derived_from")
        return value

    @property
    def label(self) -> Label:
        """The own domain, and those of records from other pipelines once a build has opened them."""
        return Label.of(self.domain, *self.joined)

    @property
    def source_names(self) -> list[str]:
        """One for each source: its own, or the last part of its path that is no pattern; numbered where two agree."""
        names: list[str] = []
        for source in self.sources:
            name = (
                source.name or source.pipeline or _name_of(source.path or (source.tfds.name if source.tfds else "sql"))
            )
            numbered = (f"{name}-{number}" for number in itertools.count(2))
            names.append(name if name not in names else next(other for other in numbered if other not in names))
        return names

    @property
    def digest(self) -> str:
        """SHA-256 (hex) over what decides the content of a dataset version."""
        content = self.model_dump(mode="json", include={"domain", "sources", "curate", "split"})
        for source in content["sources"]:
            del source["weight"]  # how often a text is read does not change it
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()

    @classmethod
    def load(cls, path: Path, folder: Path) -> PipelineSpec:
        """Reads `pipelines/<name>.yaml`; relative source paths start from `folder`.

        Raises:
            ConfigError: with file and field.
        """
        spec = load_yaml(path, cls, what="pipeline")
        curate = spec.curate
        if curate.decontaminate is not None:
            suites = curate.decontaminate.model_copy(update={"folder": str(folder)})
            curate = curate.model_copy(update={"decontaminate": suites})
        return spec.model_copy(update={"name": path.stem, "folder": str(folder), "curate": curate})
