#!/usr/bin/env python3
"""Trains a multilayer perceptron in PyTorch on the CPU.

eager    modules, autograd and the fused optimizer, as in most programs
compile  gather, forward, backward and update of a step as one function for torch.compile; needs a C++ compiler
"""
from common import THREADS, arguments, first_weights, measure, mnist, one_by_one
import torch
from torch.nn import functional

mode, config = arguments(__doc__, ["eager", "compile"])
batch, widths, rate, momentum = config["batch"], config["widths"], config["lr"], config["momentum"]
torch.set_num_threads(THREADS)
torch.manual_seed(config["seed"])
pixels, labels, test_pixels, test_labels = map(torch.from_numpy, mnist("int64"))
steps = len(pixels) // batch
# Weights (outputs, inputs) and biases, layer by layer, in tensors that are never reallocated.
shapes = [shape for i, o in zip(widths, widths[1:]) for shape in [(o, i), (o,)]]
parameters = [torch.empty(shape) for shape in shapes]
speeds = [torch.zeros_like(parameter) for parameter in parameters]


def logits(parameters, x, training):
    for number in range(0, len(parameters), 2):
        x = functional.linear(x, parameters[number], parameters[number + 1])
        if number + 2 < len(parameters):
            x = functional.dropout(functional.relu(x), config["drop"], training)
    return x


def loss(parameters, chosen):
    x, t = pixels.index_select(0, chosen), labels.index_select(0, chosen)
    return functional.cross_entropy(logits(parameters, x, True), t)


if mode == "eager":
    for parameter in parameters:
        parameter.requires_grad_()
    optimizer = torch.optim.SGD(parameters, lr=rate, momentum=momentum, fused=True)

    def step(chosen):
        value = loss(parameters, chosen)
        optimizer.zero_grad()
        value.backward()
        optimizer.step()
        return value.detach()
else:
    gradients_and_loss = torch.func.grad_and_value(loss)

    @torch.compile(fullgraph=True)
    @torch.no_grad()
    def step(chosen):
        gradients, value = gradients_and_loss(parameters, chosen)
        for parameter, speed, gradient in zip(parameters, speeds, gradients):
            if momentum:
                gradient = speed.mul_(momentum).add_(gradient)
            parameter.sub_(rate * gradient)
        return value


def epoch():
    order = torch.randperm(len(pixels))[: steps * batch].view(steps, batch)
    total = torch.zeros(())
    for chosen in order.unbind():
        total += step(chosen)
    return total.item() / steps


def restart():
    with torch.no_grad():
        arrays = [array for layer in first_weights(config) for array in layer]
        for parameter, array in zip(parameters, arrays):
            parameter.copy_(torch.from_numpy(array.T))
        for speed in speeds:
            speed.zero_()
        if mode == "eager" and momentum:
            for state in optimizer.state.values():
                state["momentum_buffer"].zero_()


@torch.no_grad()
def accuracy():
    return (logits(parameters, test_pixels, False).argmax(1) == test_labels).float().mean()


restart()
measure(f"torch-{mode}", "cpu", f"torch {torch.__version__}", config, restart, one_by_one(epoch), accuracy)
