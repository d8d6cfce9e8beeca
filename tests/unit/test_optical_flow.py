"""Optical flow against fractions, loops, SciPy, scikit-image, OpenCV and the truth."""

import colorsys
from collections import Counter

import cv2
import matplotlib.colors
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from optical_flow_oracles import (
    Scene,
    Texture,
    energy,
    exact_lucas_kanade,
    minimiser,
    naive_gradients,
    naive_horn_schunck,
    naive_pyramid,
    naive_pyramidal,
    naive_track,
    read,
    rotation,
    scenes,
)
from oracles import assert_matches, assert_spread, in_kind, numerical_gradient
from scipy import ndimage
from skimage.registration import optical_flow_ilk, optical_flow_tvl1
from skimage.transform import warp as skimage_warp

from notebook_utils._flow import pyramid, window_sums
from notebook_utils.optical_flow import (
    endpoint_error,
    flow_to_rgb,
    horn_schunck,
    image_gradients,
    lucas_kanade,
    pyramidal_lucas_kanade,
    structure_eigenvalues,
    track_points,
    warp,
)

SEEN = Counter()
KINDS = ("numpy", "torch", "float32", "float64")
OPTIONS = (*KINDS, "uint8", "non-square", "one pixel wide", "stripes", "flat")
SMOOTH = Texture(3)


def note(function, case):
    SEEN.update((function, fact) for fact in case.changed())


def frames_of(case):
    return [in_kind(frame, case.kind) for frame in case.frames()]


# gradients, windows


def test_image_gradients_are_pixel_by_pixel():
    @given(scenes())
    def run(case):
        note("image_gradients", case)
        answers = image_gradients(*frames_of(case))
        for answer, oracle in zip(answers, naive_gradients(*case.reals()), strict=True):
            assert_matches(answer, oracle, case)

    run()
    assert_spread(SEEN, "image_gradients", OPTIONS)


def test_image_gradients_are_numpys():
    frames = np.random.default_rng(0).standard_normal((2, 7, 9))
    ix, iy, it = image_gradients(*frames)
    down, across = np.gradient(frames.mean(axis=0))
    np.testing.assert_allclose(ix, across, atol=1e-14)
    np.testing.assert_allclose(iy, down, atol=1e-14)
    np.testing.assert_array_equal(it, frames[1] - frames[0])


@pytest.mark.parametrize("window", [1, 3, 5, 9, 31])
def test_window_sums_are_a_box_filter(window):
    x = np.random.default_rng(0).standard_normal((2, 5, 8))
    oracle = [
        ndimage.correlate(each, np.ones((window,) * 2), mode="constant") for each in x
    ]
    np.testing.assert_allclose(window_sums(x, window), oracle, atol=1e-12)


# Lucas and Kanade


def test_lucas_kanade_is_exact():
    compared = Counter()

    @given(scenes())
    def run(case):
        note("lucas_kanade", case)
        answer = lucas_kanade(*frames_of(case), window=case.window)
        oracle, _, ratio = exact_lucas_kanade(*case.frames(), case.window)
        SEEN["lucas_kanade", "singular somewhere"] += bool(np.any(ratio == 0))
        SEEN["lucas_kanade", "solvable somewhere"] += bool(np.any(ratio > 0))
        clear = (ratio == 0) | (ratio > (1e-3 if case.dtype == "float32" else 1e-9))
        compared.update(clear.ravel().tolist())
        clear = clear[..., None] & np.ones(2, bool)
        # those that are hardly solvable in this precision are set equal beforehand
        mended = np.where(clear, oracle, np.asarray(answer))
        singular = np.asarray(answer)[ratio == 0]
        np.testing.assert_array_equal(singular, np.zeros_like(singular))
        if case.dtype == "float32":
            np.testing.assert_allclose(np.asarray(answer), mended, rtol=2e-3, atol=2e-3)
            assert str(np.asarray(answer).dtype) == "float32"
        else:
            assert_matches(answer, mended, case)

    run()
    # every pixel in double precision, almost every one in single
    assert compared[False] < 0.01 * compared[True]
    seen = ("singular somewhere", "solvable somewhere", "window beyond the frame")
    assert_spread(SEEN, "lucas_kanade", (*OPTIONS, *seen))


def test_structure_eigenvalues_are_numpys():
    @given(scenes())
    def run(case):
        note("structure_eigenvalues", case)
        answer = structure_eigenvalues(*frames_of(case), window=case.window)
        _, matrices, _ = exact_lucas_kanade(*case.frames(), case.window)
        if case.bytes:
            matrices = matrices / 255**2
        oracle = np.linalg.eigvalsh(matrices)[..., ::-1]
        # the smaller one is a difference: what is left of it is relative to the larger
        scale = np.maximum(oracle[..., :1], 1)
        assert np.all(np.asarray(answer) >= 0)
        assert_matches(
            answer / in_kind(scale.astype(case.dtype), case.kind), oracle / scale, case
        )

    run()
    assert_spread(SEEN, "structure_eigenvalues", OPTIONS)


