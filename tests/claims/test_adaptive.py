"""A learning rate for each coordinate: what the notes write, and what torch steps."""

import inspect
import itertools
import math

import numpy as np
import pytest
import torch

from notebook_utils.optimizers import AdaDelta, AdaGrad, Adam, RMSProp, minimize

GRADIENTS = [1.0, -2.0, 0.5, 3.0, 3.0, -1.0, 0.25, 4.0]


def torch_steps(optimizer, gradients, **options):
    """Feed gradients to an optimizer of torch; return positions, and its states."""
    x = torch.zeros((), dtype=torch.float64)
    rule, places, states = optimizer([x], **options), [0.0], []
    for g in gradients:
        x.grad = torch.tensor(float(g), dtype=torch.float64)
        rule.step()
        places.append(x.item())
        states.append({k: float(v) for k, v in rule.state[x].items()})
    return np.array(places), states


def rates_of(optimizer, gradients):
    """Return the steps over the gradients: the learning rate that each one met."""
    x, rates = np.zeros(1), []
    for g in gradients:
        new = optimizer.step(x, np.array([g]))
        rates.append((x - new)[0] / g if g else None)
        x = new
    return rates


def test_the_code_of_adagrad():
    def noted(x, squared, dx, rate):
        squared = squared + dx * dx
        return x - rate * dx / (np.sqrt(squared) + 1e-7), squared

    for gradients in (GRADIENTS, [1e-7, 3e-7, 2e-7]):
        places, _ = torch_steps(torch.optim.Adagrad, gradients, lr=0.1, eps=1e-7)
        x = squared = 0.0
        for t, g in enumerate(gradients):
            x, squared = noted(x, squared, g, 0.1)
            assert np.isclose(x, places[t + 1], rtol=1e-9)
    # damped along the steep direction, raised along the flat one, and falling to 0
    steep, flat = (noted(0, 0, g, 0.1)[0] / g for g in (100.0, 0.01))
    assert abs(steep) < 0.1 < abs(flat)
    steps = -np.diff(torch_steps(torch.optim.Adagrad, [1.0] * 900, lr=1)[0])
    np.testing.assert_allclose(steps, 1 / np.sqrt(np.arange(1, 901)), rtol=1e-6)


def test_the_epsilon_inside_the_root():
    def noted(g, s, epsilon):
        return g / math.sqrt(s + epsilon)

    def corrected(g, s, epsilon):
        return g / (math.sqrt(s) + epsilon)

    for g in (1.0, -30.0, 1e-3, 1e-5, 1e-6):
        for epsilon in (1e-10, 1e-6):
            for optimizer, share, options in (
                (torch.optim.Adagrad, 1, {}),
                (torch.optim.RMSprop, 0.1, {"alpha": 0.9}),
            ):
                places, _ = torch_steps(optimizer, [g], lr=1, eps=epsilon, **options)
                s = share * g * g
                assert np.isclose(corrected(g, s, epsilon), -places[1], rtol=1e-9)
                inside = noted(g, s, epsilon)
                fits = np.isclose(inside, -places[1], rtol=1e-3)
                assert fits == (s > 400 * epsilon)
                assert np.isclose((g / inside) ** 2 - s, epsilon, rtol=1e-3, atol=1e-12)


def test_the_rate_over_the_length_of_the_history():
    def noted(rate, gradients):
        return rate / math.sqrt(sum(g**2 for g in gradients))

    rates = rates_of(AdaGrad(lr=0.5), GRADIENTS)
    for t in range(1, len(GRADIENTS) + 1):
        assert np.isclose(rates[t - 1], noted(0.5, GRADIENTS[:t]))
    # it never rises, and so the learning becomes slow
    assert (np.diff(rates) < 0).all()
    assert np.isclose(rates_of(AdaGrad(lr=0.5), [1.0] * 2500)[-1], 0.5 / 50)


def test_adagrad_never_raises_a_rate():
    def noted(step, step_before):
        return 1 if abs(step) < abs(step_before) else -1

    def corrected(g):
        return 0 if g == 0 else -1

    gradients = [4.0, 1.0, 0.5, 2.0, 2.0, 0.0, 5.0, 0.25]
    x, places = np.zeros(1), [0.0]
    optimizer = AdaGrad(lr=1)
    for g in gradients:
        x = optimizer.step(x, np.array([g]))
        places.append(x[0])
    theirs, _ = torch_steps(torch.optim.Adagrad, gradients, lr=1)
    np.testing.assert_allclose(places, theirs)
    roots = np.sqrt(np.cumsum(np.square(gradients)))
    steps = np.diff(theirs)
    told = []
    for t in range(1, len(gradients)):
        assert np.isclose(abs(steps[t]), gradients[t] / roots[t])
        change = np.sign(1 / roots[t] - 1 / roots[t - 1])
        assert corrected(gradients[t]) == change
        told.append(noted(steps[t], steps[t - 1]))
    assert told == [1, 1, -1, 1, 1, -1, 1]
    assert noted(2, 2) == -1


