"""A hand-written PyTorch T5, the peer of `benchmarks/train_t5.py`.

The network of the zoo's `t5`: RMSNorm on what goes into each block, scores of attention that are not scaled and get a
learned bias for each distance (one table for the encoder, one for the decoder), an MLP with gated GELU, no biases,
output tied to the token embedding and scaled. Windows are packed, so there is no padding to mask.

Written for speed like `gpt_torch.py`: matrices that multiply the same states are one. The fused kernel of
`scaled_dot_product_attention` gives no gradient of a bias, so only the attention from decoder to encoder uses it.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

EPSILON = 1e-6
#: Distances from FARTHEST on are one class.
CLASSES, FARTHEST = 32, 128


def split_heads(x: Tensor, parts: int, heads: int) -> Tensor:
    """[batch, length, parts * width] to [parts, batch, heads, length, width / heads]."""
    batch, length, _ = x.shape
    return x.view(batch, length, parts, heads, -1).permute(2, 0, 3, 1, 4)


def join_heads(x: Tensor) -> Tensor:
    """[batch, heads, length, width / heads] to [batch, length, width]."""
    return x.transpose(1, 2).flatten(2)


class SelfAttention(nn.Module):
    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm = nn.RMSNorm(width, eps=EPSILON)
        self.qkv = nn.Linear(width, 3 * width, bias=False)
        self.out = nn.Linear(width, width, bias=False)

    def forward(self, x: Tensor, bias: Tensor) -> Tensor:
        q, k, v = split_heads(self.qkv(self.norm(x)), 3, self.heads)
        weights = (q @ k.transpose(-2, -1) + bias).softmax(-1)
        return x + self.out(join_heads(weights @ v))


class CrossAttention(nn.Module):
    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm = nn.RMSNorm(width, eps=EPSILON)
        self.q = nn.Linear(width, width, bias=False)
        self.kv = nn.Linear(width, 2 * width, bias=False)
        self.out = nn.Linear(width, width, bias=False)

    def forward(self, x: Tensor, states: Tensor) -> Tensor:
        (q,) = split_heads(self.q(self.norm(x)), 1, self.heads)
        k, v = split_heads(self.kv(states), 2, self.heads)
        return x + self.out(join_heads(F.scaled_dot_product_attention(q, k, v, scale=1.0)))


class GatedMLP(nn.Module):
    def __init__(self, width: int, inner: int) -> None:
        super().__init__()
        self.norm = nn.RMSNorm(width, eps=EPSILON)
        self.up = nn.Linear(width, 2 * inner, bias=False)
        self.down = nn.Linear(inner, width, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        gate, linear = self.up(self.norm(x)).chunk(2, dim=-1)
        return x + self.down(F.gelu(gate, approximate="tanh") * linear)


class DistanceBias(nn.Module):
    """What is added to the scores of attention within a text, float32 [heads, length, length]."""

    def __init__(self, heads: int, *, causal: bool) -> None:
        super().__init__()
        self.causal = causal
        self.table = nn.Embedding(CLASSES, heads)

    def forward(self, length: int) -> Tensor:
        position = torch.arange(length)
        distance = position - position.unsqueeze(1)
        bias = self.table(distance_classes(distance, both_sides=not self.causal)).permute(2, 0, 1)
        return bias.masked_fill(distance > 0, -math.inf) if self.causal else bias


def distance_classes(distance: Tensor, *, both_sides: bool) -> Tensor:
    """T5's classes: half of them for one distance each, half for ranges that grow with the distance.

    Args:
        distance: int64, from the token that looks to the one that is seen.
        both_sides: has classes of their own for what comes later; otherwise that is like no distance.
    """
    classes, first = CLASSES, torch.zeros_like(distance)
    if both_sides:
        classes //= 2
        first = classes * (distance > 0)
        distance = distance.abs()
    else:
        distance = (-distance).clamp(min=0)
    single = classes // 2
    octaves = torch.log(distance.clamp(min=1) / single) / math.log(FARTHEST / single)
    ranged = single + (octaves * (classes - single)).long()
    return first + torch.where(distance < single, distance, ranged.clamp(max=classes - 1))


class EncoderBlock(nn.Module):
    def __init__(self, width: int, heads: int, inner: int) -> None:
        super().__init__()
        self.attention = SelfAttention(width, heads)
        self.mlp = GatedMLP(width, inner)

    def forward(self, x: Tensor, bias: Tensor) -> Tensor:
        return self.mlp(self.attention(x, bias))


class DecoderBlock(nn.Module):
    def __init__(self, width: int, heads: int, inner: int) -> None:
        super().__init__()
        self.attention = SelfAttention(width, heads)
        self.cross = CrossAttention(width, heads)
        self.mlp = GatedMLP(width, inner)

    def forward(self, x: Tensor, bias: Tensor, states: Tensor) -> Tensor:
        return self.mlp(self.cross(self.attention(x, bias), states))


class T5(nn.Module):
    def __init__(self, vocabulary: int, layers: int, width: int, heads: int, inner: int) -> None:
        super().__init__()
        self.tokens = nn.Embedding(vocabulary, width)
        self.encoder_bias = DistanceBias(heads, causal=False)
        self.encoder = nn.ModuleList(EncoderBlock(width, heads, inner) for _ in range(layers))
        self.encoder_norm = nn.RMSNorm(width, eps=EPSILON)
        self.decoder_bias = DistanceBias(heads, causal=True)
        self.decoder = nn.ModuleList(DecoderBlock(width, heads, inner) for _ in range(layers))
        self.decoder_norm = nn.RMSNorm(width, eps=EPSILON)

    def forward(self, source: Tensor, target: Tensor) -> Tensor:
        """Int64 [batch, source length] and [batch, target length] to float32 logits [batch, target length, vocabulary].

        Args:
            target: what the decoder reads, which begins with its start token.
        """
        states, bias = self.tokens(source), self.encoder_bias(source.shape[1])
        for block in self.encoder:
            states = block(states, bias)
        states = self.encoder_norm(states)
        x, bias = self.tokens(target), self.decoder_bias(target.shape[1])
        for block in self.decoder:
            x = block(x, bias, states)
        x = self.decoder_norm(x) * x.shape[-1] ** -0.5
        return x @ self.tokens.weight.T
