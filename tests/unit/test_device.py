"""Devices, conversions, seeds and timings."""

import platform
import random
import sys
from collections import namedtuple

import numpy as np
import pytest
import torch

from notebook_utils import device
from notebook_utils.device import (
    best_device,
    describe,
    seed_everything,
    timed,
    to_device,
    to_numpy,
)

Batch = namedtuple("Batch", "image label")


@pytest.fixture(autouse=True)
def _no_override(monkeypatch):
    monkeypatch.delenv("NOTEBOOK_UTILS_DEVICE", raising=False)


def pretend(monkeypatch, *, cuda=0, mps=False):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda > 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: cuda)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)


def test_best_device_prefers_cuda_then_mps_then_cpu(monkeypatch):
    pretend(monkeypatch, cuda=2, mps=True)
    assert best_device() == torch.device("cuda")
    pretend(monkeypatch, mps=True)
    assert best_device() == torch.device("mps")
    pretend(monkeypatch)
    assert best_device() == torch.device("cpu")


def test_the_environment_overrides(monkeypatch):
    pretend(monkeypatch, cuda=2)
    for name in ("cpu", "cuda", "cuda:1"):
        monkeypatch.setenv("NOTEBOOK_UTILS_DEVICE", name)
        assert best_device() == torch.device(name)


@pytest.mark.parametrize("name", ["cuda:2", "mps", "gpu", "CPU"])
def test_an_unusable_override_is_refused(monkeypatch, name):
    pretend(monkeypatch, cuda=2)
    monkeypatch.setenv("NOTEBOOK_UTILS_DEVICE", name)
    message = (
        f"NOTEBOOK_UTILS_DEVICE is '{name}', but this machine has "
        "cuda, cuda:0, cuda:1, cpu"
    )
    with pytest.raises(ValueError, match=message):
        best_device()


def test_to_device_converts_and_copies():
    array = np.arange(6.0).reshape(2, 3)
    tensor = to_device(array, "cpu")
    assert tensor.dtype == torch.float64
    tensor[0, 0] = 9
    assert array[0, 0] == 0
    assert to_device(array[:, ::-1], "cpu").tolist() == array[:, ::-1].tolist()
    array.flags.writeable = False
    assert to_device(array, "cpu").tolist() == array.tolist()
    assert to_device([[1, 2], [3, 4]], "cpu").dtype == torch.int64
    assert to_device(2.5, "cpu").shape == ()
    given = torch.ones(2)
    assert to_device(given, torch.device("cpu")) is given


def test_to_device_goes_to_the_best_device(monkeypatch):
    monkeypatch.setenv("NOTEBOOK_UTILS_DEVICE", "cpu")
    assert to_device([1.0]).device.type == "cpu"


def test_structures_are_kept():
    given = {
        "batch": [np.ones(2), (torch.zeros(3), [1, 2])],
        "named": Batch(np.ones(1), 3),
        "list": [1, 2],
    }
    there = to_device(given, "cpu")
    assert isinstance(there["batch"], list)
    assert isinstance(there["batch"][1], tuple)
    assert there["batch"][1][1].tolist() == [1, 2]
    assert isinstance(there["named"], Batch)
    assert there["named"].label.tolist() == 3
    assert torch.is_tensor(there["list"])
    back = to_numpy(there)
    assert isinstance(back["named"], Batch)
    assert isinstance(back["batch"][1][0], np.ndarray)
    np.testing.assert_array_equal(back["batch"][0], np.ones(2))


def test_doubles_become_single_on_mps(monkeypatch):
    moves = []

    def move(tensor, target):
        moves.append(target)
        return tensor

    monkeypatch.setattr(torch.Tensor, "to", move)
    to_device(np.ones(2), "mps")
    to_device(np.ones(2, np.float32), "mps")
    assert moves == [torch.float32, torch.device("mps"), torch.device("mps")]


def test_to_numpy_leaves_autograd_and_knows_half_types():
    x = torch.ones(2, requires_grad=True) * 2
    assert to_numpy(x).tolist() == [2, 2]
    assert to_numpy(torch.ones(2, dtype=torch.bfloat16)).dtype == np.float32
    assert to_numpy(torch.ones(2, dtype=torch.float16)).dtype == np.float16
    assert to_numpy(torch.tensor([1 + 2j]).conj()).tolist() == [1 - 2j]
    array = np.ones(2)
    assert to_numpy(array) is array
    assert to_numpy([1, 2]).dtype.kind == "i"


@pytest.mark.parametrize("function", [lambda x: to_device(x, "cpu"), to_numpy])
def test_what_holds_no_numbers_is_refused(function):
    with pytest.raises(
        ValueError, match="an array of <U3 was found, but only numbers can be converted"
    ):
        function({"image": np.ones(2), "name": "cat"})
    with pytest.raises(ValueError, match="an array of object was found"):
        function(None)


def test_seeds_repeat_every_generator():
    def draws():
        rng = seed_everything(7)
        return random.random(), np.random.rand(), torch.rand(1).item(), rng.random()  # noqa: NPY002

    assert draws() == draws()
    assert seed_everything(7).random() == np.random.default_rng(7).random()


@pytest.mark.parametrize(
    ("seed", "message"),
    [
        (-1, "seed is -1, but must be an integer of at least 0"),
        (1.5, "seed is 1.5, but must be an integer"),
        (2**32, r"seed is 4294967296, but must be less than 2\*\*32"),
    ],
)
def test_seeds_out_of_range_are_refused(seed, message):
    with pytest.raises(ValueError, match=message):
        seed_everything(seed)


def test_describe_is_one_line(monkeypatch):
    pretend(monkeypatch)
    line = describe()
    assert "\n" not in line
    for part in (
        platform.python_version(),
        np.__version__,
        torch.__version__,
        f"{torch.get_num_threads()} threads",
    ):
        assert part in line
    pretend(monkeypatch, mps=True)
    assert "mps (Apple" in describe()
    pretend(monkeypatch, cuda=1)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: "a card")
    assert describe().endswith("cuda (a card)")


def test_timed_takes_the_fastest(monkeypatch):
    ticks = iter([0.0, 3.0, 10.0, 11.0, 20.0, 22.0])
    monkeypatch.setattr(device.time, "perf_counter", lambda: next(ticks))
    calls = []

    def work(*args, **kwargs):
        calls.append((args, kwargs))
        return len(calls)

    result, seconds = timed(work, 1, repeat=3, axis=0)
    assert (result, seconds) == (3, 1.0)
    assert calls == [((1,), {"axis": 0})] * 3


def test_timed_waits_for_accelerators(monkeypatch):
    pretend(monkeypatch, cuda=1, mps=True)
    events = []
    monkeypatch.setattr(torch.cuda, "is_initialized", lambda: True)
    monkeypatch.setattr(torch.cuda, "synchronize", lambda: events.append("cuda"))
    monkeypatch.setattr(torch.mps, "synchronize", lambda: events.append("mps"))
    timed(lambda: events.append("work"))
    assert events == ["cuda", "mps", "work", "cuda", "mps"]


def test_timed_needs_no_torch(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    assert timed(lambda: 3).result == 3


def test_timed_refuses_no_repeats():
    with pytest.raises(
        ValueError, match="repeat is 0, but must be an integer of at least 1"
    ):
        timed(lambda: 3, repeat=0)


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_on_cuda():
    assert best_device().type == "cuda"
    there = to_device({"x": np.ones(2)})
    assert there["x"].is_cuda
    assert to_numpy(there)["x"].tolist() == [1, 1]
    assert timed(lambda: there["x"] + 1).seconds > 0
    assert "cuda (" in describe()
