#!/usr/bin/env python3
"""Samples per second of segregated dendrites in numpy, one sample at a time, as public implementations have it.

784-500-10, rate mode, two time steps a phase, every layer computed at every step of both phases; random images. Prints one
JSON object, as the example `step_speed` does.
"""

import argparse
import json
import time

import numpy as np

MAX_RATE, LEAK, BASAL, OUTPUT = 0.2, 0.1, 0.6, 0.6
EXCITATORY, INHIBITORY = 8.0, -8.0
BASAL_GAIN, OUTPUT_GAIN = BASAL / (LEAK + BASAL), OUTPUT / (LEAK + OUTPUT)
LEARNING_RATE, STEPS, SAMPLES = 0.21, 2, 500


def sigma(x):
    return 1.0 / (1.0 + np.exp(-x))


class Network:
    def __init__(self, inputs, hidden, classes, draw):
        self.weights = [draw.uniform(-0.1, 0.1, (hidden, inputs)), draw.uniform(-0.1, 0.1, (classes, hidden))]
        self.biases = [np.zeros((hidden, 1)), np.zeros((classes, 1))]
        self.feedback = draw.uniform(-1, 1, (hidden, classes))
        self.rate = np.zeros((classes, 1))

    def phase(self, image, target):
        """Potentials and rates at the end of a phase."""
        for _ in range(STEPS):
            apical = self.feedback @ self.rate
            soma = BASAL_GAIN * (self.weights[0] @ image + self.biases[0])
            hidden = MAX_RATE * sigma(soma)
            dendrite = self.weights[1] @ hidden + self.biases[1]
            if target is None:
                output = OUTPUT_GAIN * dendrite
            else:
                drive = OUTPUT * dendrite + target * EXCITATORY + (1 - target) * INHIBITORY
                output = drive / (LEAK + OUTPUT + 1)
            self.rate = MAX_RATE * sigma(output)
        return sigma(apical), soma, hidden, output

    def learn(self, image, target):
        plateau, soma, hidden, output = self.phase(image, None)
        plateau_with_target, *_ = self.phase(image, target)
        slope = sigma(output) * (1 - sigma(output))
        output_error = (self.rate - MAX_RATE * sigma(output)) * OUTPUT_GAIN * MAX_RATE * slope
        slope = sigma(soma) * (1 - sigma(soma))
        hidden_error = (plateau_with_target - plateau) * BASAL_GAIN * MAX_RATE * slope
        for layer, (scale, error, below) in enumerate(
            [(20 / MAX_RATE, hidden_error, image), (20 / MAX_RATE**2, output_error, hidden)]
        ):
            self.weights[layer] += LEARNING_RATE * scale * error @ below.T
            self.biases[layer] += LEARNING_RATE * scale * error


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=3.0)
    options = parser.parse_args()
    draw = np.random.default_rng(0)
    images = MAX_RATE * draw.uniform(size=(SAMPLES, 784, 1))
    targets = np.eye(10)[draw.integers(10, size=SAMPLES)][:, :, None]
    network = Network(784, 500, 10, draw)
    done, started = 0, time.perf_counter()
    while time.perf_counter() - started < options.seconds:
        network.learn(images[done % SAMPLES], targets[done % SAMPLES])
        done += 1
    rate = done / (time.perf_counter() - started)
    print(json.dumps({"who": "numpy", "rule": "segregated-dendrites", "batch": 1, "samples_per_second": round(rate)}))


if __name__ == "__main__":
    main()
