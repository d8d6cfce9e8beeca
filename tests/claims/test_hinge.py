"""The hinge loss of the notes 003, its questions, and what torch makes of them."""

import math

import numpy as np
import torch
import torch.nn.functional as F
from sklearn.linear_model import Ridge

from notebook_utils.losses import multiclass_hinge_loss, multiclass_hinge_loss_backward
from notebook_utils.softmax import cross_entropy, softmax

# the scores of the notes 003: a cat, a car and a frog, each with its three scores
SCORES = np.array([[3.2, 5.1, -1.7], [1.3, 4.9, 2.0], [2.2, 2.5, -3.1]])
MORE = [*enumerate(SCORES), (0, np.array([2.0, 1.0, 1.5])), (1, np.array([0.0, 0.0]))]


def hinges(scores, labels, *, p=1, margin=1.0):
    """Compute the losses by torch, which divides them by the number of classes."""
    z, y = torch.tensor(np.array(scores, float)), torch.tensor(labels)
    options = {"p": p, "margin": margin, "reduction": "none"}
    return F.multi_margin_loss(z, y, **options).numpy() * z.shape[1]


def hinge(scores, label, **options):
    """Compute the loss of one example by torch."""
    return hinges([scores], [label], **options)[0]


def test_the_mean_over_the_examples():
    def noted(losses):
        return np.sum(losses) / len(losses)

    for n in (1, 2, 3):
        z, y = torch.tensor(SCORES[:n]), torch.arange(n)
        losses = hinges(SCORES[:n], range(n))
        assert np.isclose(noted(losses), F.multi_margin_loss(z, y).item() * 3)
        assert np.isclose(noted(losses), multiclass_hinge_loss(SCORES[:n], range(n)))


def test_the_hinge_loss_in_both_forms():
    def noted_by_cases(s, y):
        # both cases agree at the corner, so it does not matter whose it is
        return sum(
            0 if np.greater_equal(s[y], s[j] + 1) else s[j] - s[y] + 1
            for j in range(len(s))
            if j != y
        )

    def noted_by_maxima(s, y):
        return sum(max(0, s[j] - s[y] + 1) for j in range(len(s)) if j != y)

    for y, s in [*MORE, (2, np.array([1.0, 2.0, 2.0])), (0, np.array([2.5, 1, 0]))]:
        assert np.isclose(noted_by_cases(s, y), hinge(s, y))
        assert np.isclose(noted_by_maxima(s, y), hinge(s, y))
        assert np.isclose(noted_by_maxima(s, y), multiclass_hinge_loss(s[None], [y]))


def test_the_table_of_the_three_pictures():
    def noted():
        return [2.9, 0, 12.9], 5.27

    losses, mean = noted()
    np.testing.assert_allclose(losses, hinges(SCORES, [0, 1, 2]), atol=1e-12)
    ours = multiclass_hinge_loss(SCORES, [0, 1, 2], reduction="none")
    np.testing.assert_allclose(losses, ours, atol=1e-12)
    assert mean == round(np.mean(hinges(SCORES, [0, 1, 2])), 2)


def test_a_line_until_the_margin():
    def noted(true, other):
        return -true + (other + 1)

    def corrected(true, other):
        return max(0, -true + (other + 1))

    for true in (-3.0, 0.5, 2.0, 3.0, 3.5, 10.0):
        truth = hinge([true, 2.0], 0)
        assert np.isclose(corrected(true, 2.0), truth)
        assert np.isclose(noted(true, 2.0), truth) == (true <= 3)
    assert np.isclose(noted(10.0, 2.0), -7)


def test_where_the_margin_ends():
    def noted(other):
        return other + 1

    for other in (-2.0, 0.0, 1.5):
        assert hinge([noted(other), other], 0) == 0
        assert np.isclose(hinge([noted(other) - 0.25, other], 0), 0.25)


def test_scores_may_move_within_the_margin():
    def noted(true, others, drop):
        return drop <= true - max(others) - 1  # the loss does not change

    for drop in (0.0, 0.5, 1.8, 2.0, 3.0):
        car = hinge([1.3, 4.9 - drop, 2.0], 1)
        assert noted(4.9, [1.3, 2.0], drop) == (car == 0)
    for s, drop in [([3.0, 1.0, 0.5], 1.0), ([3.0, 1.0, 0.5], 1.5)]:
        after = hinge([s[0] - drop, *s[1:]], 0)
        assert noted(s[0], s[1:], drop) == (after == hinge(s, 0))
    assert noted(4.9, [1.3, 2.0], 0.5)  # the question's half a point
    # in the cat's picture, where the car is ahead, it does change
    assert np.isclose(hinge([3.2, 4.6, -1.7], 0), 2.4)
    # and softmax's loss changes whatever moves
    before, after = (
        cross_entropy([[1.3, 4.9, 2.0]], [1]),
        cross_entropy([[1.3, 4.4, 2.0]], [1]),
    )
    assert after > before + 0.03


def test_the_ends_of_the_hinge_loss():
    def noted():
        return 0, math.inf

    least, largest = noted()
    assert hinge([1.5, 0.5], 0) == least  # reached, unlike that of softmax
    losses = [hinge([-lead, 0.0], 0) for lead in (0.0, 1e3, 1e6, 1e300)]
    assert losses == sorted(losses)
    assert losses[-1] == 1e300 < largest == math.inf
    assert min(hinges(np.random.default_rng(0).normal(size=(50, 3)), [0] * 50)) >= least


def test_the_loss_before_training():
    def noted(classes):
        return classes - 1

    for classes in (1, 2, 3, 10, 1000):
        scores, labels = np.zeros((4, classes)), [0] * 4
        np.testing.assert_allclose(hinges(scores, labels), [noted(classes)] * 4)
        assert np.isclose(multiclass_hinge_loss(scores, labels), noted(classes))


