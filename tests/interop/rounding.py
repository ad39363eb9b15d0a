"""How far single precision may move each weight in a step. Packages: torch.

An optimizer that divides a gradient by its own size, as Adam and RMSprop do, turns the rounding of a gradient near
epsilon into a step of another length. So the rounding of each gradient is found first, then sent through torch's own
optimizer. Roundings are taken for independent and of mean zero (Higham and Mary, A New Approach to Probabilistic
Rounding Error Analysis, 2019), with a standard deviation of u = 2⁻²⁵, half of what they are at most. The n partial sums
of n products then have the variance n/2·u²·Σ product² between them. Variances go on to first order, forward through the
layers and back; six standard deviations count as the error.
"""

import torch
from torch import nn

UNIT = 2.0**-25
# Of exp, tanh and what is made of them. Six of these are 24·2⁻²⁴; WGSL allows exp(x) (3 + 2|x|)·2⁻²³.
FUNCTION = 8 * UNIT
SIGMAS = 6
sq = torch.square


def product(a, va, b, vb):
    """a @ b of factors with variances, and its variance."""
    return a @ b, a.shape[1] / 2 * UNIT**2 * (sq(a) @ sq(b)) + va @ sq(b) + sq(a) @ vb


def slope(activation, z):
    z = z.clone().requires_grad_()
    return torch.autograd.grad(activation(z).sum(), z)[0]


def activated(activation, z, vz):
    """Values with variances, slopes with variances. A kink that is near enough counts with its whole jump."""
    error, s = SIGMAS * vz.sqrt(), slope(activation, z)
    jump = torch.maximum(*((slope(activation, z + side) - s).abs() for side in (error, -error)))
    h = activation(z)
    return h, sq(s) * vz + sq(FUNCTION * h), s, sq(jump / SIGMAS) + sq(FUNCTION * s.sign())


def gradients(activation, weights, variances, x, vx, labels):
    """The gradient of the mean cross-entropy for each parameter (weight, bias, weight, ...), and its variance."""
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
    """The parameters after an optimizer's steps with these gradients."""
    parameters = [nn.Parameter(value.clone()) for value in first]
    optimizer = rule(parameters)
    for step in steps:
        for parameter, gradient in zip(parameters, step):
            parameter.grad = gradient
        optimizer.step()
    return [parameter.detach() for parameter in parameters]


def limits(activation, rule, decay, steps, first, x, vx, labels):
    """How far each parameter may be off after some steps: the sum of what an error in each step's gradient does. `rule`
    makes an optimizer, which adds `decay` times the weights (not biases) to their gradients."""
    weights, limit = first, [torch.zeros_like(value) for value in first]
    done, errors = [], []
    for _ in range(steps):
        # Weights are rounded too, and are as far off as the steps so far have made them.
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
