"""What a build says of itself: the data card, for people and for programs."""

from pipelines.cards.describe import Traces, describe, read_card, with_tokens, write_card
from pipelines.cards.facts import DataCard
from pipelines.cards.page import page

__all__ = ["DataCard", "Traces", "describe", "page", "read_card", "with_tokens", "write_card"]
