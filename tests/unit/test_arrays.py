"""The edge through which every array passes."""

import array_api_compat
import numpy as np
import pytest
import torch

from notebook_utils.arrays import (
    as_floats,
    bind_shapes,
    is_sequence,
    is_torch,
    pair,
    whole,
)


@pytest.mark.parametrize(
    ("value", "dtype"),
    [
        ([[1, 2], [3, 4]], "float64"),
        ([], "float64"),
        (3, "float64"),
        (True, "float64"),
        (2.5, "float64"),
        (np.float32(2.5), "float32"),
        (np.arange(3), "float64"),
        (np.arange(3, dtype=np.uint8), "float64"),
        (np.array([True, False]), "float64"),
        (np.ones(3, np.float16), "float16"),
        (np.ones(3, np.float32), "float32"),
        (np.ones(3, np.float64), "float64"),
        (np.ones((0, 3), np.float32), "float32"),
    ],
)
def test_numpy_floats(value, dtype):
    xp, (x,) = as_floats(x=value)
    assert array_api_compat.is_numpy_namespace(xp)
    assert isinstance(x, np.ndarray)
    assert x.dtype == dtype
    np.testing.assert_array_equal(x, np.asarray(value))


@pytest.mark.parametrize(
    ("dtype", "becomes"),
    [
        (torch.bool, torch.float64),
        (torch.uint8, torch.float64),
        (torch.int64, torch.float64),
        (torch.bfloat16, torch.bfloat16),
        (torch.float16, torch.float16),
        (torch.float32, torch.float32),
        (torch.float64, torch.float64),
    ],
)
def test_torch_floats(dtype, becomes):
    given = torch.ones(2, 3, dtype=dtype)
    xp, (x,) = as_floats(x=given)
    assert array_api_compat.is_torch_namespace(xp)
    assert x.dtype == becomes
    assert x.shape == (2, 3)
    if dtype == becomes:
        assert x is given


def test_types_are_widened_to_one():
    _, (x, y) = as_floats(x=np.ones(2, np.float32), y=np.ones(2, np.float64))
    assert x.dtype == y.dtype == np.float64
    _, (x, y) = as_floats(x=torch.ones(2), y=torch.ones((), dtype=torch.float64))
    assert x.dtype == y.dtype == torch.float64
    _, (x, y) = as_floats(
        x=torch.ones(2, dtype=torch.float16), y=torch.ones(2, dtype=torch.bfloat16)
    )
    assert x.dtype == y.dtype == torch.float32


def test_lists_follow_a_tensor():
    _, (_, y, z) = as_floats(
        x=torch.ones(2, dtype=torch.float64), y=[0.1, 2], z=np.float64(3)
    )
    assert is_torch(y)
    assert is_torch(z)
    assert y.dtype == z.dtype == torch.float64
    assert y.tolist() == [0.1, 2]  # to the last digit: read as doubles
    assert float(z) == 3


def test_none_passes_through_in_place():
    _, (x, bias, y) = as_floats(x=[1], bias=None, y=[2])
    assert bias is None
    assert (x.tolist(), y.tolist()) == ([1], [2])
    assert as_floats(bias=None)[1] == (None,)
    assert as_floats(x=torch.ones(1), bias=None)[1][1] is None


def test_the_gradient_of_a_tensor_survives():
    x = torch.ones(2, requires_grad=True)
    _, (y, _) = as_floats(x=x, w=[1.0, 2.0])
    assert y.requires_grad


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"x": np.ones(2) * 1j}, "x holds complex128, but must hold real numbers"),
        (
            {"x": torch.ones(2, dtype=torch.complex64)},
            "x holds torch.complex64, but must hold real numbers",
        ),
        ({"x": "three"}, "x holds <U5, but must hold real numbers"),
        ({"x": [1, None]}, "x holds object, but must hold real numbers"),
        ({"x": [[1, 2], [3]]}, "x cannot be read as an array of numbers"),
        ({"x": torch.ones(2), "y": ["a"]}, "y holds <U1, but must hold real numbers"),
        (
            {"x": torch.ones(2), "weight": np.ones(2)},
            r"NumPy arrays \(weight\) are mixed with torch tensors \(x\): "
            "pass one kind",
        ),
        (
            {"x": torch.ones(2), "y": torch.ones(2, device="meta")},
            r"the tensors lie on different devices \(x on cpu, y on meta\)",
        ),
    ],
)
def test_as_floats_refuses(arrays, message):
    with pytest.raises(ValueError, match=message):
        as_floats(**arrays)


