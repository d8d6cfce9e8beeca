"""Slow or independent twins of the estimators of motion, and frames whose motion is
known because both are drawn from one formula."""

import itertools
from fractions import Fraction
from typing import NamedTuple

import numpy as np
from hypothesis import strategies as st
from scipy import ndimage, sparse
from scipy.sparse.linalg import spsolve

TEXTURES = ("noise", "noise", "noise", "stripes", "flat")


class Scene(NamedTuple):
    """Two frames: noise, stripes that all run one way, or one brightness."""

    kind: str
    dtype: str  # of the answer; the frames are uint8 where `bytes` is set
    bytes: bool
    texture: str
    seed: int
    size: tuple
    window: int

    def changed(self):
        facts = {
            "examples": True,
            "non-square": self.size[0] != self.size[1],
            "one pixel wide": min(self.size) == 1,
            "uint8": self.bytes,
            "window beyond the frame": self.window > 2 * max(self.size),
            self.texture: True,
            self.kind: True,
            self.dtype: True,
        }
        return [name for name, holds in facts.items() if holds]

    def rng(self):
        return np.random.default_rng(self.seed)

    def frames(self):
        """Draw both frames as small integers, stored in the scene's type."""
        rng = self.rng()
        if self.texture == "flat":
            frames = [np.full(self.size, value) for value in rng.integers(0, 7, 2)]
        elif self.texture == "stripes":
            y, x = np.indices(self.size)
            a, b = rng.integers(-2, 3, 2)
            values = rng.integers(0, 7, (2, 400))
            frames = [each[200 + a * x + b * y] for each in values]
        else:
            frames = rng.integers(0, 7, (2, *self.size))
        stored = np.uint8 if self.bytes else self.dtype
        return [frame.astype(stored) for frame in frames]

    def reals(self):
        """Return both frames as float64, as the estimators should read them."""
        frames = [frame.astype(float) for frame in self.frames()]
        return [frame / 255 if self.bytes else frame for frame in frames]


@st.composite
def scenes(draw, least=1, most=9, textures=TEXTURES):
    uint8 = draw(st.sampled_from((False, False, True)))
    side = st.integers(least, most)
    return Scene(
        kind=draw(st.sampled_from(("numpy", "torch"))),
        dtype="float64" if uint8 else draw(st.sampled_from(("float32", "float64"))),
        bytes=uint8,
        texture=draw(st.sampled_from(textures)),
        seed=draw(st.integers(0, 2**32 - 1)),
        size=(draw(side), draw(side)),
        window=draw(st.sampled_from((1, 3, 3, 5, 7, 21))),
    )


# gradients and least squares


def naive_gradients(frame0, frame1):
    """Differentiate pixel by pixel."""
    h, w = frame0.shape
    answer = np.zeros((3, h, w))
    mean = (frame0 + frame1) / 2
    for i, j in np.ndindex(h, w):
        left, right = max(j - 1, 0), min(j + 1, w - 1)
        above, below = max(i - 1, 0), min(i + 1, h - 1)
        if right > left:
            answer[0, i, j] = (mean[i, right] - mean[i, left]) / (right - left)
        if below > above:
            answer[1, i, j] = (mean[below, j] - mean[above, j]) / (below - above)
        answer[2, i, j] = frame1[i, j] - frame0[i, j]
    return answer


def exact_lucas_kanade(frame0, frame1, window):
    """Solve each window's system in fractions, from integers.

    Returns the flow (zero where the determinant is zero), the matrices, and for each
    pixel the square of the determinant's ratio to the trace: about the ratio of the
    eigenvalues where that is small.
    """
    h, w = frame0.shape
    reach = window // 2
    flow, ratio = np.zeros((h, w, 2)), np.zeros((h, w))
    matrices = np.zeros((h, w, 2, 2))
    frame0, frame1 = (
        [[Fraction(int(value)) for value in row] for row in frame]
        for frame in (frame0, frame1)
    )
    slopes = {}
    for i, j in itertools.product(range(1, h - 1), range(1, w - 1)):
        ix, iy = (
            sum(f[i + a][j + b] - f[i - a][j - b] for f in (frame0, frame1)) / 4
            for a, b in ((0, 1), (1, 0))
        )
        slopes[i, j] = ix, iy, frame1[i][j] - frame0[i][j]
    for i, j in np.ndindex(h, w):
        a = b = c = p = q = Fraction(0)
        for (k, m), (ix, iy, it) in slopes.items():
            if abs(k - i) <= reach and abs(m - j) <= reach:
                a, b, c = a + ix * ix, b + ix * iy, c + iy * iy
                p, q = p - ix * it, q - iy * it
        matrices[i, j] = [[a, b], [b, c]]
        determinant = a * c - b * b
        if determinant:
            ratio[i, j] = determinant / (a + c) ** 2
            flow[i, j] = (c * p - b * q) / determinant, (a * q - b * p) / determinant
    return flow, matrices, ratio