def over_all_classes(scores, labels):
    """Add up the terms of all classes, the true one's included, by torch."""
    z, y = torch.tensor(scores), torch.tensor(labels)
    return torch.relu(1 + z - z.gather(1, y[:, None])).sum(1).numpy()


def test_the_sum_over_all_classes():
    def noted(n):
        return 1

    def corrected(n):
        return n

    for n in (1, 2, 5):
        best = over_all_classes(np.tile([9.0, 0.0, 0.0], (n, 1)), [0] * n)
        assert corrected(n) == best.sum()
        assert noted(n) == best.mean()
        assert (noted(n) == best.sum()) == (n == 1)
    # each example costs 1 more, wherever it stands
    np.testing.assert_allclose(
        over_all_classes(SCORES, [0, 1, 2]), hinges(SCORES, [0, 1, 2]) + 1
    )


def test_a_factor_moves_the_best_weights():
    def noted(factor, strength):
        return 1 / (1 + strength)  # as for the factor 1

    def corrected(factor, strength):
        return factor / (factor + strength)

    w = np.linspace(0, 1.2, 1201)
    data = hinges(np.stack([w, 0 * w], axis=1), [0] * len(w), p=2)
    for factor in (1.0, 0.5, 0.25):
        for strength in (0.0, 0.5, 1.0):
            best = w[(factor * data + strength * w**2).argmin()]
            assert np.isclose(corrected(factor, strength), best, atol=6e-4)
            same = np.isclose(noted(factor, strength), best, atol=6e-4)
            assert same == (factor == 1 or strength == 0)
    assert np.isclose(noted(0.5, 1.0), 0.5)
    assert np.isclose(noted(0.5, 3.0), 0.25)


def test_squares_are_another_loss():
    def noted(s, y):
        return sum(max(0, s[j] - s[y] + 1) ** 2 for j in range(len(s)) if j != y)

    for y, s in MORE:
        assert np.isclose(noted(s, y), hinge(s, y, p=2))
        assert np.isclose(noted(s, y), multiclass_hinge_loss(s[None], [y], p=2))
    # the frog weighs 4.4 times as much as the cat, and squared nearly ten times
    ratios = [hinge(SCORES[2], 2, p=p) / hinge(SCORES[0], 0, p=p) for p in (1, 2)]
    assert np.round(ratios, 1).tolist() == [4.4, 9.9]


def test_the_sign_of_the_difference_counts_and_so_does_the_margin():
    def noted(true, other):
        return max(0, 1 - abs(other - true))

    def corrected(true, other):
        return max(0, 1 - (true - other))

    for true, other in [(3.0, 0.0), (0.4, 0.0), (0.0, 0.4), (0.0, 3.0), (1.0, 1.0)]:
        truth = hinge([true, other], 0)
        assert np.isclose(corrected(true, other), truth)
        assert np.isclose(noted(true, other), truth) == (true >= other)
        assert np.isclose(noted(true, other), noted(other, true))
    assert np.isclose(noted(0.0, 0.4), 0.6)
    assert noted(0.0, 3.0) == 0
    # without a margin, weights that are all zero would be perfect
    assert hinge([0.0, 0.0, 0.0], 0, margin=0.0) == 0
    assert hinge([0.0, 0.0, 0.0], 0, margin=0.5) == 1


def test_the_highest_score_is_not_enough():
    def noted(s, y):
        return s[y] == max(s)

    def corrected(s, y):
        return s[y] >= max(s[j] for j in range(len(s)) if j != y) + 1

    for s, y in [
        ([3.0, 2.5, 0.0], 0), ([3.0, 2.0, 0.0], 0), ([3.0, 1.5, 0.0], 0),
        ([2.0, 2.5, 0.0], 0), ([0.0, 5.0, 1.0], 1), ([4.5, 5.0, 1.0], 1),
    ]:  # fmt: skip
        free = hinge(s, y) == 0
        assert corrected(s, y) == free
        lead = s[y] - max(s[j] for j in range(3) if j != y)
        assert (noted(s, y) == free) == (not 0 <= lead < 1)
        slopes = multiclass_hinge_loss_backward([s], [y])
        assert np.all(slopes == 0) == free


def test_the_strength_of_the_regularisation():
    def noted(x, y):
        return np.linalg.solve(x.T @ x + np.eye(x.shape[1]), x.T @ y)

    def corrected(x, y, strength):
        return np.linalg.solve(x.T @ x + strength * np.eye(x.shape[1]), x.T @ y)

    rng = np.random.default_rng(0)
    for rows, columns in ((8, 3), (5, 2)):
        x, y = rng.normal(size=(rows, columns)), rng.normal(size=rows)
        for strength in (0.1, 1.0, 10.0):
            theirs = Ridge(alpha=strength, fit_intercept=False).fit(x, y).coef_
            np.testing.assert_allclose(corrected(x, y, strength), theirs)
            assert np.allclose(noted(x, y), theirs) == (strength == 1)


def test_softmax_is_never_content():
    def noted(z, y):
        return softmax(z)[y] - 1  # the slope in the true class's score

    for lead in (-5.0, 0.0, 1.0, 3.0, 30.0):
        z = torch.tensor([lead, 0.0, -1.0], dtype=torch.float64, requires_grad=True)
        loss = F.cross_entropy(z[None], torch.tensor([0]))
        (slope,) = torch.autograd.grad(loss, z)
        assert np.isclose(noted(z.detach().numpy(), 0), slope[0].item(), rtol=1e-2)
        assert noted(z.detach().numpy(), 0) < 0
    assert hinge([3.0, 0.0, -1.0], 0) == 0  # where the hinge has stopped
