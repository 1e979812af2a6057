"""What keras-hub 0.32 forgets of a Llama: that its output projection is the token table."""

from __future__ import annotations

from typing import Any


def remember_tying(backbone: Any) -> None:
    """Puts `tie_word_embeddings` into a backbone's configuration, from which keras-hub leaves it out.

    Without it a saved model comes back with a second, empty table. On the instance and not by a class of
    our own, so that the preset names keras-hub's class and needs nothing of ours. Backbones that have no such
    setting, or whose configuration names it, stay as they are.
    """
    if not hasattr(backbone, "tie_word_embeddings") or "tie_word_embeddings" in backbone.get_config():
        return
    inner = backbone.get_config
    tied = bool(backbone.tie_word_embeddings)
    backbone.get_config = lambda: {**inner(), "tie_word_embeddings": tied}