@st.composite
def quadratics(draw):
    """Draw a motion, and two frames of a quadratic brightness that moves by it."""
    whole, part = st.integers(-3, 3), st.integers(-8, 8)
    h, w = draw(st.integers(5, 8)), draw(st.integers(5, 8))
    motion = draw(part) / 4, draw(part) / 4
    a, b, c, d, e = (draw(whole) for _ in range(5))
    y, x = np.indices((h, w)).astype(float)

    def brightness(x, y):
        return a * x * x + b * x * y + c * y * y + d * x + e * y

    return brightness(x, y), brightness(x - motion[0], y - motion[1]), motion


def test_lucas_kanade_is_exact_on_moving_quadratics():
    solved = Counter()

    @given(quadratics(), st.sampled_from((3, 5, 7)))
    def run(case, window):
        frame0, frame1, motion = case
        flow = lucas_kanade(frame0, frame1, window=window)
        smaller = structure_eigenvalues(frame0, frame1, window=window)[..., 1]
        clear = smaller > 1e-6
        solved[bool(clear.any())] += 1
        truth = np.broadcast_to(motion, flow[clear].shape)
        np.testing.assert_allclose(flow[clear], truth, atol=1e-6)
        # only signs change when the frames are exchanged
        back = lucas_kanade(frame1, frame0, window=window)
        np.testing.assert_allclose(back[clear], -truth, atol=1e-6)

    run()
    assert solved[True] > 300


@pytest.mark.parametrize("degrees", range(0, 180, 15))
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("window", [1, 3, 9, 25])
def test_stripes_of_any_direction_are_singular(degrees, dtype, window):
    y, x = np.indices((30, 40))
    angle = np.deg2rad(degrees)
    phase = 0.4 * (np.cos(angle) * x + np.sin(angle) * y)
    frames = [(3 + np.sin(phase - shift)).astype(dtype) for shift in (0, 0.3)]
    assert not lucas_kanade(*frames, window=window).any()
    flow = pyramidal_lucas_kanade(*frames, levels=1, window=window, iterations=2)
    assert not flow.any()
    if window == 3:  # the blur of the coarse level ends the stripes at the edge
        flow = pyramidal_lucas_kanade(*frames, levels=2, window=window, iterations=1)
        assert not flow[10:-10, 10:-10].any()
    middle = track_points(*frames, [[20.0, 15.0]], levels=2, window=window)
    assert np.isnan(middle).all()


def test_a_flat_frame_with_rounding_errors_is_singular():
    x = np.random.default_rng(0).standard_normal((20, 20))
    frames = np.sin(x) ** 2 + np.cos(x) ** 2, np.full((20, 20), 1.0)
    assert np.ptp(frames[0]) > 0
    assert not lucas_kanade(*frames, window=5).any()


def test_brightness_has_no_unit():
    frame0, frame1, _ = SMOOTH.moved(np.eye(2), (0.4, -0.3), (20, 24))
    flow = lucas_kanade(frame0, frame1, window=7)
    for scale in (1e-6, 255.0):
        again = lucas_kanade(scale * frame0, scale * frame1, window=7)
        np.testing.assert_allclose(again, flow, atol=1e-9)
    again = horn_schunck(255 * frame0, 255 * frame1, alpha=255**2 * 0.1, iterations=20)
    flow = horn_schunck(frame0, frame1, alpha=0.1, iterations=20)
    np.testing.assert_allclose(again, flow, atol=1e-9)


# pyramids


@pytest.mark.parametrize("size", [(5, 5), (6, 9), (17, 12)])
def test_pyramids_are_scipys_and_opencvs(size):
    frame = np.random.default_rng(0).standard_normal(size)
    ours, oracle = pyramid(frame, 2), naive_pyramid(frame, 2)
    for level, each in zip(ours, oracle, strict=True):
        np.testing.assert_allclose(level, each, atol=1e-12)
    theirs = cv2.pyrDown(frame)  # reflects where we repeat the edge
    assert ours[1].shape == theirs.shape
    np.testing.assert_allclose(ours[1][1:-1, 1:-1], theirs[1:-1, 1:-1], atol=1e-12)


