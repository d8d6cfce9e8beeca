"""Where the numbers live: devices, conversions of arrays, seeds and timings."""

import os
import platform
import random
import sys
import time
from typing import Any, NamedTuple

import numpy as np

from notebook_utils.arrays import is_torch, whole

OVERRIDE = "NOTEBOOK_UTILS_DEVICE"


def best_device():
    """Name the device to compute on: CUDA where there is one, else MPS, else the CPU.

    The environment variable ``NOTEBOOK_UTILS_DEVICE`` (``cpu``, ``cuda``, ``cuda:1``,
    ``mps``) overrides the choice.

    Returns
    -------
    device : torch.device

    Raises
    ------
    ValueError
        If the variable names a device that this machine does not have.
    """
    import torch

    available = _available_devices()
    wanted = os.environ.get(OVERRIDE, "").strip()
    if not wanted:
        return torch.device(available[0])
    if wanted not in available:
        raise ValueError(
            f"{OVERRIDE} is {wanted!r}, but this machine has {', '.join(available)}"
        )
    return torch.device(wanted)


def _available_devices():
    """Names of the usable devices, best first."""
    import torch

    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    cuda = ["cuda", *(f"cuda:{index}" for index in range(count))] if count else []
    mps = ["mps"] if torch.backends.mps.is_available() else []
    return [*cuda, *mps, "cpu"]


def to_device(x, device=None):
    """Turn arrays into torch tensors on a device.

    Parameters
    ----------
    x : array, tensor, number, or a list, tuple or dict of them, nested at will
        Lists and tuples of numbers alone are read as one array; those that hold arrays,
        tensors or dicts stay what they are, and their members are converted. Types
        stay, but for float64 on MPS, which has none: it becomes float32.
    device : torch.device or str, optional
        `best_device()` unless given.

    Returns
    -------
    tensors : torch.Tensor, or the structure given with tensors in place of arrays
        NumPy arrays are copied, so that writing to a tensor never changes an array.

    Raises
    ------
    ValueError
        For strings, objects and whatever else holds no numbers.
    """
    import torch

    device = best_device() if device is None else torch.device(device)

    def convert(leaf):
        if is_torch(leaf):
            tensor = leaf
        else:
            # a copy: torch refuses negative strides, and warns of read-only arrays
            tensor = torch.from_numpy(np.array(_numbers(leaf), order="C"))
        if device.type == "mps" and tensor.dtype == torch.float64:
            tensor = tensor.to(torch.float32)
        return tensor.to(device)

    return _map_arrays(convert, x)


def to_numpy(x):
    """Turn tensors into NumPy arrays.

    Parameters
    ----------
    x : array, tensor, number, or a list, tuple or dict of them, nested at will
        Read as by `to_device`. Types stay, but for bfloat16, which NumPy does not have:
        it becomes float32.

    Returns
    -------
    arrays : numpy.ndarray, or the structure given with arrays in place of tensors
        Cut off from autograd. As in torch, the array of a CPU tensor shares its memory.

    Raises
    ------
    ValueError
        For strings, objects and whatever else holds no numbers.
    """

    def convert(leaf):
        if not is_torch(leaf):
            return _numbers(leaf)
        leaf = leaf.detach().cpu().resolve_conj().resolve_neg()
        if str(leaf.dtype) == "torch.bfloat16":
            leaf = leaf.float()
        return leaf.numpy()

    return _map_arrays(convert, x)


def _numbers(x):
    array = np.asarray(x)
    if array.dtype.kind not in "biufc":
        raise ValueError(
            f"an array of {array.dtype} was found, but only numbers can be converted"
        )
    return array


def _map_arrays(convert, x):
    """Apply `convert` to every array of a structure and keep the structure."""
    if isinstance(x, dict):
        return {key: _map_arrays(convert, value) for key, value in x.items()}
    if isinstance(x, list | tuple) and _holds_arrays(x):
        members = [_map_arrays(convert, member) for member in x]
        return type(x)(*members) if hasattr(x, "_fields") else type(x)(members)
    return convert(x)


def _holds_arrays(x):
    if isinstance(x, list | tuple):
        return any(_holds_arrays(member) for member in x)
    return is_torch(x) or isinstance(x, np.ndarray | dict)


def seed_everything(seed):
    """Seed the random numbers of Python, of NumPy's legacy functions and of torch.

    Parameters
    ----------
    seed : int
        From 0 to 2**32 - 1, NumPy's range.

    Returns
    -------
    rng : numpy.random.Generator
        A new generator with the same seed; prefer it to the global state.

    Raises
    ------
    ValueError
        For any other seed.
    """
    import torch

    seed = whole(seed, "seed")
    if seed >= 2**32:
        raise ValueError(f"seed is {seed}, but must be less than 2**32 = {2**32}")
    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002 - third-party code still draws from it
    torch.manual_seed(seed)  # every device included
    return np.random.default_rng(seed)


def describe():
    """Say in one line which Python, NumPy, PyTorch and device compute here.

    Returns
    -------
    line : str
        For instance
        ``Python 3.11.9, NumPy 2.4.6, PyTorch 2.13.0, cpu (x86_64, 2 threads)``.
    """
    import torch

    device = best_device()
    if device.type == "cuda":
        detail = torch.cuda.get_device_name(device)
    elif device.type == "mps":
        detail = f"Apple {platform.machine()}"
    else:
        detail = f"{platform.machine()}, {torch.get_num_threads()} threads"
    python = f"Python {platform.python_version()}"
    libraries = f"NumPy {np.__version__}, PyTorch {torch.__version__}"
    return f"{python}, {libraries}, {device} ({detail})"


class Timed(NamedTuple):
    """What `timed` answers: the function's result, and its fastest call's seconds."""

    result: Any
    seconds: float


def timed(function, *args, repeat=1, **kwargs):
    """Time a call, waiting for the accelerator before and after.

    Kernels are launched asynchronously: without the waiting, one would time their
    launch, or another's work.

    Parameters
    ----------
    function : callable
        Called as ``function(*args, **kwargs)``.
    *args, **kwargs
        Its arguments; one named ``repeat`` cannot be passed on.
    repeat : int
        How many times to call it; the fastest call counts.

    Returns
    -------
    timed : Timed
        A named tuple (result of the last call, seconds of the fastest).

    Raises
    ------
    ValueError
        If `repeat` is not an integer of at least 1.
    """
    fastest = float("inf")
    for _ in range(whole(repeat, "repeat", minimum=1)):
        _synchronize()
        start = time.perf_counter()
        result = function(*args, **kwargs)
        _synchronize()
        fastest = min(fastest, time.perf_counter() - start)
    return Timed(result, fastest)


def _synchronize():
    # without torch in memory, nothing can be running on an accelerator
    torch = sys.modules.get("torch")
    if torch is None:
        return
    if torch.cuda.is_available() and torch.cuda.is_initialized():
        torch.cuda.synchronize()
    if torch.backends.mps.is_available():
        torch.mps.synchronize()
