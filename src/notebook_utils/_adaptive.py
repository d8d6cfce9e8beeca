"""Optimizers that give every coordinate a step size of its own."""

import array_api_compat

from notebook_utils._optimizer import Optimizer, number
from notebook_utils.arrays import is_sequence


class AdaGrad(Optimizer):
    r"""Divide each coordinate's step by the root of all its squared gradients.

    .. math:: s \leftarrow s + g^2, \quad
              x \leftarrow x - \eta_t g / (\sqrt{s} + \epsilon), \quad
              \eta_t = \eta / (1 + (t - 1) \delta)

    Parameters
    ----------
    lr, weight_decay, maximize
        As in `SGD`.
    lr_decay : float
        δ; 0 keeps the learning rate η.
    initial_accumulator_value : float
        s before the first step.
    eps : float
        ε, above 0.

    Raises
    ------
    ValueError
        If a setting is out of range.

    References
    ----------
    J. Duchi, E. Hazan and Y. Singer, "Adaptive subgradient methods for online learning
    and stochastic optimization", Journal of Machine Learning Research 12, 2011.
    """

    def __init__(
        self,
        *,
        lr=1e-2,
        lr_decay=0,
        weight_decay=0,
        initial_accumulator_value=0,
        eps=1e-10,
        maximize=False,
    ):
        super().__init__(lr=lr, weight_decay=weight_decay, maximize=maximize)
        self.lr_decay = number(lr_decay, "lr_decay")
        self.initial_accumulator_value = number(
            initial_accumulator_value, "initial_accumulator_value"
        )
        self.eps = number(eps, "eps", zero=False)

    def _update(self, x, g, state):
        s = state["s"] = state.get("s", self.initial_accumulator_value) + g * g
        lr = self.lr / (1 + (self.steps - 1) * self.lr_decay)
        return x - lr * g / (s**0.5 + self.eps)


class RMSProp(Optimizer):
    r"""Divide each coordinate's step by the root of a running mean of its g².

    .. math:: s \leftarrow \alpha s + (1 - \alpha) g^2, \quad
              u = g / (\sqrt{s} + \epsilon), \quad x \leftarrow x - \eta u

    ``centered`` takes s - m² in place of s, where m is a running mean of g like s. With
    a momentum μ > 0, v ← μ v + u takes the place of u.

    Parameters
    ----------
    lr, weight_decay, maximize
        As in `SGD`.
    alpha : float
        α, at least 0 and below 1.
    eps : float
        ε, above 0.
    momentum : float
        μ, at least 0 and below 1.
    centered : bool
        Divide by an estimate of the standard deviation of g.

    Raises
    ------
    ValueError
        If a setting is out of range.

    References
    ----------
    T. Tieleman and G. Hinton, "Lecture 6.5: RMSProp", Neural Networks for Machine
    Learning, Coursera, 2012. Centered: A. Graves, "Generating sequences with recurrent
    neural networks", arXiv:1308.0850.
    """

    def __init__(
        self,
        *,
        lr=1e-2,
        alpha=0.99,
        eps=1e-8,
        weight_decay=0,
        momentum=0,
        centered=False,
        maximize=False,
    ):
        super().__init__(lr=lr, weight_decay=weight_decay, maximize=maximize)
        self.alpha = number(alpha, "alpha", below=1)
        self.eps = number(eps, "eps", zero=False)
        self.momentum = number(momentum, "momentum", below=1)
        self.centered = bool(centered)

    def _update(self, x, g, state):
        s = state["s"] = running_mean(state.get("s", 0), g * g, self.alpha)
        if self.centered:
            m = state["m"] = running_mean(state.get("m", 0), g, self.alpha)
            xp = array_api_compat.array_namespace(x)
            s = xp.clip(xp.asarray(s - m * m), min=0)  # rounding may go below
        u = g / (s**0.5 + self.eps)
        if self.momentum:
            u = state["v"] = self.momentum * state.get("v", 0) + u
        return x - self.lr * u