@st.composite
def motions(draw, most=11):
    """Draw two smooth frames with a motion between them, and how to look for it."""
    size = draw(st.integers(3, most)), draw(st.integers(3, most))
    levels = draw(st.integers(1, 2 if min(size) >= 5 else 1))
    degrees, few = draw(st.integers(-8, 8)), st.integers(-6, 6)
    shift = draw(few) / 4, draw(few) / 4
    texture = Texture(draw(st.integers(0, 10**6)), detail=0.6)
    frame0, frame1, _ = texture.moved(rotation(degrees), shift, size)
    scene = Scene(
        kind=draw(st.sampled_from(("numpy", "torch"))),
        dtype=draw(st.sampled_from(("float32", "float64"))),
        bytes=False,
        texture="noise",
        seed=draw(st.integers(0, 2**32 - 1)),
        size=size,
        window=draw(st.sampled_from((3, 5, 7))),
    )
    search = {"levels": levels, "iterations": draw(st.integers(1, 3))}
    return scene, [frame0.astype(scene.dtype), frame1.astype(scene.dtype)], search


def note_motion(function, case, search):
    note(function, case)
    SEEN[function, "levels"] += search["levels"] > 1
    SEEN[function, "iterations"] += search["iterations"] > 1


SEARCH = (*KINDS, "non-square", "levels", "iterations")


def test_pyramidal_lucas_kanade_is_pixel_by_pixel():
    @given(motions())
    def run(drawn):
        case, frames, search = drawn
        note_motion("pyramidal_lucas_kanade", case, search)
        options = {**search, "window": case.window}
        given = [in_kind(frame, case.kind) for frame in frames]
        answer = pyramidal_lucas_kanade(*given, **options)
        assert str(answer.dtype).endswith(case.dtype)
        assert isinstance(answer, torch.Tensor) == (case.kind == "torch")
        frames = [frame.astype(float) for frame in frames]
        oracle = naive_pyramidal(frames[0], frames[1], **options)
        assert answer.shape == oracle.shape
        difference = np.abs(np.asarray(answer) - oracle)
        if case.dtype == "float64":
            assert difference.max() < 1e-7
        else:  # a few windows are hardly solvable, and warps carry that on
            assert np.median(difference) < 1e-3

    run()
    assert_spread(SEEN, "pyramidal_lucas_kanade", SEARCH)


def test_one_iteration_at_one_level_is_lucas_kanade():
    @given(scenes())
    def run(case):
        frames = frames_of(case)
        ours = lucas_kanade(*frames, window=case.window)
        search = {"levels": 1, "window": case.window, "iterations": 1}
        again = pyramidal_lucas_kanade(*frames, **search)
        ours = np.asarray(ours).copy()
        length = np.hypot(ours[..., 0], ours[..., 1])
        # lengths that round to the window's side may go either way
        clear = np.abs(length - case.window) > 1e-4
        far = length > case.window
        SEEN["one iteration", "far"] += bool(far.any())
        ours[far] = 0
        np.testing.assert_array_equal(np.asarray(again)[clear], ours[clear])

    run()
    assert SEEN["one iteration", "far"] >= 20


MOVES = {
    "a pixel": (np.eye(2), (0.8, -0.6)),
    "eight pixels": (np.eye(2), (6.4, -4.8)),
    "a turn": (rotation(3), (0, 0)),
    "a zoom": (np.eye(2) * 1.05, (0, 0)),
}
LIMITS = {"a pixel": 0.04, "eight pixels": 0.05, "a turn": 0.12, "a zoom": 0.1}


@pytest.mark.parametrize("kind", ["numpy", "torch"])
@pytest.mark.parametrize("name", MOVES)
def test_known_motion_is_found(name, kind):
    frame0, frame1, truth = SMOOTH.moved(*MOVES[name], (72, 96))
    frames = [in_kind(each, kind) for each in (frame0, frame1)]
    search = {"levels": 4, "window": 9, "iterations": 3}
    flow = pyramidal_lucas_kanade(*frames, **search)
    inner = (slice(8, -8), slice(8, -8))
    error = endpoint_error(flow[inner], in_kind(truth[inner], kind))
    assert error < LIMITS[name]
    # the second frame, carried back, is the first
    carried = warp(in_kind(frame1, kind), flow)
    assert np.abs(np.asarray(carried) - frame0)[inner].mean() < 0.015
    # and peers are not far ahead, nor far behind
    for peer in (optical_flow_ilk, optical_flow_tvl1):
        rows, columns = peer(frame0, frame1)
        theirs = np.stack([columns, rows], axis=-1)
        peers = endpoint_error(theirs[inner], truth[inner])
        assert peers / 3 < error < 3 * peers


def test_more_iterations_do_not_diverge():
    frame0, frame1, truth = SMOOTH.moved(*MOVES["eight pixels"], (72, 96))
    for iterations in (1, 3, 10, 30):
        search = {"levels": 4, "window": 9, "iterations": iterations}
        flow = pyramidal_lucas_kanade(frame0, frame1, **search)
        assert endpoint_error(flow, truth) < 0.5