# warping, pyramids


def read(image, x, y):
    """Interpolate with SciPy."""
    return ndimage.map_coordinates(image, [y, x], order=1, mode="nearest")


def naive_pyramid(frame, levels):
    frames = [frame]
    for _ in range(levels - 1):
        for axis in (0, 1):
            taps = np.array([1, 4, 6, 4, 1]) / 16
            frame = ndimage.correlate1d(frame, taps, axis=axis, mode="nearest")
        frame = frame[::2, ::2]
        frames.append(frame)
    return frames


def naive_pyramidal(frame0, frame1, levels, window, iterations):
    """Estimate coarse to fine: SciPy's warps, and each window by NumPy's lstsq."""
    pairs = zip(
        naive_pyramid(frame0, levels), naive_pyramid(frame1, levels), strict=True
    )
    flow = None
    for small0, small1 in reversed(list(pairs)):
        h, w = small0.shape
        y, x = np.indices((h, w)).astype(float)
        if flow is None:
            flow = np.zeros((h, w, 2))
        else:
            halves = [read(flow[..., i], x / 2, y / 2) for i in (0, 1)]
            flow = 2 * np.stack(halves, axis=-1)
        for _ in range(iterations):
            flow = naive_refinement(small0, small1, flow, window)
    return flow


def naive_refinement(frame0, frame1, flow, window):
    h, w = frame0.shape
    y, x = np.indices((h, w)).astype(float)
    x1, y1 = x + flow[..., 0], y + flow[..., 1]
    ix, iy, it = naive_gradients(frame0, read(frame1, x1, y1))
    counts = np.ones((h, w), bool)
    for u, v in ((x, y), (x1, y1)):
        counts &= (u >= 1) & (u <= w - 2) & (v >= 1) & (v <= h - 2)
    answer, reach = flow.copy(), window // 2
    for i, j in np.ndindex(h, w):
        rows = slice(max(i - reach, 0), i + reach + 1)
        columns = slice(max(j - reach, 0), j + reach + 1)
        near = counts[rows, columns]
        a = np.stack([each[rows, columns][near] for each in (ix, iy)], axis=1)
        # what the neighbours' own flows have explained is given back
        b = np.sum(a * flow[rows, columns][near], axis=1) - it[rows, columns][near]
        if len(a) and np.linalg.matrix_rank(a, tol=1e-7) == 2:
            motion = np.linalg.lstsq(a, b)[0]
            if np.linalg.norm(motion - flow[i, j]) <= window:
                answer[i, j] = motion
    return answer


def naive_track(frame0, frame1, points, levels, window, iterations):
    """Follow one point after the other."""
    answer, reach = np.full_like(points, np.nan), window // 2
    pyramids = naive_pyramid(frame0, levels), naive_pyramid(frame1, levels)
    for n, point in enumerate(points):
        motion = np.zeros(2)
        for level in reversed(range(levels)):
            small0, small1 = (each[level] for each in pyramids)
            h, w = small0.shape
            slopes = naive_gradients(small0, small0)[:2]
            motion = 2 * motion
            y, x = np.indices((window, window)) - reach
            x, y = x + point[0] / 2**level, y + point[1] / 2**level
            for _ in range(iterations):
                x1, y1 = x + motion[0], y + motion[1]
                near = (x >= 1) & (x <= w - 2) & (y >= 1) & (y <= h - 2)
                near &= (x1 >= 0) & (x1 <= w - 1) & (y1 >= 0) & (y1 <= h - 1)
                a = np.stack([read(s, x, y)[near] for s in slopes], axis=1)
                b = (read(small0, x, y) - read(small1, x1, y1))[near]
                solved = len(a) > 0 and np.linalg.matrix_rank(a, tol=1e-7) == 2
                step = np.linalg.lstsq(a, b)[0] if solved else np.zeros(2)
                solved = solved and np.linalg.norm(step) <= window
                if solved:
                    motion = motion + step
        end = point + motion
        if solved and np.all(end >= 0) and np.all(end <= np.array([w - 1, h - 1])):
            answer[n] = end
    return answer


