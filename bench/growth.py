#!/usr/bin/env python3
"""Draws how the time of a training step grows with each size: reads the JSON of `gpu-mlp bench --growth --json`, writes SVG.

    gpu-mlp bench --growth --engine cpu --json | bench/growth.py > bench/growth-cpu.svg

Both axes are logarithmic. The grey line shows time proportional to the work. Needs only Python 3.8.
"""
import json, math, sys
from html import escape

report = json.load(sys.stdin)
panels = {}
for point in report["growth"]:
    panels.setdefault(point["axis"], []).append((point["value"], point["step_microseconds"], point["epoch_seconds"]["median"]))
WIDE, HIGH, EDGE = 300, 220, 44
out = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {2 * WIDE} {2 * HIGH + 24}" font-family="sans-serif" font-size="11">',
       '<rect width="100%" height="100%" fill="#fff"/>',
       f'<text x="8" y="16">{escape(report["device"]["adapter"])}: seconds per epoch (samples) or microseconds per step</text>']


def ticks(low, high):
    return [10.0 ** e for e in range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)]


for number, (axis, points) in enumerate(panels.items()):
    left, top = number % 2 * WIDE, number // 2 * HIGH + 24
    # A larger data set makes the epoch longer, not the step.
    xs = [p[0] for p in points]
    ys = [p[2] if axis == "samples" else p[1] for p in points]
    tx, ty = ticks(min(xs), max(xs)), ticks(min(ys), max(ys))
    span = lambda ticks: max(math.log10(ticks[-1] / ticks[0]), 1e-9)
    x = lambda v: left + EDGE + math.log10(v / tx[0]) / span(tx) * (WIDE - EDGE - 28)
    y = lambda v: top + HIGH - 34 - math.log10(v / ty[0]) / span(ty) * (HIGH - 52)
    for v in tx:
        out.append(f'<path d="M{x(v):.1f} {y(ty[0]):.1f}V{y(ty[-1]):.1f}" stroke="#eee"/><text x="{x(v):.1f}" y="{top + HIGH - 20}" text-anchor="middle" fill="#555">{v:g}</text>')
    for v in ty:
        out.append(f'<path d="M{x(tx[0]):.1f} {y(v):.1f}H{x(tx[-1]):.1f}" stroke="#eee"/><text x="{x(tx[0]) - 4:.1f}" y="{y(v) + 4:.1f}" text-anchor="end" fill="#555">{v:g}</text>')
    # Time proportional to the size, through the last point.
    low = max(xs[0], xs[-1] * ty[0] / ys[-1])
    out.append(f'<path d="M{x(low):.1f} {y(ys[-1] * low / xs[-1]):.1f}L{x(xs[-1]):.1f} {y(ys[-1]):.1f}" stroke="#bbb" stroke-dasharray="3 3"/>')
    path = "L".join(f"{x(a):.1f} {y(b):.1f}" for a, b in zip(xs, ys))
    out.append(f'<path d="M{path}" fill="none" stroke="#0072b2" stroke-width="1.5"/>')
    out += [f'<circle cx="{x(a):.1f}" cy="{y(b):.1f}" r="2.5" fill="#0072b2"/>' for a, b in zip(xs, ys)]
    out.append(f'<text x="{left + WIDE / 2:.0f}" y="{top + HIGH - 6}" text-anchor="middle">{escape(axis)}</text>')
print("\n".join(out + ["</svg>"]))
