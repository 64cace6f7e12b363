"""torchvision's ImageFolder + Resize + CenterCrop over a folder of photos, into uint8 tensors, by worker processes.

usage: torchvision_folder.py FOLDER [SIZE [WORKERS]]

FOLDER holds `train` and `val`. Prints one line of JSON as `cargo run --release --example pack_speed` does: the same
images, the same size, the same number of workers. Needs torch and torchvision.
"""

import json
import os
import sys
import time

import torch
from torchvision import transforms
from torchvision.datasets import ImageFolder


def main():
    folder = sys.argv[1]
    size = int(sys.argv[2]) if len(sys.argv) > 2 else 64
    workers = int(sys.argv[3]) if len(sys.argv) > 3 else 1
    torch.set_num_threads(1)
    steps = transforms.Compose([transforms.Resize(size), transforms.CenterCrop(size), transforms.PILToTensor()])
    begun = time.perf_counter()
    images = 0
    for split in ["train", "val"]:
        loader = torch.utils.data.DataLoader(
            ImageFolder(os.path.join(folder, split), steps), batch_size=256, num_workers=workers
        )
        for pixels, _ in loader:
            images += len(pixels)
    seconds = time.perf_counter() - begun
    print(json.dumps({"images": images, "workers": workers, "seconds": seconds, "images_per_second": images / seconds}))


if __name__ == "__main__":
    main()
