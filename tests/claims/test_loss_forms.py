"""The other losses of the notes, in their own forms and in torch's."""

import math

import numpy as np
import torch
import torch.nn.functional as F
from scipy import special

from notebook_utils.losses import (
    binary_cross_entropy_with_logits,
    huber_loss,
    l1_loss,
    mse_loss,
    nll_loss,
    smooth_l1_loss,
)

RESIDUALS = np.array([-3.0, -1.0, -0.7, -0.25, 0.0, 0.3, 0.99, 1.5, 4.0])


def tensors(*arrays):
    """Turn arrays into tensors of doubles."""
    return [torch.tensor(np.asarray(a, float)) for a in arrays]


def test_cross_entropy_is_for_exactly_one_true_class():
    def noted(y):
        return np.sum(y) != 1

    def corrected(y):
        return np.sum(y) == 1

    for y in ([1, 0, 0], [0, 1], [1, 1, 0], [0, 1, 1, 1], [1, 1]):
        scores, truth = tensors(60 * np.array(y), y)
        softmaxed = F.cross_entropy(scores, truth).item()
        can_be_met = softmaxed < 1e-9
        assert corrected(y) == can_be_met
        assert noted(y) == (not can_be_met)
        # a sigmoid for each can be met by any set of labels
        each = F.binary_cross_entropy_with_logits(scores - 30, truth)
        assert each.item() < 1e-9


def test_one_output_is_a_softmax_of_two():
    def noted(x):
        return np.exp(x) / (np.exp(x) + np.exp(0))

    for x in (-3.0, 0.0, 0.5, 4.0):
        assert np.isclose(noted(x), torch.sigmoid(torch.tensor(x)).item())
        pair = F.softmax(torch.tensor([0.0, x], dtype=torch.float64), 0)
        assert np.isclose(noted(x), pair[1].item())


def test_cross_entropy_looks_at_the_true_class_alone():
    def noted(p, label):
        return -np.log(p[label])

    rows = [[0.5, 0.5, 0.0], [0.5, 0.25, 0.25], [0.5, 0.0, 0.5], [0.1, 0.7, 0.2]]
    for p in rows:
        with np.errstate(divide="ignore"):
            log_p = torch.tensor(np.log(p))[None]
        for label in (0, 1):
            if p[label]:
                theirs = F.nll_loss(log_p, torch.tensor([label])).item()
                assert np.isclose(noted(p, label), theirs)
    # the rest may be anywhere
    assert noted(rows[0], 0) == noted(rows[1], 0) == noted(rows[2], 0)


def test_the_minus_covers_both_terms():
    def noted(y, h):
        return -y * math.log(h) + (1 - y) * math.log(1 - h)

    def corrected(y, h):
        return -(y * math.log(h) + (1 - y) * math.log(1 - h))

    for y in (0.0, 0.3, 1.0):
        for h in (0.1, 0.7, 0.95):
            truth = F.binary_cross_entropy(*tensors(h, y)).item()
            assert np.isclose(corrected(y, h), truth)
            assert np.isclose(noted(y, h), truth) == (y == 1)
            difference = 2 * (1 - y) * math.log(1 - h)
            assert np.isclose(noted(y, h), truth + difference)
    assert noted(0.0, 0.95) < noted(0.0, 0.1) < 0  # the more wrong, the lower


def test_labels_are_added_up_or_averaged():
    def noted(x, y):
        return np.sum(np.log1p(np.exp(-(2 * y - 1) * x)))

    def corrected(x, y):
        return np.sum(np.log1p(np.exp(-(2 * y - 1) * x))) / len(x)

    for size in (1, 2, 5):
        x, y = np.linspace(-2, 3, size), np.arange(size) % 2
        inputs = tensors(x, y)
        added = F.binary_cross_entropy_with_logits(*inputs, reduction="sum").item()
        assert np.isclose(noted(x, y), added)
        assert np.isclose(
            corrected(x, y), F.binary_cross_entropy_with_logits(*inputs).item()
        )
        assert np.isclose(corrected(x, y), binary_cross_entropy_with_logits(x, y))
        assert np.isclose(noted(x, y), corrected(x, y)) == (size == 1)


