"""Writes the first picture of every explorer into `pictures/`, for the README: `make pictures`."""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PICTURES = ROOT / "pictures"


def main():
    sys.path.insert(0, str(ROOT))
    from course_utils import explorers

    PICTURES.mkdir(exist_ok=True)
    for name in explorers.__all__:
        explorer = getattr(explorers, name)()
        if name == "training":  # a curve says more than empty axes
            explorer.train()
            explorer.wait()
        drawing = explorer.drawing
        (PICTURES / f"{name}.png").write_bytes(drawing.png())
        print(f"{name}: {drawing.alt}")


if __name__ == "__main__":
    main()
