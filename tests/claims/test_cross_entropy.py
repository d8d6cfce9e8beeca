"""Softmax and cross-entropy: what the notes say, and what torch and SciPy do."""

import math
from itertools import pairwise

import numpy as np
import torch
import torch.nn.functional as F
from measured import numbers
from scipy import special
from sklearn.datasets import load_digits
from sklearn.linear_model import LinearRegression

from notebook_utils.calibration import calibration_error
from notebook_utils.softmax import cross_entropy, cross_entropy_backward, softmax
from notebook_utils.softmax import softmax_jacobian as jacobian

# the scores of the notes 003: a cat, a car and a frog, each with its three scores
SCORES = np.array([[3.2, 5.1, -1.7], [1.3, 4.9, 2.0], [2.2, 2.5, -3.1]])
ALEXNET = (3, 64, 192, 384, 256, 256)  # channels
VGG_16 = (3, 64, 64, 128, 128, 256, 256, 256, 512, 512, 512, 512, 512, 512)
PAIRS = [  # of distributions
    (np.array([1.0, 0, 0]), np.array([4, 2, 1]) / 7),
    (np.array([0, 1.0]), np.array([0.3, 0.7])),
    (np.array([0.2, 0.5, 0.3]), np.array([0.5, 0.3, 0.2])),
]


def torch_cross_entropy(q, p):
    """Compute the cross-entropy of distributions by torch: log p is a row of scores."""
    return F.cross_entropy(torch.tensor(np.log(p)), torch.tensor(q)).item()


def test_cross_entropy_is_minus_an_expectation():
    def noted(p, q):
        return np.sum(p * np.log(q))

    def corrected(p, q):
        return -np.sum(p * np.log(q))

    for p, q in PAIRS:
        truth = torch_cross_entropy(p, q)
        assert np.isclose(corrected(p, q), truth)
        assert truth > 0
        assert np.isclose(noted(p, q), -truth)


def test_softmax_cross_entropy_and_their_gradient():
    def noted_softmax(o):
        return np.exp(o) / np.sum(np.exp(o))

    def noted_cross_entropy(p, q):
        return -np.sum(p * np.log(q))

    def noted_loss(o, label):
        return -np.log(noted_softmax(o)[label])

    def noted_gradient(o, one_hot):
        return noted_softmax(o) - one_hot

    for p, q in PAIRS:
        entropies = special.entr(p).sum() + special.rel_entr(p, q).sum()
        assert np.isclose(noted_cross_entropy(p, q), entropies)
    for label, o in enumerate(SCORES):
        np.testing.assert_allclose(noted_softmax(o), special.softmax(o))
        one_hot = np.eye(3)[label]
        scores = torch.tensor(o, requires_grad=True)
        loss = F.cross_entropy(scores[None], torch.tensor([label]))
        (slopes,) = torch.autograd.grad(loss, scores)
        assert np.isclose(noted_loss(o, label), loss.item())
        assert np.isclose(noted_cross_entropy(one_hot, softmax(o)), loss.item())
        np.testing.assert_allclose(noted_gradient(o, one_hot), slopes)
        ours = cross_entropy_backward(o[None], [label])
        np.testing.assert_allclose(noted_gradient(o, one_hot), ours[0])


def test_no_division_by_the_number_of_classes():
    def noted(y, p):
        return -np.sum(y * np.log(p)) / len(y)

    def corrected(y, p):
        return -np.sum(y * np.log(p))

    for y, p in PAIRS:
        truth = torch_cross_entropy(y, p)
        assert np.isclose(corrected(y, p), truth)
        assert np.isclose(noted(y, p) * len(y), truth)
    # two classes and three: the same prediction of the truth must cost the same
    two, three = np.array([0.5, 0.5]), np.array([0.5, 0.25, 0.25])
    assert np.isclose(corrected(np.eye(2)[0], two), corrected(np.eye(3)[0], three))
    assert not np.isclose(noted(np.eye(2)[0], two), noted(np.eye(3)[0], three))