def test_plain_lucas_kanade_needs_small_motion():
    for name, limits in {"a pixel": (0, 0.15), "eight pixels": (4, 9)}.items():
        frame0, frame1, truth = SMOOTH.moved(*MOVES[name], (72, 96))
        error = endpoint_error(lucas_kanade(frame0, frame1, window=9), truth)
        assert limits[0] < error < limits[1]


# points


def test_track_points_is_one_after_the_other():
    @given(motions(most=14), st.sampled_from((0, 1, 1, 2, 3)))
    def run(drawn, count):
        case, frames, search = drawn
        note_motion("track_points", case, search)
        SEEN["track_points", "no points"] += count == 0
        h, w = case.size
        points = case.rng().uniform(0, [w - 1, h - 1], (count, 2)).astype(case.dtype)
        given = [in_kind(each, case.kind) for each in (*frames, points)]
        options = {**search, "window": case.window}
        answer = track_points(*given, **options)
        arrays = [each.astype(float) for each in (*frames, points)]
        oracle = naive_track(*arrays, **options)
        SEEN["track_points", "lost"] += bool(np.isnan(oracle).any())
        SEEN["track_points", "found"] += bool(np.isfinite(oracle).any())
        if case.dtype == "float64":
            assert_matches(answer, oracle, case)
            return
        assert str(np.asarray(answer).dtype) == "float32"
        assert answer.shape == oracle.shape
        both = np.isfinite(np.asarray(answer)) & np.isfinite(oracle)
        off = np.abs(np.asarray(answer) - oracle)[both]
        SEEN["track_points", "close in single precision"] += bool(np.all(off < 1e-3))
        SEEN["track_points", "in single precision"] += 1

    run()
    options = (*SEARCH, "no points", "lost", "found")
    assert_spread(SEEN, "track_points", options)
    close, all_ = (
        SEEN["track_points", f"{prefix}in single precision"]
        for prefix in ("close ", "")
    )
    assert close > 0.97 * all_


def test_track_points_finds_what_opencv_finds():
    frame0, frame1, truth = SMOOTH.moved(*MOVES["eight pixels"], (72, 96))
    bytes0, bytes1 = (
        np.clip(128 + 30 * frame, 0, 255).round().astype(np.uint8)
        for frame in (frame0, frame1)
    )
    x, y = np.meshgrid(np.arange(20, 80, 8), np.arange(20, 56, 8))
    points = np.stack([x, y], axis=-1).reshape(-1, 2).astype(np.float32)
    ours = track_points(bytes0, bytes1, points)
    theirs, found, _ = cv2.calcOpticalFlowPyrLK(
        bytes0, bytes1, points[:, None], None, winSize=(15, 15), maxLevel=2
    )
    assert found.all()
    assert ours.shape == points.shape
    np.testing.assert_allclose(ours, theirs[:, 0], atol=0.1)
    np.testing.assert_allclose(ours, points + truth[y, x].reshape(-1, 2), atol=0.1)


def test_lost_points_stay_lost():
    frame0, frame1, _ = SMOOTH.moved(*MOVES["a pixel"], (40, 50))
    points = np.array([[20.0, 20.0], [np.nan, np.nan], [30.0, 10.0], [5.0, np.nan]])
    first = track_points(frame0, frame1, points)
    assert np.isnan(first).all(axis=1).tolist() == [False, True, False, True]
    second = track_points(frame1, frame0, first)
    np.testing.assert_allclose(second[[0, 2]], points[[0, 2]], atol=0.05)
    assert np.isnan(second[[1, 3]]).all()


def test_a_point_that_leaves_is_lost():
    frame0, frame1, _ = SMOOTH.moved(np.eye(2), (6, 0), (40, 50))
    ends = track_points(frame0, frame1, [[20, 20], [46, 20]])
    np.testing.assert_allclose(ends[0], (26, 20), atol=0.1)
    assert np.isnan(ends[1]).all()


# Horn and Schunck


def test_horn_schunck_is_pixel_by_pixel():
    @given(scenes(most=7), st.sampled_from((0.01, 0.5, 3, 100.0)), st.integers(1, 4))
    def run(case, alpha, iterations):
        note("horn_schunck", case)
        options = {"alpha": alpha, "iterations": iterations}
        SEEN["horn_schunck", "iterations"] += iterations > 1
        SEEN["horn_schunck", "alpha"] += alpha != 0.5
        answer = horn_schunck(*frames_of(case), **options)
        assert_matches(answer, naive_horn_schunck(*case.reals(), **options), case)

    run()
    assert_spread(SEEN, "horn_schunck", (*OPTIONS, "iterations", "alpha"))


