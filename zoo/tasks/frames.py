"""What stands around the parts of an example."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zoo.tasks.base import Setting

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from pipelines.examples import PartIds

#: The token before a text and the one after it.
AROUND = 2


def pad_id(setting: Setting) -> int:
    """What fills a batch up: the kind's padding, or its end of text where it has none."""
    lexicon = setting.encoder.lexicon
    return lexicon.frame.end_id if lexicon.kind.pad is None else lexicon.special("pad")


def framed(ids: npt.NDArray[np.int32], setting: Setting) -> npt.NDArray[np.int32]:
    """A text as a model reads it whole: between the tokens that stand around it, cut at its end."""
    import numpy as np

    lexicon = setting.encoder.lexicon
    first = lexicon.frame.prompt_id if lexicon.kind.first is None else lexicon.special("first")
    return np.concatenate([[first], ids[: setting.context - AROUND], [lexicon.frame.end_id]]).astype(np.int32)


def framed_lengths(part: PartIds) -> npt.NDArray[np.int64]:
    """int64 [examples], tokens of each text with what stands around it."""
    return part.lengths + AROUND
