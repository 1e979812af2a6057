"""Exposure and extraction as numbers."""

from __future__ import annotations

import math
import random
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from governance import DataError
from governance.leakage import SPACE, canary, exposure, planted_codes, random_codes, verbatim_share
from governance.leakage.exposure import SkewNormal

DRAW = random.Random(3)
SAMPLE = [DRAW.gauss(40, 3) for _ in range(2000)]


@pytest.mark.parametrize(
    ("nats", "bits", "method"),
    [
        (40.0, 1.0, "rank"),  # the median: one text in two is as likely
        (43.0, 0.25, "rank"),
        (34.0, 5.4, "rank"),  # two deviations: one in 44
        (25.0, 21.7, "skew-normal"),  # five: one in 3.5 million, which no sample shows
        (0.0, math.log2(SPACE), "skew-normal"),
    ],
)
def test_exposure_of_a_normal_sample(nats: float, bits: float, method: str) -> None:
    found = exposure(nats, SAMPLE, space=SPACE)
    assert found.bits == pytest.approx(bits, abs=0.8) and found.method == method
    assert found.rank == 1 + sum(other <= nats for other in SAMPLE)


@given(st.lists(st.floats(0, 1e4), min_size=100, max_size=120), st.floats(0, 1e4), st.floats(0, 100))
@settings(max_examples=30, deadline=None)
def test_bits_lie_in_the_space_and_a_likelier_text_is_not_less_exposed(
    sample: list[float], nats: float, less: float
) -> None:
    found, likelier = (exposure(one, sample, space=SPACE) for one in (nats, nats - less))
    assert 0 <= found.bits <= math.log2(SPACE)
    assert likelier.rank <= found.rank
    if likelier.method == found.method:
        assert likelier.bits >= found.bits - 1e-6


def test_a_model_that_finds_all_texts_equal_exposes_none() -> None:
    assert exposure(7.0, [7.0] * 200, space=SPACE).bits == 0
    assert exposure(6.0, [7.0] * 200, space=SPACE).bits == math.log2(SPACE)


@pytest.mark.parametrize(("nats", "sample"), [(math.nan, [1.0] * 100), (1.0, [math.inf] * 100), (1.0, [1.0] * 99)])
def test_what_is_no_measurement_is_refused(nats: float, sample: list[float]) -> None:
    with pytest.raises(DataError):
        exposure(nats, sample, space=SPACE)


#: log P(X <= x) of location 2, scale 1.5: the density integrated with 50 digits.
REFERENCE = [(-5, -9, -29.12491), (-1, 0, -1.74811), (0, -3, -7.75389), (1, -9, -59.63612), (3, -3, -62.53656)]


@pytest.mark.parametrize(("shape", "x", "expected"), [*REFERENCE, (10, 1, -29.7584), (3, 6, -0.00769)])
def test_the_tail_of_the_skew_normal_distribution(shape: float, x: float, expected: float) -> None:
    assert SkewNormal(2.0, 1.5, shape).log_cdf(x) == pytest.approx(expected, rel=1e-3, abs=1e-4)


def test_the_fit_finds_its_parameters() -> None:
    draw, delta = random.Random(1), 3 / math.sqrt(10)
    normal = [(abs(draw.gauss(0, 1)), draw.gauss(0, 1)) for _ in range(20_000)]
    fitted = SkewNormal.fitted([50 + 4 * (delta * a + math.sqrt(1 - delta**2) * b) for a, b in normal])
    assert (fitted.location, fitted.scale, fitted.shape) == pytest.approx((50, 4, 3), rel=0.15)


def test_codes_come_back_from_the_key_alone() -> None:
    key, other = b"a" * 32, b"b" * 32
    codes = planted_codes(key, 4)
    assert codes == planted_codes(key, 9)[:4] and len({*codes, *planted_codes(other, 4), *random_codes(key, 4)}) == 12
    assert all(re.fullmatch(r"\d{4}-\d{4}-\d{4}", code) for code in codes)
    assert codes[0] in canary(codes[0])


def test_verbatim_is_all_of_it() -> None:
    share = verbatim_share([[1, 2, 3], [1, 2], [1, 2, 4]], [[1, 2, 3], [1, 2, 3], [1, 2, 3]])
    assert (share.verbatim, share.samples, share.value) == (1, 3, pytest.approx(1 / 3))
    assert math.isnan(verbatim_share([], []).value)