class AdaDelta(Optimizer):
    r"""Step by the size of earlier steps, relative to the size of the gradients.

    .. math:: s \leftarrow \rho s + (1 - \rho) g^2, \quad
              \Delta = \sqrt{(d + \epsilon) / (s + \epsilon)} \, g, \quad
              d \leftarrow \rho d + (1 - \rho) \Delta^2, \quad
              x \leftarrow x - \eta \Delta

    Parameters
    ----------
    lr, weight_decay, maximize
        As in `SGD`. The paper has no learning rate: that is the default, 1.
    rho : float
        ρ, at least 0 and below 1.
    eps : float
        ε, above 0. It sets the size of the first steps, for d starts at 0.

    Raises
    ------
    ValueError
        If a setting is out of range.

    References
    ----------
    M. D. Zeiler, "ADADELTA: an adaptive learning rate method", arXiv:1212.5701.
    """

    def __init__(self, *, lr=1.0, rho=0.9, eps=1e-6, weight_decay=0, maximize=False):
        super().__init__(lr=lr, weight_decay=weight_decay, maximize=maximize)
        self.rho = number(rho, "rho", below=1)
        self.eps = number(eps, "eps", zero=False)

    def _update(self, x, g, state):
        d = state.get("d", 0)  # as it was before this step
        s = state["s"] = running_mean(state.get("s", 0), g * g, self.rho)
        delta = (d + self.eps) ** 0.5 / (s + self.eps) ** 0.5 * g
        state["d"] = running_mean(d, delta * delta, self.rho)
        return x - self.lr * delta


class Adam(Optimizer):
    r"""Running means of g and of g², both corrected for starting at 0.

    .. math:: m \leftarrow \beta_1 m + (1 - \beta_1) g, \quad
              s \leftarrow \beta_2 s + (1 - \beta_2) g^2, \quad
              x \leftarrow x - \eta \frac{m / (1 - \beta_1^t)}
              {\sqrt{s / (1 - \beta_2^t)} + \epsilon}

    Parameters
    ----------
    lr, maximize
        As in `SGD`.
    betas : pair of float
        β₁ and β₂, each at least 0 and below 1.
    eps : float
        ε, above 0.
    weight_decay : float
        λ: adds λx to the gradient, which is then divided like the rest of it. See
        `AdamW`.
    amsgrad : bool
        Divide by the largest s so far.

    Raises
    ------
    ValueError
        If a setting is out of range.

    References
    ----------
    D. P. Kingma and J. Ba, "Adam: a method for stochastic optimization", ICLR 2015,
    arXiv:1412.6980. AMSGrad: S. J. Reddi, S. Kale and S. Kumar, "On the convergence of
    Adam and beyond", ICLR 2018, arXiv:1904.09237.
    """

    def __init__(
        self,
        *,
        lr=1e-3,
        betas=(0.9, 0.999),
        eps=1e-8,
        weight_decay=0,
        amsgrad=False,
        maximize=False,
    ):
        super().__init__(lr=lr, weight_decay=weight_decay, maximize=maximize)
        if not is_sequence(betas) or len(betas) != 2:
            raise ValueError(f"betas is {betas!r}, but must be a pair of numbers")
        self.betas = tuple(
            number(beta, f"betas[{i}]", below=1) for i, beta in enumerate(betas)
        )
        self.eps = number(eps, "eps", zero=False)
        self.amsgrad = bool(amsgrad)

    def _update(self, x, g, state):
        beta1, beta2 = self.betas
        m = state["m"] = running_mean(state.get("m", 0), g, beta1)
        s = state["s"] = running_mean(state.get("s", 0), g * g, beta2)
        if self.amsgrad:
            xp = array_api_compat.array_namespace(x)
            s = state["largest"] = xp.maximum(state.get("largest", s), s)
        m = m / (1 - beta1**self.steps)
        s = s / (1 - beta2**self.steps)
        return x - self.lr * m / (s**0.5 + self.eps)


class AdamW(Adam):
    r"""`Adam` with decoupled weight decay, which is not divided by anything.

    .. math:: x \leftarrow (1 - \eta \lambda) x - \eta
              \frac{m / (1 - \beta_1^t)}{\sqrt{s / (1 - \beta_2^t)} + \epsilon}

    Parameters
    ----------
    lr, betas, eps, amsgrad, maximize
        As in `Adam`.
    weight_decay : float
        λ, 0.01 by default.

    Raises
    ------
    ValueError
        If a setting is out of range.

    References
    ----------
    I. Loshchilov and F. Hutter, "Decoupled weight decay regularization", ICLR 2019,
    arXiv:1711.05101; as in torch, the learning rate multiplies the decay.
    """

    def __init__(
        self,
        *,
        lr=1e-3,
        betas=(0.9, 0.999),
        eps=1e-8,
        weight_decay=1e-2,
        amsgrad=False,
        maximize=False,
    ):
        super().__init__(
            lr=lr,
            betas=betas,
            eps=eps,
            weight_decay=weight_decay,
            amsgrad=amsgrad,
            maximize=maximize,
        )

    def _decay(self, x, g):
        return (1 - self.lr * self.weight_decay) * x, g


def running_mean(mean, value, keep):
    """Keep so much of a running mean, and let a new value fill the rest."""
    return keep * mean + (1 - keep) * value
