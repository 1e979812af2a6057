"""A hand-written PyTorch BERT, the peer of `benchmarks/train_bert.py`.

The network of the zoo's `bert`: learned positions and segments, layer norm after each sum, exact GELU, and a head
that computes logits for the positions that are predicted and for no other one, tied to the token embedding. Windows
are packed, so there is no padding to mask. Written for speed like `gpt_torch.py`.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

EPSILON = 1e-12


class Block(nn.Module):
    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)
        self.norm_1 = nn.LayerNorm(width, eps=EPSILON)
        self.up = nn.Linear(width, 4 * width)
        self.down = nn.Linear(4 * width, width)
        self.norm_2 = nn.LayerNorm(width, eps=EPSILON)

    def forward(self, x: Tensor) -> Tensor:
        batch, length, width = x.shape
        q, k, v = self.qkv(x).view(batch, length, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        attended = F.scaled_dot_product_attention(q, k, v)
        x = self.norm_1(x + self.out(attended.transpose(1, 2).reshape(batch, length, width)))
        return self.norm_2(x + self.down(F.gelu(self.up(x))))


class BERT(nn.Module):
    def __init__(self, vocabulary: int, layers: int, width: int, heads: int, context: int) -> None:
        super().__init__()
        self.tokens = nn.Embedding(vocabulary, width)
        self.positions = nn.Embedding(context, width)
        self.segments = nn.Embedding(2, width)
        self.norm = nn.LayerNorm(width, eps=EPSILON)
        self.blocks = nn.ModuleList(Block(width, heads) for _ in range(layers))
        self.head = nn.Linear(width, width)
        self.head_norm = nn.LayerNorm(width, eps=EPSILON)
        self.bias = nn.Parameter(torch.zeros(vocabulary))

    def forward(self, ids: Tensor, predicted: Tensor) -> Tensor:
        """Logits of some positions of a text that is all of the first segment.

        Args:
            ids: int64 [batch, length].
            predicted: int64 [batch, predictions], positions within the rows of `ids`.

        Returns:
            float32 [batch * predictions, vocabulary].
        """
        batch, length = ids.shape
        x = self.norm(self.tokens(ids) + (self.positions.weight[:length] + self.segments.weight[0]))
        for block in self.blocks:
            x = block(x)
        rows = length * torch.arange(batch).unsqueeze(1) + predicted
        x = x.flatten(0, 1).index_select(0, rows.flatten())
        return F.linear(self.head_norm(F.gelu(self.head(x))), self.tokens.weight, self.bias)