def test_the_two_pieces_must_meet():
    def noted(r, alpha):
        return alpha * r**2 if abs(r) < 1 else abs(r) - alpha

    def corrected(r, beta):
        return r**2 / (2 * beta) if np.less(abs(r), beta) else abs(r) - beta / 2

    zeros = torch.zeros(len(RESIDUALS), dtype=torch.float64)
    for width in (0.3, 0.5, 1.0, 2.0):
        options = {"beta": width, "reduction": "none"}
        theirs = F.smooth_l1_loss(torch.tensor(RESIDUALS), zeros, **options)
        for r, value in zip(RESIDUALS, theirs.tolist(), strict=True):
            assert np.isclose(corrected(r, width), value)
            assert np.isclose(smooth_l1_loss(r, 0, beta=width), value)
        # a step at 1, but for one alpha
        step = noted(1, width) - noted(0.999999999, width)
        assert np.isclose(step, 1 - 2 * width, atol=1e-6)
        assert np.isclose(noted(0.5, width), width / 4)
        assert np.isclose(noted(-2.0, width), 2 - width)
    for r in RESIDUALS:  # that one is torch's at beta = 1
        assert np.isclose(noted(r, 0.5), corrected(r, 1.0))


def test_nll_takes_logarithms_without_the_minus():
    def noted(output, weight, labels):
        return sum(-weight[c] * output[i][c] for i, c in enumerate(labels))

    def corrected(log_p, weight, labels):
        return sum(-weight[c] * log_p[i][c] for i, c in enumerate(labels)) / sum(
            weight[c] for c in labels
        )

    log_p = np.log([[0.5, 0.25, 0.25], [0.1, 0.2, 0.7], [0.3, 0.3, 0.4]])
    weight = np.array([1.0, 2.0, 0.5])
    for labels in ([0, 1, 2], [1, 1, 2], [2, 0, 0]):
        inputs = torch.tensor(log_p), torch.tensor(labels), torch.tensor(weight)
        added = F.nll_loss(*inputs, reduction="sum").item()
        # of the negative logarithms that the notes name, the loss has the wrong sign
        assert np.isclose(noted(-log_p, weight, labels), -added)
        assert np.isclose(noted(log_p, weight, labels), added)
        mean = F.nll_loss(*inputs).item()
        assert np.isclose(corrected(log_p, weight, labels), mean)
        assert np.isclose(nll_loss(log_p, labels, weight=weight), mean)


SCORES = np.array([2.0, -1.0, 0.5, -3.0, 1.0])
LABELS, MASK = np.array([1, 0, 0, 1, 1]), np.array([1, 1, 0, 1, 0])
CASES = [(SCORES, LABELS, MASK), (SCORES, 1 - LABELS, MASK), (SCORES, LABELS, 1 - MASK)]


