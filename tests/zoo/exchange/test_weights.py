"""Forms of weights: each is read as it was written, whatever its shape."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from zoo.exchange.weights import CONV_INTO, CONV_OUT_OF, FLAT, INTO, OUT_OF, SAME, Form, named_weights

FORMS = {"same": SAME, "flat": FLAT, "into": INTO, "out": OUT_OF, "conv into": CONV_INTO, "conv out": CONV_OUT_OF}
FORMS["below"] = Form(SAME.matrix, unused_rows=2)


@pytest.mark.parametrize("name", FORMS)
@given(shape=st.lists(st.integers(1, 4), min_size=2, max_size=3).map(tuple))
def test_what_was_written_is_read(name: str, shape: tuple[int, ...]) -> None:
    form = FORMS[name]
    value = np.arange(np.prod(shape), dtype=np.float32).reshape(shape)
    tensor = form.to_tensor(value)
    assert tensor.shape == form.shape(shape)
    assert tensor.flags.c_contiguous
    np.testing.assert_array_equal(form.to_keras(tensor, shape), value)


def test_heads_lie_as_in_a_linear_layer() -> None:
    """x @ kernel, head by head, is what PyTorch's x @ weight.T gives for all heads side by side."""
    draw = np.random.default_rng(0)
    kernel = draw.normal(size=(5, 2, 3)).astype(np.float32)  # [in, heads, width of a head]
    x = draw.normal(size=(5,)).astype(np.float32)
    np.testing.assert_allclose(INTO.to_tensor(kernel) @ x, np.einsum("i,ihw->hw", x, kernel).ravel(), rtol=1e-5)
    back = draw.normal(size=(2, 3, 5)).astype(np.float32)  # [heads, width of a head, out]
    y = draw.normal(size=(2, 3)).astype(np.float32)
    np.testing.assert_allclose(OUT_OF.to_tensor(back) @ y.ravel(), np.einsum("hw,hwo->o", y, back), rtol=1e-5)


def test_names_do_not_depend_on_what_was_built_before() -> None:
    import keras_hub

    shape = {"vocabulary_size": 9, "num_layers": 2, "num_heads": 1, "hidden_dim": 4, "intermediate_dim": 4}
    first, second = (named_weights(keras_hub.models.T5Backbone(**shape)) for _ in range(2))
    assert list(first) == list(second)
    assert len(first) == len(keras_hub.models.T5Backbone(**shape).weights)
