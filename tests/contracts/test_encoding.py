"""Canonical bytes: one value, one encoding; and whatever is no record is refused by name."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from safetensors.numpy import save

from contracts.encoding import canonical_json, content_hash, pack, require_schema, unpack

SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
HEADERS = st.dictionaries(st.text(), SCALARS | st.lists(SCALARS, max_size=3), max_size=5)
ARRAYS = st.dictionaries(
    st.text("abcdef", min_size=1, max_size=4),
    npst.arrays(
        st.sampled_from([np.float32, np.int64, np.uint8, np.bool_]),
        npst.array_shapes(max_dims=3, min_side=0, max_side=4),
    ),
    max_size=4,
)


@given(HEADERS)
def test_json_does_not_depend_on_the_order_of_keys(value: dict[str, object]) -> None:
    backwards = dict(reversed(value.items()))
    assert canonical_json(value) == canonical_json(backwards)
    assert json.loads(canonical_json(value)) == value


@pytest.mark.parametrize("value", [float("nan"), float("inf"), {"x": [float("-inf")]}])
def test_json_refuses_what_json_cannot_say(value: object) -> None:
    with pytest.raises(ValueError):
        canonical_json(value)


@given(HEADERS, ARRAYS)
def test_pack_round_trips_and_is_canonical(header: dict[str, object], arrays: dict[str, np.ndarray]) -> None:
    data = pack(header, arrays)
    found_header, found = unpack(data)
    assert found_header == header
    assert found.keys() == arrays.keys()
    for name, array in arrays.items():
        assert found[name].dtype == array.dtype
        np.testing.assert_array_equal(found[name], array)
    assert pack(dict(reversed(header.items())), dict(reversed(arrays.items()))) == data


def test_bytes_do_not_depend_on_how_an_array_lies_in_memory() -> None:
    array = np.arange(12, dtype=np.float32).reshape(3, 4)
    spread = np.zeros((6, 4), np.float32)
    spread[::2] = array
    for other in (np.asfortranarray(array), spread[::2]):
        assert pack({}, {"x": other}) == pack({}, {"x": array})


@given(st.binary(max_size=200))
def test_garbage_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match=f"not a Backflip record of {len(data)} bytes"):
        unpack(data)


@given(st.integers(0, 10_000))
def test_a_record_cut_short_is_refused(length: int) -> None:
    whole = pack({"kind": "clip"}, {"x": np.arange(20, dtype=np.float32)})
    with pytest.raises(ValueError):
        unpack(whole[: length % len(whole)])


@pytest.mark.parametrize("metadata", [None, {}, {"other": "{}"}, {"backflip": "["}, {"backflip": "3"}])
def test_safetensors_of_others_are_refused(metadata: dict[str, str] | None) -> None:
    with pytest.raises(ValueError):
        unpack(save({"x": np.zeros(2, np.float32)}, metadata=metadata))


@pytest.mark.parametrize(
    "header", [{}, {"kind": "clip"}, {"kind": "clip", "schema": 2}, {"kind": "scene", "schema": 1}, [], None, "clip"]
)
def test_schema_names_what_was_expected_and_what_was_found(header: object) -> None:
    with pytest.raises(ValueError, match="expected a clip of schema 1, found"):
        require_schema(header, "clip", 1)


def test_hash_is_sha256() -> None:
    assert content_hash(b"") == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