# Horn and Schunck


def naive_horn_schunck(frame0, frame1, alpha, iterations):
    """Solve the two equations of each pixel, one pixel after the other."""
    ix, iy, it = naive_gradients(frame0, frame1)
    flow = np.zeros((*frame0.shape, 2))
    cross = np.array([[0, 1, 0], [1, 0, 1], [0, 1, 0]]) / 4
    for _ in range(iterations):
        mean = [ndimage.correlate(flow[..., k], cross, mode="nearest") for k in (0, 1)]
        for i, j in np.ndindex(frame0.shape):
            x, y, t = ix[i, j], iy[i, j], it[i, j]
            matrix = [[x * x + alpha, x * y], [x * y, y * y + alpha]]
            right = [alpha * mean[0][i, j] - x * t, alpha * mean[1][i, j] - y * t]
            flow[i, j] = np.linalg.solve(matrix, right)
    return flow


def energy(flow, frame0, frame1, alpha):
    """What Horn and Schunck minimise: data, and every pair of neighbours once."""
    ix, iy, it = naive_gradients(frame0, frame1)
    data = np.sum((ix * flow[..., 0] + iy * flow[..., 1] + it) ** 2)
    pairs = sum(np.sum(np.diff(flow, axis=axis) ** 2) for axis in (0, 1))
    return data + alpha / 4 * pairs


def minimiser(frame0, frame1, alpha):
    """Minimise the energy at one stroke, as a sparse system."""
    ix, iy, it = (each.ravel() for each in naive_gradients(frame0, frame1))
    h, w = frame0.shape
    across, down = (
        sparse.diags_array(
            [-np.ones(n - 1), np.ones(n - 1)], offsets=[0, 1], shape=(n - 1, n)
        )
        for n in (w, h)
    )
    differences = sparse.vstack(
        [
            sparse.kron(sparse.eye_array(h), across),
            sparse.kron(down, sparse.eye_array(w)),
        ]
    )
    smooth = alpha / 4 * (differences.T @ differences)
    x, y = sparse.diags_array(ix), sparse.diags_array(iy)
    matrix = sparse.block_array([[x @ x + smooth, x @ y], [x @ y, y @ y + smooth]])
    solution = spsolve(matrix.tocsc(), -np.concatenate([ix * it, iy * it]))
    return np.moveaxis(solution.reshape(2, h, w), 0, -1)


# frames of known motion


class Texture:
    """A sum of waves: smooth, aperiodic, and known at every point."""

    def __init__(self, seed=0, waves=24, detail=0.25):
        rng = np.random.default_rng(seed)
        self.vectors = rng.normal(size=(waves, 2)) * detail
        self.phases = rng.uniform(0, 2 * np.pi, waves)

    def __call__(self, x, y):
        waves = zip(self.vectors, self.phases, strict=True)
        return sum(np.cos(a * x + b * y + p) for (a, b), p in waves) / 8

    def moved(self, matrix, shift, size):
        """Return two frames and their flow, where a point p goes to M p + s.

        M is about the middle of the frame.
        """
        h, w = size
        y, x = np.indices(size).astype(float)
        middle = np.array([(w - 1) / 2, (h - 1) / 2])
        points = np.stack([x, y], axis=-1) - middle
        matrix, shift = np.asarray(matrix, float), np.asarray(shift, float)
        flow = points @ matrix.T + shift - points
        back = (points - shift) @ np.linalg.inv(matrix).T + middle
        return self(x, y), self(back[..., 0], back[..., 1]), flow


def rotation(degrees):
    angle = np.deg2rad(degrees)
    return [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