def test_the_masked_loss_has_a_logarithm():
    def noted_steps(p, labels, mask):
        turned = np.where(labels == 0, -p, p)
        return np.mean(special.expit(turned)[mask == 1])

    def noted_formula(p, labels, mask):
        return np.sum(special.expit(p) * (-1.0) ** labels * mask) / np.sum(mask)

    def corrected(p, labels, mask):
        turned = np.where(labels == 0, -p, p)
        return -np.sum(mask * np.log(special.expit(turned))) / np.sum(mask)

    for p, labels, mask in CASES:
        scores, truths, weights = tensors(p, labels, mask)
        added = F.binary_cross_entropy_with_logits(
            scores, truths, weight=weights, reduction="sum"
        )
        truth = added.item() / mask.sum()
        assert np.isclose(corrected(p, labels, mask), truth)
        ours = binary_cross_entropy_with_logits(p, labels, mask=mask)
        assert np.isclose(ours, truth)
        # the steps average the probabilities of what is true: no loss, but a merit
        merit = torch.exp(
            -F.binary_cross_entropy_with_logits(scores, truths, reduction="none")
        )
        expected = (merit * weights).sum().item() / mask.sum()
        assert np.isclose(noted_steps(p, labels, mask), expected)
        # the formula turns the sign outside the sigmoid, and of the other labels
        signed = torch.sigmoid(scores) * (1 - 2 * truths) * weights
        expected = signed.sum().item() / mask.sum()
        assert np.isclose(noted_formula(p, labels, mask), expected)
        values = [noted_steps(p, labels, mask), noted_formula(p, labels, mask), truth]
        assert len(set(np.round(values, 6))) == 3
    # the better the scores, the higher what the notes compute, and the lower the loss
    good, bad = np.array([3.0, -3.0]), np.array([-3.0, 3.0])
    labels, all_of_them = np.array([1, 0]), np.array([1, 1])
    assert noted_steps(good, labels, all_of_them) > noted_steps(
        bad, labels, all_of_them
    )
    assert corrected(good, labels, all_of_them) < corrected(bad, labels, all_of_them)


def test_what_a_sigmoid_is_applied_to_is_a_score():
    def noted(p):
        return p

    def corrected(p):
        return 1 / (1 + math.exp(-p))

    for p in (0.0, 0.1, 0.5, 0.9, 1.0, -4.0, 7.0):
        loss = F.binary_cross_entropy_with_logits(*tensors(p, 1)).item()
        probability = math.exp(-loss)  # of yes, as the loss understands it
        assert np.isclose(corrected(p), probability)
        assert not np.isclose(noted(p), probability)
    # a probability in its place never gets beyond these
    assert [round(corrected(p), 2) for p in (noted(0.0), noted(1.0))] == [0.5, 0.73]


def test_one_hot_codes_decisions_and_margins():
    def noted_code(y, n):
        return [1 if i == y else 0 for i in range(n)]

    def noted_decision(o):
        return max(range(len(o)), key=lambda i: o[i])

    def noted_is_sure(o, y, margin):
        return all(o[y] - o[i] >= margin for i in range(len(o)) if i != y)

    for y, n in [(0, 3), (2, 3), (1, 2)]:
        assert noted_code(y, n) == F.one_hot(torch.tensor(y), n).tolist()
    for o in ([1.0, 3.0, 2.0], [0.5, -1.0, 0.0], [2.0, 2.5, 4.0]):
        scores = torch.tensor([o])
        assert noted_decision(o) == int(scores.argmax())
        for y in range(3):
            for margin in (0.5, 1.0, 1.5):
                theirs = F.multi_margin_loss(scores, torch.tensor([y]), margin=margin)
                assert noted_is_sure(o, y, margin) == (theirs.item() == 0)


def test_squares_absolute_values_and_huber():
    def noted_l2(y, target):
        return (y - target) ** 2 / 2

    def noted_l1(y, target):
        return abs(y - target)

    def noted_huber(y, target):
        r = abs(y - target)
        return r - 1 / 2 if np.greater(r, 1) else r**2 / 2

    for r in RESIDUALS:
        y, target = tensors(r + 2, 2)
        assert np.isclose(noted_l2(r + 2, 2), F.mse_loss(y, target).item() / 2)
        assert np.isclose(noted_l2(r + 2, 2), mse_loss(r + 2, 2) / 2)
        assert np.isclose(noted_l1(r + 2, 2), F.l1_loss(y, target).item())
        assert np.isclose(noted_l1(r + 2, 2), l1_loss(r + 2, 2))
        assert np.isclose(noted_huber(r + 2, 2), F.huber_loss(y, target).item())
        assert np.isclose(noted_huber(r + 2, 2), huber_loss(r + 2, 2))