def test_one_iteration_of_horn_schunck_is_the_normal_flow():
    frame0, frame1 = np.random.default_rng(0).standard_normal((2, 6, 7))
    ix, iy, it = image_gradients(frame0, frame1)
    flow = horn_schunck(frame0, frame1, alpha=0.7, iterations=1)
    oracle = -it / (0.7 + ix**2 + iy**2)
    np.testing.assert_allclose(flow[..., 0], oracle * ix, atol=1e-12)
    np.testing.assert_allclose(flow[..., 1], oracle * iy, atol=1e-12)


@pytest.mark.parametrize("alpha", [0.05, 1.0, 20.0])
def test_horn_schunck_minimises_its_energy(alpha):
    frame0, frame1 = np.random.default_rng(1).standard_normal((2, 6, 8))
    best = minimiser(frame0, frame1, alpha)

    def error(flow):
        return energy(flow, frame0, frame1, alpha)

    slope = numerical_gradient(lambda flow: np.array(error(flow)), best, 1.0)
    np.testing.assert_allclose(slope, 0, atol=1e-6)
    energies = [
        error(horn_schunck(frame0, frame1, alpha=alpha, iterations=n))
        for n in (1, 3, 10, 30, 100)
    ]
    assert all(np.diff(energies) <= 1e-12)
    flow = horn_schunck(frame0, frame1, alpha=alpha, iterations=20_000)
    np.testing.assert_allclose(flow, best, atol=1e-8)


def test_a_smoother_flow_has_a_smaller_slope():
    frame0, frame1, _ = SMOOTH.moved(*MOVES["a turn"], (30, 40))
    flows = [
        horn_schunck(frame0, frame1, alpha=alpha, iterations=300)
        for alpha in (0.01, 0.1, 1.0)
    ]
    rough = [sum(np.sum(np.diff(flow, axis=a) ** 2) for a in (0, 1)) for flow in flows]
    assert rough == sorted(rough, reverse=True)


# warping


@st.composite
def warps(draw):
    case = draw(scenes(textures=("noise",)))
    return case, draw(st.sampled_from((0, 0, 1, 3))), draw(st.sampled_from((1, 4, 40)))


