"""The bundled corpus: synthetic English documents with fake people and every span of their data.

``python -m pipelines.synthetic OUT_DIR`` writes ``tax/*.jsonl`` and ``support/*.jsonl``, always the
same bytes for one version of Faker. The documents are at once a corpus for the quick start and a
labelled PII test. Dates are left out of the labels altogether (entity DATE_TIME): the prose is full
of years, months and spans of time, and half a labelling would be worse than none. Titles such as
"Ms." are no part of a PERSON; state names and codes are a LOCATION of their own.
"""

from pipelines.synthetic.corpus import KINDS, Kind, generate, write

__all__ = ["KINDS", "Kind", "generate", "write"]