def test_a_batch_is_added_up_or_averaged():
    def noted(losses):
        return np.sum(losses)

    def corrected(losses):
        return np.sum(losses) / len(losses)

    for n in (1, 2, 3):
        z, labels = torch.tensor(SCORES[:n]), torch.arange(n)
        losses = F.cross_entropy(z, labels, reduction="none").numpy()
        added = F.cross_entropy(z, labels, reduction="sum").item()
        assert np.isclose(noted(losses), added)
        assert np.isclose(corrected(losses), F.cross_entropy(z, labels).item())
        assert np.isclose(corrected(losses), cross_entropy(SCORES[:n], range(n)))
        assert np.isclose(noted(losses), corrected(losses)) == (n == 1)
        # a step of the sum is n times as long
        steps = [
            cross_entropy_backward(SCORES[:n], range(n), reduction=reduction)
            for reduction in ("sum", "mean")
        ]
        np.testing.assert_allclose(steps[0], n * steps[1])


def test_softmax_comes_before_cross_entropy():
    def noted(z, label):
        p = np.exp(z) / np.sum(np.exp(z))
        return -np.log(p[label])

    for label, z in enumerate(SCORES):
        theirs = F.cross_entropy(torch.tensor(z)[None], torch.tensor([label]))
        assert np.isclose(noted(z, label), theirs.item())
        # torch's has the softmax in it: a second one gives another number
        twice = F.cross_entropy(torch.tensor(softmax(z))[None], torch.tensor([label]))
        assert not np.isclose(noted(z, label), twice.item())


def test_only_a_distribution_can_be_compared_with_a_class():
    def noted(output, label):
        return -np.log(output[label])

    def corrected(output, label):
        return np.log(np.sum(np.exp(output))) - output[label]

    for z, label in [(SCORES[0], 0), (SCORES[1], 1), (np.array([20.0, 10, 5]), 0)]:
        truth = F.cross_entropy(torch.tensor(z)[None], torch.tensor([label])).item()
        assert np.isclose(corrected(z, label), truth)
        assert not np.isclose(noted(z, label), truth)
        # of probabilities it is the same loss
        assert np.isclose(noted(softmax(z), label), truth)
    # of raw outputs it has no least value, and for negative ones no value at all
    assert noted(np.array([1e9, 0, 0]), 0) < -20
    with np.errstate(invalid="ignore"):
        assert np.isnan(noted(SCORES[2], 2))


def test_confidence_is_not_how_often_one_is_right():
    def noted(z):
        return special.softmax(z, axis=1).max(axis=1).mean()

    def corrected(z, labels):
        return np.mean(z.argmax(axis=1) == labels)

    rng = np.random.default_rng(0)
    z = 2 * rng.standard_normal((2000, 3))
    labels = (z + rng.gumbel(size=z.shape)).argmax(axis=1)  # drawn from softmax(z)
    right = corrected(z, labels)
    assert abs(noted(z) - right) < 0.02
    # the same decisions at other temperatures: as often right, more and less confident
    for factor, side in ((3.0, 1), (0.3, -1)):
        assert corrected(factor * z, labels) == right
        assert side * (noted(factor * z) - right) > 0.1
        off = calibration_error(softmax(factor * z), labels, bins=10)
        assert np.isclose(off, abs(noted(factor * z) - right), atol=0.01)


def test_how_many_classes_a_task_has():
    def noted():
        return {"MNIST": 10, "ImageNet": 1000}

    # how many numbers the networks for each task hold, LeNet-5 with all channels joined
    # and AlexNet and VGG-16 as torchvision lists them; each class has a row in the last
    # layer, so no other number of classes gives these sums
    counts = [
        ("MNIST", 61_706, (1, 6, 16), (5, 5), (16 * 5 * 5, 120, 84)),
        ("ImageNet", 61_100_840, ALEXNET, (11, 5, 3, 3, 3), (256 * 6 * 6, 4096, 4096)),
        ("ImageNet", 138_357_544, VGG_16, [3] * 13, (512 * 7 * 7, 4096, 4096)),
    ]
    for task, count, channels, kernels, features in counts:
        filters = [
            torch.nn.Conv2d(*pair, kernel, device="meta")
            for pair, kernel in zip(pairwise(channels), kernels, strict=True)
        ]
        dense = [
            torch.nn.Linear(*pair, device="meta")
            for pair in pairwise((*features, noted()[task]))
        ]
        assert numbers(*filters, *dense) == count
    assert len(load_digits().target_names) == noted()["MNIST"]


