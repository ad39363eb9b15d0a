"""Reads an ONNX file with OpenCV: onnx_opencv.py GRAPH SAMPLES.npy OUT.npz. Packages: numpy, opencv-python-headless.

A program of its own, because `onnx_runtime.py` runs it with OpenCV 4 and OpenCV 5.
"""

import sys
import cv2
import numpy as np

graph, samples, out = sys.argv[1:]
net = cv2.dnn.readNetFromONNX(graph)
# OpenCV 4 takes the last dimension of (N, R, C) for channels.
net.setInput(np.load(samples)[:, None])
names = net.getUnconnectedOutLayersNames()
np.savez(out, **dict(zip(names, net.forward(names))))
print(cv2.__version__)
