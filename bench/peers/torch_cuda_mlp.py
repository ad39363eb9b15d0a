#!/usr/bin/env python3
"""Trains a multilayer perceptron in PyTorch on an NVIDIA GPU.

graph    gather, forward, backward and update of a step, captured once in a CUDA graph and replayed for every step
compile  as eager, with the loss compiled by torch.compile
eager    modules, autograd and the fused optimizer, as in most programs
"""
import sys
from common import arguments, first_weights, measure, mnist, one_by_one
import torch
from torch.nn import functional

parts = ["eager", "compile", "graph"]
mode, config = arguments(__doc__, [f"{part}{suffix}" for part in parts for suffix in ["", "-tf32", "-bf16"]])
if not torch.cuda.is_available():
    sys.exit("not run: this PyTorch finds no CUDA device")
part, _, precision = mode.partition("-")
batch, widths = config["batch"], config["widths"]
torch.set_float32_matmul_precision("high" if precision == "tf32" else "highest")
torch.manual_seed(config["seed"])
pixels, labels, test_pixels, test_labels = (torch.from_numpy(array).cuda() for array in mnist("int64"))
steps = len(pixels) // batch
# Weights (outputs, inputs) and biases, layer by layer.
shapes = [shape for i, o in zip(widths, widths[1:]) for shape in [(o, i), (o,)]]
parameters = [torch.empty(shape, device="cuda", requires_grad=True) for shape in shapes]
optimizer = torch.optim.SGD(parameters, lr=config["lr"], momentum=config["momentum"], fused=True)
# A graph uses the same memory in every replay, so values that change per step are kept on the device.
order = torch.zeros(steps, batch, dtype=torch.int64, device="cuda")
number = torch.zeros(1, dtype=torch.int64, device="cuda")
total = torch.zeros((), device="cuda")


def logits(x, training):
    for layer in range(0, len(parameters), 2):
        x = functional.linear(x, parameters[layer], parameters[layer + 1])
        if layer + 2 < len(parameters):
            x = functional.dropout(functional.relu(x), config["drop"], training)
    return x


def loss(chosen):
    with torch.autocast("cuda", torch.bfloat16, enabled=precision == "bf16"):
        return functional.cross_entropy(logits(pixels.index_select(0, chosen), True), labels.index_select(0, chosen))


if part == "compile":
    loss = torch.compile(loss, fullgraph=True)


def step():
    value = loss(order.index_select(0, number).view(-1))
    optimizer.zero_grad(set_to_none=part != "graph")
    value.backward()
    optimizer.step()
    total.add_(value.detach())
    number.add_(1)


def shuffle():
    order.copy_(torch.randperm(len(pixels), device="cuda")[: steps * batch].view(steps, batch))
    number.zero_()
    total.zero_()


def captured():
    """Returns a function that replays one step."""
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    # These steps create, before the capture, whatever is created only once: gradients, momentum, library handles.
    with torch.cuda.stream(side):
        for _ in range(3):
            step()
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        step()
    return graph.replay


def epoch():
    shuffle()
    for _ in range(steps):
        run()
    # Waits for the device.
    return total.item() / steps


def restart():
    with torch.no_grad():
        arrays = [array for layer in first_weights(config) for array in layer]
        for parameter, array in zip(parameters, arrays):
            parameter.copy_(torch.from_numpy(array.T))
        for state in optimizer.state.values():
            if config["momentum"]:
                state["momentum_buffer"].zero_()
    torch.cuda.synchronize()


@torch.no_grad()
def accuracy():
    return (logits(test_pixels, False).argmax(1) == test_labels).float().mean()


restart()
shuffle()
run = captured() if part == "graph" else step
restart()
device, version = torch.cuda.get_device_name(), f"torch {torch.__version__}"
measure(f"torch-cuda-{mode}", device, version, config, restart, one_by_one(epoch), accuracy)