def test_a_regression_has_as_many_outputs_as_targets():
    def noted(targets):
        return 1

    def corrected(targets):
        return targets.shape[1]

    rng = np.random.default_rng(0)
    x = rng.standard_normal((6, 2))
    for count in (1, 2, 4):  # a height; a displacement; a box
        targets = rng.standard_normal((6, count))
        outputs = LinearRegression().fit(x, targets).predict(x).shape[1]
        assert corrected(targets) == outputs
        assert (noted(targets) == outputs) == (count == 1)
    assert noted(x) == 1


def test_the_loss_of_the_softmax_classifier():
    def noted(s, label):
        return -np.log(np.exp(s[label]) / np.sum(np.exp(s)))

    for label, s in enumerate(SCORES):
        theirs = F.cross_entropy(torch.tensor(s)[None], torch.tensor([label]))
        assert np.isclose(noted(s, label), theirs.item())
        assert np.isclose(noted(s, label), cross_entropy(s[None], [label]))


def test_the_ends_of_the_loss_are_limits():
    def noted():
        return 0, math.inf

    def corrected(lead):
        return math.log(1 + math.exp(-lead))  # of two classes

    least, largest = noted()
    for lead in (-30.0, -2.0, 0.0, 1.5, 20.0):
        scores = torch.tensor([[lead, 0.0]], dtype=torch.float64)
        loss = F.cross_entropy(scores, torch.tensor([0])).item()
        assert np.isclose(corrected(lead), loss, rtol=1e-6)
        assert least < loss < largest
    # nearer and nearer, and reached only where a score is infinite
    assert cross_entropy([[700.0, 0.0]], [0]) < 1e-300
    assert cross_entropy([[-1e300, 0.0]], [0]) == 1e300
    ruled_out = torch.tensor([[0.0, -math.inf]])
    assert F.cross_entropy(ruled_out, torch.tensor([0])).item() == least
    assert F.cross_entropy(ruled_out, torch.tensor([1])).item() == largest


def test_the_derivation_of_softmax_and_its_backward():
    def corrected_jacobian(p):
        return np.diag(p) - np.outer(p, p)

    def corrected_gradient(p, q):
        return p - q

    for (q, _), z in zip([PAIRS[0], PAIRS[2]], SCORES, strict=False):
        at = torch.tensor(z)
        slopes = torch.autograd.functional.jacobian(lambda x: F.softmax(x, 0), at)
        np.testing.assert_allclose(corrected_jacobian(softmax(z)), slopes, atol=1e-15)
        np.testing.assert_allclose(jacobian(softmax(z)), slopes, atol=1e-15)
        at.requires_grad_()
        loss = F.cross_entropy(at, torch.tensor(q))
        (slope,) = torch.autograd.grad(loss, at)
        np.testing.assert_allclose(corrected_gradient(softmax(z), q), slope, atol=1e-15)


@np.errstate(divide="ignore", invalid="ignore")
def test_comparing_distributions_is_the_same_loss():
    def corrected(q, p):
        return np.nansum(q * np.log(q / p))  # 0 log 0 counts as 0

    for q, p in PAIRS:
        assert np.isclose(corrected(q, p), special.rel_entr(q, p).sum())
        entropy = special.entr(q).sum()
        assert np.isclose(corrected(q, p) + entropy, torch_cross_entropy(q, p))
    for label, z in enumerate(SCORES):  # one-hot truths: no entropy to add
        loss = cross_entropy(z[None], [label])
        assert np.isclose(corrected(np.eye(3)[label], softmax(z)), loss)
