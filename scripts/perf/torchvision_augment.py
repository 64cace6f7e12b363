"""How fast torchvision augments images: the work of harness/examples/augment_speed.rs, image by image as a data-loader does it.

Usage: torchvision_augment.py [SIZE [BATCH]]; needs torch, torchvision and pillow. Prints a line of JSON for each list of
changes: images per second on one thread, from decoded images in memory to float32 batches in [0, 1], the median of five passes.
"""

import json
import statistics
import sys
import time

import torch
from PIL import Image
from torchvision import transforms as t

size = int(sys.argv[1]) if len(sys.argv) > 1 else 64
batch = int(sys.argv[2]) if len(sys.argv) > 2 else 64
torch.set_num_threads(1)
n = 16 * batch
pixels = torch.randint(256, (n, size, size, 3), dtype=torch.uint8)
images = [Image.fromarray(image.numpy()) for image in pixels]

crop = t.RandomCrop(size, padding=4)
flip = t.RandomHorizontalFlip()
window = t.RandomResizedCrop(size)
colours = t.ColorJitter(0.4, 0.4, 0.4)
hue = t.ColorJitter(0.4, 0.4, 0.4, 0.1)
lists = {
    "[]": [],
    "[crop]": [crop],
    "[flip]": [flip],
    "[crop, flip]": [crop, flip],
    "[resized-crop]": [window],
    "[{color-jitter: {brightness: 0.4, contrast: 0.4, saturation: 0.4}}]": [colours],
    "[{color-jitter: {brightness: 0.4, contrast: 0.4, saturation: 0.4, hue: 0.1}}]": [hue],
    "[resized-crop, flip, {color-jitter: {brightness: 0.4, contrast: 0.4, saturation: 0.4, hue: 0.1}}]": [window, flip, hue],
}


def rate(transform):
    begun = time.perf_counter()
    for start in range(0, n, batch):
        torch.stack([transform(image) for image in images[start : start + batch]])
    return n / (time.perf_counter() - begun)


for name, changes in lists.items():
    transform = t.Compose([*changes, t.ToTensor()])
    rate(transform)
    median = statistics.median(rate(transform) for _ in range(5))
    print(json.dumps({"augment": name, "size": size, "batch": batch, "threads": 1, "images_per_second": round(median)}), flush=True)