def test_warp_is_scipys():
    @given(warps())
    def run(drawn):
        case, channels, scale = drawn
        note("warp", case)
        SEEN["warp", "channels"] += channels > 0
        SEEN["warp", "far outside"] += scale == 40
        h, w = case.size
        image, real = case.frames()[0], case.reals()[0]
        if channels:
            image, real = (
                np.stack([(k + 1) * each for k in range(channels)], axis=-1)
                for each in (image // 4 * 4, real)
            )
            image = image.astype(case.frames()[0].dtype)
            real = image.astype(float) / (255 if case.bytes else 1)
        flow = (scale * case.rng().standard_normal((h, w, 2))).astype(case.dtype)
        answer = warp(in_kind(image, case.kind), in_kind(flow, case.kind))
        y, x = np.indices((h, w)) + np.moveaxis(flow[..., ::-1], -1, 0).astype(float)
        planes = np.moveaxis(real, -1, 0) if channels else [real]
        oracle = np.stack([read(plane, x, y) for plane in planes], axis=-1)
        assert_matches(answer, oracle if channels else oracle[..., 0], case)

    run()
    options = (*KINDS, "uint8", "non-square", "one pixel wide")
    assert_spread(SEEN, "warp", (*options, "channels", "far outside"))


def test_warp_is_scikit_images_and_opencvs():
    rng = np.random.default_rng(0)
    image = rng.standard_normal((12, 15))
    flow = rng.integers(-160, 161, (12, 15, 2)) / 32  # OpenCV reads at 32nds of a pixel
    y, x = np.indices((12, 15))
    x, y = x + flow[..., 0], y + flow[..., 1]
    ours = warp(image, flow)
    theirs = skimage_warp(image, np.stack([y, x]), order=1, mode="edge")
    np.testing.assert_allclose(ours, theirs, atol=1e-12)
    maps = x.astype(np.float32), y.astype(np.float32)
    theirs = cv2.remap(image, *maps, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    np.testing.assert_allclose(ours, theirs, atol=1e-6)


def test_warp_by_nothing_and_by_whole_pixels():
    image = np.random.default_rng(0).standard_normal((5, 6))
    zero = np.zeros((5, 6, 2))
    np.testing.assert_array_equal(warp(image, zero), image)
    right = warp(image, zero + np.array([1, 0]))
    np.testing.assert_array_equal(right[:, :-1], image[:, 1:])
    np.testing.assert_array_equal(right[:, -1], image[:, -1])
    # a flat image stays flat to the last bit
    flow = np.random.default_rng(1).standard_normal((5, 6, 2))
    assert np.ptp(warp(np.full((5, 6), 0.1), flow)) == 0


# errors and colours


@st.composite
def flows(draw, least=1):
    case = draw(scenes(least=least, textures=("noise",)))._replace(bytes=False)
    scale = draw(st.sampled_from((0.0, 1e-3, 1.0, 50.0)))
    flow = scale * case.rng().standard_normal((*case.size, 2))
    return case, flow.astype(case.dtype)


def test_endpoint_error_is_the_mean_distance():
    @given(flows(), st.booleans())
    def run(drawn, points):
        case, flow = drawn
        note("endpoint_error", case)
        SEEN["endpoint_error", "points"] += points
        truth = np.random.default_rng(case.seed + 1).standard_normal(flow.shape)
        truth = truth.astype(case.dtype)
        if points:
            flow, truth = flow.reshape(-1, 2), truth.reshape(-1, 2)
        answer = endpoint_error(in_kind(flow, case.kind), in_kind(truth, case.kind))
        pairs = zip(
            flow.reshape(-1, 2).tolist(), truth.reshape(-1, 2).tolist(), strict=True
        )
        distances = [((a - c) ** 2 + (b - d) ** 2) ** 0.5 for (a, b), (c, d) in pairs]
        assert answer.shape == ()
        assert isinstance(answer, torch.Tensor) == (case.kind == "torch")
        assert str(answer.dtype).endswith(case.dtype)
        assert float(answer) == pytest.approx(np.mean(distances), rel=1e-5)

    run()
    assert_spread(SEEN, "endpoint_error", (*KINDS, "non-square", "points"))


def test_endpoint_error_by_hand():
    truth = np.zeros((1, 2, 2))
    assert endpoint_error([[[3, 4], [0, 0]]], truth) == 2.5
    assert endpoint_error(truth, truth) == 0


def test_flow_to_rgb_is_hsv():
    @given(flows(), st.sampled_from((None, None, 0.5, 3)))
    def run(drawn, largest):
        case, flow = drawn
        note("flow_to_rgb", case)
        SEEN["flow_to_rgb", "largest"] += largest is not None
        SEEN["flow_to_rgb", "no motion"] += not flow.any()
        answer = flow_to_rgb(in_kind(flow, case.kind), largest=largest)
        dx, dy = np.moveaxis(flow.astype(float), -1, 0)
        length = np.hypot(dx, dy)
        longest = largest or length.max() or 1
        hue = np.arctan2(dy, dx) / (2 * np.pi) % 1
        hsv = [hue, np.minimum(length / longest, 1), np.ones_like(hue)]
        oracle = matplotlib.colors.hsv_to_rgb(np.stack(hsv, axis=-1))
        assert_matches(answer, oracle, case)
        first = colorsys.hsv_to_rgb(*(float(each[0, 0]) for each in hsv))
        np.testing.assert_allclose(np.asarray(answer)[0, 0], first, atol=1e-4)
        assert 0 <= np.asarray(answer).min() <= np.asarray(answer).max() <= 1

    run()
    assert_spread(SEEN, "flow_to_rgb", (*KINDS, "non-square", "largest", "no motion"))


def test_the_colours_of_the_four_directions():
    flow = [[[2, 0], [0, 2], [-2, 0], [0, -2], [0, 0], [1, 0]]]
    colours = [(1, 0, 0), (0.5, 1, 0), (0, 1, 1), (0.5, 0, 1), (1, 1, 1), (1, 0.5, 0.5)]
    np.testing.assert_allclose(flow_to_rgb(flow)[0], colours, atol=1e-12)


# everywhere


def calls(frame0, frame1):
    """Call everything with two frames; return the answers by name."""
    points = frame0[:2, :2] * 0 + 3
    search = {"levels": 2, "window": 3, "iterations": 2}
    flow = lucas_kanade(frame0, frame1, window=3)
    return {
        "image_gradients": image_gradients(frame0, frame1)[0],
        "lucas_kanade": flow,
        "structure_eigenvalues": structure_eigenvalues(frame0, frame1, window=3),
        "pyramidal_lucas_kanade": pyramidal_lucas_kanade(frame0, frame1, **search),
        "horn_schunck": horn_schunck(frame0, frame1, alpha=1, iterations=3),
        "track_points": track_points(frame0, frame1, points, **search),
        "warp": warp(frame0, flow),
        "endpoint_error": endpoint_error(flow, flow),
        "flow_to_rgb": flow_to_rgb(flow),
    }


@pytest.mark.parametrize("kind", ["numpy", "torch"])
@pytest.mark.parametrize("dtype", ["float32", "float64", "uint8"])
def test_inputs_are_left_alone(kind, dtype):
    frames = np.random.default_rng(0).integers(0, 99, (2, 8, 9)).astype(dtype)
    given = [in_kind(frame, kind) for frame in frames]
    answers = calls(*given)
    # an answer that shares memory with an input would change it now
    for answer in answers.values():
        if answer.ndim:
            answer[...] = 7
    for frame, each in zip(frames, given, strict=True):
        np.testing.assert_array_equal(np.asarray(each), frame)


def test_lists_and_integers_are_read_as_float64():
    frames = np.random.default_rng(0).integers(0, 9, (2, 8, 9))
    oracles = calls(*frames.astype(float))
    for pair in (frames, frames.astype(np.int16), torch.tensor(frames)):
        for name, answer in calls(pair[0], pair[1]).items():
            assert str(answer.dtype).endswith("float64")
            np.testing.assert_allclose(np.asarray(answer), oracles[name], atol=1e-9)
    flow = lucas_kanade(frames[0].tolist(), frames[1].tolist(), window=3)
    np.testing.assert_array_equal(flow, oracles["lucas_kanade"])


def test_bytes_and_floats_mix():
    rng = np.random.default_rng(0)
    frames = rng.integers(0, 256, (2, 8, 9), dtype=np.uint8)
    oracle = lucas_kanade(*(frames / 255), window=5)
    for first, second in ((frames[0] / 255, frames[1]), (frames[0], frames[1] / 255)):
        np.testing.assert_allclose(lucas_kanade(first, second, window=5), oracle)
    flow = np.zeros((8, 9, 2), np.uint8)  # no brightness: stays as it is
    np.testing.assert_array_equal(
        warp(frames[0], flow + np.uint8(1))[0, 0], frames[0, 1, 1] / 255
    )


@pytest.mark.parametrize("size", [(1, 1), (1, 7), (7, 1), (2, 2), (2, 5)])
def test_frames_without_an_inner_pixel_have_no_flow(size):
    frames = np.random.default_rng(0).standard_normal((2, *size))
    assert not lucas_kanade(*frames, window=5).any()
    search = {"levels": 1, "window": 5, "iterations": 2}
    assert not pyramidal_lucas_kanade(*frames, **search).any()
    assert np.isnan(track_points(*frames, [[0, 0]], **search)).all()
    assert np.isfinite(horn_schunck(*frames, alpha=1, iterations=3)).all()
    assert warp(frames[0], np.full((*size, 2), 0.5)).shape == size


F, SEARCHED = np.ones((6, 9)), {"levels": 1, "window": 3, "iterations": 1}
BAD = F.copy()
BAD[2, 3] = np.nan
FLOW = np.zeros((6, 9, 2))
ESTIMATORS = {
    "image_gradients": image_gradients,
    "lucas_kanade": lambda a, b: lucas_kanade(a, b, window=3),
    "structure_eigenvalues": lambda a, b: structure_eigenvalues(a, b, window=3),
    "pyramidal": lambda a, b: pyramidal_lucas_kanade(a, b, **SEARCHED),
    "horn_schunck": lambda a, b: horn_schunck(a, b, alpha=1, iterations=1),
    "track_points": lambda a, b: track_points(a, b, [[1, 1]], **SEARCHED),
}


@pytest.mark.parametrize("name", ESTIMATORS)
@pytest.mark.parametrize(
    ("frames", "message"),
    [
        (
            (F, F[1:]),
            r"frame1 of shape \(5, 9\) .*: h is 5, but must be 6 as in frame0",
        ),
        ((F, F[:, 1:]), r"frame1 of shape \(6, 8\) .*: w is 8, but must be 9"),
        ((F[0], F[0]), r"frame0 of shape \(9,\) does not fit \(h, w\)"),
        ((FLOW, FLOW), r"frame0 of shape \(6, 9, 2\) does not fit \(h, w\)"),
        ((F[:0], F[:0]), "frame0 of 0 by 9 has no pixel: at least 1 by 1 fits"),
        ((F[:, :0], F[:, :0]), "frame0 of 6 by 0 has no pixel"),
        ((BAD, F), "frame0 holds NaN or infinity, but must be finite"),
        ((F, F * np.inf), "frame1 holds NaN or infinity, but must be finite"),
        ((F, F * 1j), "frame1 holds complex128, but must hold real numbers"),
        ((F, torch.ones(6, 9)), "NumPy arrays .frame0. are mixed with torch tensors"),
    ],
)
def test_frames_that_do_not_fit(name, frames, message):
    with pytest.raises(ValueError, match=message):
        ESTIMATORS[name](*frames)


def search(**changed):
    return lambda: pyramidal_lucas_kanade(F, F, **{**SEARCHED, **changed})


def track(points=((1, 1),), frame=F, **changed):
    return lambda: track_points(frame, frame, points, **{**SEARCHED, **changed})


def smooth(**changed):
    options = {"alpha": 1, "iterations": 1, **changed}
    return lambda: horn_schunck(F, F, **options)


EVEN = "window is 4, but must be odd, to have a middle pixel"
WHOLE = "but must be an integer of at least 1"


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: lucas_kanade(F, F, window=4), EVEN),
        (lambda: lucas_kanade(F, F, window=0), f"window is 0, {WHOLE}"),
        (lambda: lucas_kanade(F, F, window=-3), f"window is -3, {WHOLE}"),
        (lambda: lucas_kanade(F, F, window=3.0), f"window is 3.0, {WHOLE}"),
        (lambda: lucas_kanade(F, F, window=True), f"window is True, {WHOLE}"),
        (lambda: structure_eigenvalues(F, F, window=4), EVEN),
        (search(window=4), EVEN),
        (search(iterations=0), f"iterations is 0, {WHOLE}"),
        (search(levels=0), f"levels is 0, {WHOLE}"),
        (search(levels=1.5), f"levels is 1.5, {WHOLE}"),
        (search(levels=3), "levels 3 does not fit frames of 6 by 9: at most 2, for"),
        (track(window=4), EVEN),
        (track(iterations=0), f"iterations is 0, {WHOLE}"),
        (track(levels=2, frame=F[:4]), "levels 2 does not fit frames of 4 by 9: at"),
        (track([1, 1]), r"points of shape \(2,\) does not fit \(n, 2\)"),
        (track([[1, 1, 1]]), "points of shape .*: an axis is 3, but must be 2"),
        (
            track([[1, 1], [8.5, 2]]),
            r"points holds \(8.5, 2\), but x must lie in \[0, 8",
        ),
        (track([[1, -0.1]]), r"points holds \(1, -0.1\), .* and y in \[0, 5\]"),
        (track([[1, np.inf]]), r"points holds \(1, inf\), but x must lie in"),
        (smooth(alpha=0), "alpha is 0, but must be a positive number"),
        (smooth(alpha=-1), "alpha is -1, but must be a positive number"),
        (smooth(alpha=np.nan), "alpha is nan, but must be a positive number"),
        (smooth(alpha=np.inf), "alpha is inf, but must be a positive number"),
        (smooth(alpha="1"), "alpha is '1', but must be a positive number"),
        (smooth(alpha=True), "alpha is True, but must be a positive number"),
        (smooth(iterations=0), f"iterations is 0, {WHOLE}"),
        (lambda: warp(F, FLOW[1:]), r"flow of shape .*: h is 5, but must be 6 as in"),
        (lambda: warp(F, F), r"flow of shape \(6, 9\) does not fit \(h, w, 2\)"),
        (lambda: warp(F, np.zeros((6, 9, 3))), "an axis is 3, but must be 2"),
        (lambda: warp(F[0], FLOW), r"image of shape \(9,\) does not fit \(h, w\)"),
        (lambda: warp(F[:0], FLOW[:0]), "image of 0 by 9 has no pixel"),
        (lambda: warp(BAD, FLOW), "image holds NaN or infinity"),
        (lambda: warp(F, FLOW + np.inf), "flow holds NaN or infinity"),
        (lambda: endpoint_error(FLOW, F), r"truth of shape \(6, 9\)|an axis is 9"),
        (lambda: endpoint_error(FLOW, FLOW[1:]), r"truth of shape \(5, 9, 2\)"),
        (
            lambda: endpoint_error(FLOW[:0], FLOW[:0]),
            r"flow of shape \(0, 9, 2\) holds",
        ),
        (lambda: endpoint_error(FLOW + np.nan, FLOW), "flow holds NaN or infinity"),
        (lambda: endpoint_error(FLOW, FLOW + np.nan), "truth holds NaN or infinity"),
        (lambda: flow_to_rgb(F), r"flow of shape \(6, 9\) does not fit \(h, w, 2\)"),
        (lambda: flow_to_rgb(FLOW[:, :0]), "flow of 6 by 0 has no pixel"),
        (lambda: flow_to_rgb(FLOW + np.nan), "flow holds NaN or infinity"),
        (lambda: flow_to_rgb(FLOW, largest=0), "largest is 0, but must be a positive"),
        (lambda: flow_to_rgb(FLOW, largest="1"), "largest is '1', but must be"),
    ],
)
def test_refuses(call, message):
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("dtype", ["float32", "float64", "uint8"])
def test_on_cuda(dtype):
    frames = np.random.default_rng(0).integers(0, 99, (2, 20, 24)).astype(dtype)
    there = calls(*(in_kind(frame, "cuda") for frame in frames))
    for name, oracle in calls(*frames).items():
        assert there[name].device.type == "cuda"
        answer = there[name].cpu().numpy()
        assert answer.dtype == oracle.dtype
        off = np.abs(answer - oracle)
        assert np.nanmedian(off) < (1e-3 if dtype == "float32" else 1e-9)