def test_when_adagrad_is_too_slow():
    def noted(steps, every):
        return 1 / math.sqrt(steps)

    def corrected(steps, every):
        return 1 / math.sqrt(steps // every)

    for every in (1, 10, 50):
        for steps in (205, 907):
            gradients = [float(t % every == every - 1) for t in range(steps)]
            rates = rates_of(AdaGrad(lr=1), gradients)
            truth = [rate for rate in rates if rate is not None][-1]
            assert np.isclose(corrected(steps, every), truth, rtol=1e-6)
            assert np.isclose(noted(steps, every), truth, rtol=1e-6) == (every == 1)
            assert np.isclose(noted(steps, every) * math.sqrt(steps), 1)


LOSSES = {
    "a bowl": (lambda x: 4 * x, True),
    "two valleys": (lambda x: 4 * x**3 - 4 * x, False),
    "waves": (lambda x: np.sin(x) + 0.1 * x, False),
}


def test_adagrad_on_what_is_not_convex():
    def noted(convex):
        return convex

    def corrected(convex):
        return True

    for slope, convex in LOSSES.values():
        x = minimize(AdaGrad(lr=0.5), slope, [2.3], steps=1500)[-1]
        found = bool(abs(slope(x)[0]) < 1e-3)
        curve = (slope(x + 1e-4) - slope(x - 1e-4))[0]
        assert curve > 0  # a minimum, no saddle
        assert corrected(convex) is found
        assert noted(convex) is convex


def test_the_code_of_rmsprop():
    def noted(x, squared, dx, rate, decay):
        squared = decay * squared + (1 - decay) * dx * dx
        return x - rate * dx / (np.sqrt(squared) + 1e-7), squared

    for decay in (0.5, 0.9, 0.99):
        for gradients in (GRADIENTS, [1e-7, 3e-7, 2e-7]):
            options = {"lr": 0.1, "alpha": decay, "eps": 1e-7}
            places, states = torch_steps(torch.optim.RMSprop, gradients, **options)
            ours = RMSProp(**options)
            x = squared = mine = 0.0
            for t, g in enumerate(gradients):
                x, squared = noted(x, squared, g, 0.1, decay)
                mine = ours.step(mine, g)
                assert np.isclose(x, places[t + 1], rtol=1e-9)
                assert np.isclose(mine, x)
                assert np.isclose(squared, states[t]["square_avg"], atol=0)


def test_rmsprop_averages_squared_gradients():
    def noted(s, g, gamma):
        return gamma * s + (1 - gamma) * s**2

    def corrected(s, g, gamma):
        return gamma * s + (1 - gamma) * g**2

    for gamma in (0.5, 0.9):
        _, states = torch_steps(torch.optim.RMSprop, GRADIENTS, alpha=gamma)
        averages = [0.0, *(state["square_avg"] for state in states)]
        for t, g in enumerate(GRADIENTS):
            s, truth = averages[t], averages[t + 1]
            assert np.isclose(corrected(s, g, gamma), truth)
            assert not np.isclose(noted(s, g, gamma), truth)
            # what is written would stay at 0 for ever, and shrink below 1
            assert noted(0, g, gamma) == 0
            assert np.isclose(noted(0.25, g, gamma), 0.25 * (gamma + (1 - gamma) / 4))


def test_adadelta_has_settings():
    def noted():
        return set()

    def corrected():
        return {"rho", "eps"}

    values = {"rho": (0.5, 0.9), "eps": (1e-3, 1e-6), "maximize": (False, False)}
    matters = {
        name
        for name, (one, other) in values.items()
        if not np.allclose(
            torch_steps(torch.optim.Adadelta, GRADIENTS, **{name: one})[0],
            torch_steps(torch.optim.Adadelta, GRADIENTS, **{name: other})[0],
        )
    }
    assert corrected() == matters
    assert corrected() <= set(inspect.signature(AdaDelta).parameters)
    assert noted() == matters - {"rho", "eps"}
    # nor is there a scale that sets itself: the first step is about √(ε/(1 - ρ))
    for rho, eps in ((0.9, 1e-6), (0.5, 1e-4)):
        step = AdaDelta(rho=rho, eps=eps).step(0.0, 50.0)
        assert np.isclose(-step, math.sqrt(eps / (1 - rho)), rtol=1e-3)


def test_adadelta_steps_and_remembers():
    def noted(x, step):
        return x - step

    def noted_mean(mean, step, rho):
        return rho * mean + (1 - rho) * step * step

    for rho in (0.5, 0.9):
        places, states = torch_steps(torch.optim.Adadelta, GRADIENTS, rho=rho)
        steps = [-move for move in np.diff(places)]
        mean = 0.0
        for t, step in enumerate(steps):
            mean = noted_mean(mean, step, rho)
            assert np.isclose(mean, states[t]["acc_delta"], atol=0)
            assert np.isclose(noted(places[t], step), places[t + 1], atol=0)


def test_adadelta_uses_the_mean_before_the_step():
    def noted(d, s, g, rho, epsilon):
        # the step that its own mean is made from: solve for its square
        square = (rho * d + epsilon) * g**2 / (s + epsilon - (1 - rho) * g**2)
        return math.copysign(math.sqrt(square), g)

    def corrected(d, s, g, rho, epsilon):
        return math.sqrt((d + epsilon) / (s + epsilon)) * g

    def corrected_mean(d, step, rho):
        return rho * d + (1 - rho) * step**2

    for rho, epsilon in ((0.9, 1e-6), (0.5, 1e-2)):
        options = {"rho": rho, "eps": epsilon}
        places, states = torch_steps(torch.optim.Adadelta, GRADIENTS, **options)
        d = s = 0.0
        for t, g in enumerate(GRADIENTS):
            s = rho * s + (1 - rho) * g**2
            truth = places[t] - places[t + 1]
            circle = noted(d, s, g, rho, epsilon)
            after = rho * d + (1 - rho) * circle**2
            assert np.isclose(circle, math.sqrt((after + epsilon) / (s + epsilon)) * g)
            assert not np.isclose(circle, truth, rtol=1e-3, atol=0)
            step = corrected(d, s, g, rho, epsilon)
            assert np.isclose(step, truth, rtol=1e-9, atol=0)
            d = corrected_mean(d, step, rho)
            assert np.isclose(d, states[t]["acc_delta"], atol=0)


def test_adadeltas_step_is_an_amount():
    def noted(before, after):
        return (before - after) / before

    def corrected(before, after):
        return before - after

    places, _ = torch_steps(torch.optim.Adadelta, GRADIENTS, eps=0.1)
    places = places + 7  # far from 0, so that a rate could be told
    d = s = 0.0
    for t, g in enumerate(GRADIENTS):
        s = 0.9 * s + 0.1 * g**2
        step = math.sqrt((d + 0.1) / (s + 0.1)) * g
        d = 0.9 * d + 0.1 * step**2
        assert np.isclose(corrected(places[t], places[t + 1]), step)
        assert np.isclose(noted(places[t], places[t + 1]) * places[t], step)
        assert not np.isclose(noted(places[t], places[t + 1]), step)


# Adam


def test_adams_means():
    def corrected(v, s, g, beta1, beta2):
        return beta1 * v + (1 - beta1) * g, beta2 * s + (1 - beta2) * g * g

    def corrected_bias(mean, beta, t):
        return mean / (1 - beta**t)

    for beta1, beta2 in ((0.9, 0.999), (0.5, 0.9)):
        options = {"lr": 0.1, "betas": (beta1, beta2)}
        places, states = torch_steps(torch.optim.Adam, GRADIENTS, **options)
        v = s = 0.0
        for t, g in enumerate(GRADIENTS, start=1):
            v, s = corrected(v, s, g, beta1, beta2)
            assert np.isclose(v, states[t - 1]["exp_avg"])
            assert np.isclose(s, states[t - 1]["exp_avg_sq"])
            up, down = corrected_bias(v, beta1, t), corrected_bias(s, beta2, t)
            step = places[t - 1] - places[t]
            assert np.isclose(step, 0.1 * up / (math.sqrt(down) + 1e-8))


def test_adams_second_mean_is_of_squares():
    def noted(gradients, beta):
        ages = enumerate(reversed(gradients))
        return sum((1 - beta) * beta**age * g for age, g in ages)

    def corrected(gradients, beta):
        ages = enumerate(reversed(gradients))
        return sum((1 - beta) * beta**age * g**2 for age, g in ages)

    ones = [1.0, 0.0, 1.0, 1.0, 0.0]  # each its own square
    for beta in (0.9, 0.999):
        for gradients in (GRADIENTS, ones, [2.0, 2.0, 3.0]):
            _, states = torch_steps(torch.optim.Adam, gradients, betas=(0.9, beta))
            truth = states[-1]["exp_avg_sq"]
            assert np.isclose(corrected(gradients, beta), truth, atol=0)
            fits = np.isclose(noted(gradients, beta), truth, atol=0)
            assert fits == (gradients == ones)
            kept = torch_steps(torch.optim.Adam, gradients, betas=(beta, 0.5))[1][-1]
            assert np.isclose(noted(gradients, beta), kept["exp_avg"], atol=0)


def test_the_range_of_adams_betas():
    def noted():
        return 1, 1

    def corrected():
        return 0, 1

    def inside(limits, beta):
        low, high = limits
        return low <= beta < high

    for beta in (-0.5, 0.0, 0.25, 0.5, 0.999, 1.0, 1.5, 2.0):
        try:
            torch.optim.Adam([torch.zeros(1)], betas=(0.9, beta))
            fits = True
        except ValueError:
            fits = False
        assert inside(corrected(), beta) == fits
        if fits:
            Adam(betas=(0.9, beta))
        else:
            with pytest.raises(ValueError, match=r"betas\[1\]"):
                Adam(betas=(0.9, beta))
        # the range as written holds nothing
        assert not inside(noted(), beta)
    assert noted() == (1, 1)
    defaults = torch.optim.Adam([torch.zeros(1)]).defaults
    assert defaults["betas"] == Adam().betas == (0.9, 0.999)


def test_the_last_line_of_adam():
    def corrected(x, v, s, rate):
        return x - rate * v / (math.sqrt(s) + 1e-8)

    for gradients in (GRADIENTS, [3e-9, 1e-8, -2e-8]):
        places, states = torch_steps(torch.optim.Adam, gradients, lr=0.05)
        ours, x = Adam(lr=0.05), 0.0
        for t, g in enumerate(gradients, start=1):
            state = states[t - 1]
            v, s = state["exp_avg"] / (1 - 0.9**t), state["exp_avg_sq"] / (1 - 0.999**t)
            assert np.isclose(corrected(places[t - 1], v, s, 0.05), places[t], atol=0)
            x = ours.step(x, g)
            assert np.isclose(x, places[t], atol=0)


def test_the_weights_of_adam_add_up_to_one():
    def noted(mean, beta, t):
        return mean / (1 - beta**t)

    for beta in (0.5, 0.9, 0.999):
        _, states = torch_steps(torch.optim.Adam, [1.0] * 40, betas=(beta, 0.9))
        for t, state in enumerate(states, start=1):
            # on gradients of 1 the mean is the sum of the weights so far
            weights = [(1 - beta) * beta**age for age in range(t)]
            assert np.isclose(state["exp_avg"], sum(weights))
            assert np.isclose(noted(state["exp_avg"], beta, t), 1)
    # without the correction the first mean is a tenth of the gradient
    _, states = torch_steps(torch.optim.Adam, [5.0])
    assert np.isclose(states[0]["exp_avg"], 0.1 * 5)
    pairs = itertools.pairwise(noted(1, 0.9, t) for t in range(1, 9))
    assert all(a > b for a, b in pairs)


def test_where_weight_decay_is_l2():
    def noted(x, g, rate, decay, divide):
        return x - rate * divide(g + decay * x)

    def corrected(x, g, rate, decay, divide):
        return (1 - rate * decay) * x - rate * divide(g)

    def moved(optimizer, x, gradients, **options):
        x = torch.tensor(x, dtype=torch.float64)
        rule = optimizer([x], lr=0.1, weight_decay=0.5, **options)
        for g in gradients:
            x.grad = torch.tensor(g, dtype=torch.float64)
            rule.step()
        return x.item()

    def by_size(slope):
        return slope / (abs(slope) + 1e-8)

    for x, g in itertools.product((-3.0, 0.7, 5.0), (-0.2, 1.0, 5.0)):
        l2 = noted(x, g, 0.1, 0.5, lambda slope: slope)
        decayed = corrected(x, g, 0.1, 0.5, lambda slope: slope)
        assert np.isclose(l2, decayed)
        assert np.isclose(l2, moved(torch.optim.SGD, x, [g]))
        l2 = noted(x, g, 0.1, 0.5, by_size)
        decayed = corrected(x, g, 0.1, 0.5, by_size)
        assert np.isclose(l2, moved(torch.optim.Adam, x, [g]))
        assert np.isclose(decayed, moved(torch.optim.AdamW, x, [g]))
        assert abs(l2 - decayed) > 0.03
        # momentum: the penalty enters the velocity, a decay would stay outside
        velocity, position = 0.0, x
        for _ in range(2):
            velocity = 0.9 * velocity + g
            position = corrected(position, velocity, 0.1, 0.5, lambda slope: slope)
        rolled = [moved(torch.optim.SGD, x, [g] * n, momentum=0.9) for n in (1, 2)]
        assert np.isclose(rolled[0], corrected(x, g, 0.1, 0.5, lambda slope: slope))
        assert abs(rolled[1] - position) > 0.02