def test_bind_shapes_binds():
    x, weight = np.ones((2, 3, 5, 7)), torch.ones(4, 3, 1, 2)
    sizes = bind_shapes(
        x=("n c h w", x), weight=("o c kh kw", weight), bias=("o", None)
    )
    assert sizes == {"n": 2, "c": 3, "h": 5, "w": 7, "o": 4, "kh": 1, "kw": 2}
    sizes = bind_shapes({"n": 2, "k": 9}, x=("n c h w", x))
    assert sizes == {"n": 2, "k": 9, "c": 3, "h": 5, "w": 7}
    assert bind_shapes(x=("", 3.0)) == {}


def test_bind_shapes_takes_numbers_and_leading_axes():
    assert bind_shapes(boxes=("n 4", np.ones((0, 4)))) == {"n": 0}
    p, q = np.ones((2, 3, 5)), np.ones((2, 3, 5, 5))
    assert bind_shapes(p=("... k", p), q=("... k k", q)) == {"...": (2, 3), "k": 5}
    assert bind_shapes(p=("... k", np.ones(4))) == {"...": (), "k": 4}


@pytest.mark.parametrize(
    ("known", "arrays", "message"),
    [
        (
            {},
            {"x": ("n c", np.ones((2, 3))), "gamma": ("c", np.ones(4))},
            r"gamma of shape \(4,\) does not fit \(c\): "
            r"c is 4, but must be 3 as in x of shape \(2, 3\)$",
        ),
        (
            {"c": 5},
            {"x": ("n c", np.ones((2, 3)))},
            r"x of shape \(2, 3\) does not fit \(n, c\): c is 3, but must be 5$",
        ),
        (
            {},
            {"x": ("n c", np.ones(3))},
            r"x of shape \(3,\) does not fit \(n, c\): it has 1 axes, but needs 2",
        ),
        ({}, {"x": ("... n c", np.ones(3))}, "it has 1 axes, but needs at least 2"),
        (
            {},
            {"boxes": ("n 4", np.ones((2, 5)))},
            r"boxes of shape \(2, 5\) .*: an axis is 5, but must be 4",
        ),
        (
            {},
            {"square": ("k k", np.ones((2, 3)))},
            "k is 3, but must be 2 as in square of shape",
        ),
        (
            {},
            {"p": ("... k", np.ones((2, 3))), "q": ("... k", np.ones((4, 3)))},
            r"q of shape \(4, 3\) .*: \.\.\. is \(4,\), but must be \(2,\) as in p",
        ),
    ],
)
def test_bind_shapes_refuses(known, arrays, message):
    with pytest.raises(ValueError, match=message):
        bind_shapes(known, **arrays)


def test_pair_and_whole_read():
    assert pair(3, "kernel") == (3, 3)
    assert pair((3, 2), "kernel") == (3, 2)
    assert pair([3, np.int32(2)], "kernel") == (3, 2)
    assert pair(np.array([3, 2]), "kernel") == (3, 2)
    assert pair(np.uint8(3), "kernel") == (3, 3)
    assert whole(np.int64(3), "groups") == 3
    assert type(whole(np.int64(3), "groups")) is int
    assert {type(each) for each in pair(np.array([3, 2]), "kernel")} == {int}
    assert is_sequence((1, 2))
    assert not is_sequence("12")


@pytest.mark.parametrize(
    "value", [True, 1.0, 1.5, "1", None, 0, np.bool_(True), np.float64(1)]
)
def test_whole_refuses(value):
    with pytest.raises(
        ValueError, match=r"groups is .*, but must be an integer of at least 1"
    ):
        whole(value, "groups", minimum=1)


@pytest.mark.parametrize(
    "value",
    [
        True,
        1.5,
        "12",
        None,
        0,
        (1, 0),
        (1,),
        (1, 2, 3),
        (1, True),
        np.array([1.0, 2.0]),
        {1, 2},
    ],
)
def test_pair_refuses(value):
    with pytest.raises(
        ValueError,
        match=r"stride is .*, but must be an integer of at least 1 or a pair \(h, w\)",
    ):
        pair(value, "stride", minimum=1)
