"""How far single precision may move each weight in a step. Packages: torch.

Adam and RMSprop divide a gradient by its own size. If the gradient is near epsilon, its rounding changes the length of
the step. So this module first estimates the rounding error of each gradient, then applies torch's own optimizer to the
perturbed gradients. Rounding errors are assumed to be independent with mean zero (Higham and Mary, A New Approach to
Probabilistic Rounding Error Analysis, 2019) and a standard deviation of u = 2⁻²⁵, half of their maximum. The n partial
sums of n products then have a total variance of n/2·u²·Σ product². Variances are propagated to first order, forward
and backward through the layers; the error is taken as six standard deviations.
"""

import torch
from torch import nn

UNIT = 2.0**-25
# Relative error of exp, tanh and functions of them. Six of these are 24·2⁻²⁴; WGSL allows exp(x) (3 + 2|x|)·2⁻²³.
FUNCTION = 8 * UNIT
SIGMAS = 6
sq = torch.square


def product(a, va, b, vb):
    """a @ b and its variance, given the variances of a and b."""
    return a @ b, a.shape[1] / 2 * UNIT**2 * (sq(a) @ sq(b)) + va @ sq(b) + sq(a) @ vb


def slope(activation, z):
    z = z.clone().requires_grad_()
    return torch.autograd.grad(activation(z).sum(), z)[0]


def activated(activation, z, vz):
    """Values, their variances, slopes, their variances. A kink within the error contributes its whole jump."""
    error, s = SIGMAS * vz.sqrt(), slope(activation, z)
    jump = torch.maximum(*((slope(activation, z + side) - s).abs() for side in (error, -error)))
    h = activation(z)
    return h, sq(s) * vz + sq(FUNCTION * h), s, sq(jump / SIGMAS) + sq(FUNCTION * s.sign())


def gradients(activation, weights, variances, x, vx, labels):
    """For each parameter (weight, bias, weight, ...), the gradient of the mean cross-entropy and its variance."""
    parameters = list(zip(weights, variances))
    layers = list(zip(parameters[0::2], parameters[1::2]))
    h, vh = x, vx
    passed = []
    for (w, vw), (b, vb) in layers:
        passed.append((h, vh))
        z, vz = product(h, vh, w.T, vw.T)
        z, vz = z + b, vz + vb + UNIT**2 * sq(z + b)
        h, vh, s, vs = activated(activation, z, vz)
        passed[-1] += (s, vs)
    p = z.softmax(1)
    vp = sq(p) * (vz + (sq(p) * vz).sum(1, keepdim=True) + FUNCTION**2)
    d = (p - nn.functional.one_hot(labels, p.shape[1])) / len(x)
    vd = vp / len(x) ** 2 + sq(2 * UNIT * d)
    found = []
    for i in reversed(range(len(layers))):
        h, vh = passed[i][:2]
        found = [product(d.T, vd.T, h, vh), (d.sum(0), vd.sum(0) + len(x) / 2 * UNIT**2 * sq(d).sum(0))] + found
        if i:
            s, vs = passed[i - 1][2:]
            dh, vdh = product(d, vd, *layers[i][0])
            d, vd = dh * s, vdh * sq(s) + sq(dh) * vs + sq(2 * UNIT * dh * s)
    return found


def replayed(first, rule, steps):
    """The parameters after one optimizer step for each element of `steps`, a list of gradients."""
    parameters = [nn.Parameter(value.clone()) for value in first]
    optimizer = rule(parameters)
    for step in steps:
        for parameter, gradient in zip(parameters, step):
            parameter.grad = gradient
        optimizer.step()
    return [parameter.detach() for parameter in parameters]


def limits(activation, rule, decay, steps, first, x, vx, labels):
    """Largest error of each parameter after some steps: the summed effects of an error in each step's gradient.

    `rule` makes an optimizer that adds `decay` times the weights (not biases) to their gradients."""
    weights, limit = first, [torch.zeros_like(value) for value in first]
    done, errors = [], []
    for _ in range(steps):
        # The weights are rounded too, and have the error of the steps so far.
        variances = [sq(error / SIGMAS) + sq(UNIT * value) for error, value in zip(limit, weights)]
        found = gradients(activation, weights, variances, x, vx, labels)
        shares = [decay * value if value.ndim == 2 else 0 * value for value in weights]
        done.append([gradient for gradient, _ in found])
        rounded = ((v + 4 * UNIT**2 * (sq(g) + sq(share))) for (g, v), share in zip(found, shares))
        errors.append([SIGMAS * v.sqrt() for v in rounded])
        weights = replayed(first, rule, done)
        limit = [torch.zeros_like(value) for value in first]
        for at, error in enumerate(errors):
            sides = []
            for sign in (1, -1):
                off = [gradient + sign * e for gradient, e in zip(done[at], error)]
                after = replayed(first, rule, done[:at] + [off] + done[at + 1 :])
                sides.append([(a - b).abs() for a, b in zip(after, weights)])
            limit = [so_far + torch.maximum(*both) for so_far, both in zip(limit, zip(*sides))]
    return limit
