"""Make the contact sheets of the small sets, and the lists of checksums, from the complete sets.

    python -m pip install pyoxipng==9.1.1
    python tools/make_data.py

The first images of each class in the order of `load`, which nobody chose. Running it again writes
the same bytes. The complete sets come from `load(..., full=True)`: from the folder
that COURSE_DATA names, or downloaded by Keras. The photographs are left as they are.
"""

import hashlib
import io
import re
import sys
from pathlib import Path

import oxipng
from PIL import Image

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from course_utils.data import DATA, DATASETS, PHOTOS, SPLITS, load

COLUMNS = {"mnist": 40, "cifar10": 25}


def contact_sheet(images, columns):
    """Images (n, height, width, channels) as one picture, left to right, then top to bottom."""
    count, height, width, channels = images.shape
    rows = count // columns
    grid = images.reshape(rows, columns, height, width, channels).swapaxes(1, 2)
    sheet = grid.reshape(rows * height, columns * width, channels)
    return sheet[:, :, 0] if channels == 1 else sheet


def png(pixels):
    """The bytes of a small, lossless PNG file."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "png")
    return oxipng.optimize_from_memory(
        buffer.getvalue(), level=4, strip=oxipng.StripChunks.all(), interlace=None
    )


def write_sheets(name, split):
    source = DATASETS[name]
    images, labels, class_names = load(name, split, full=True)
    for label, class_name in enumerate(class_names):
        chosen = images[labels == label][: source.small[split][label]]
        path = DATA / name / split / f"{class_name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(png(contact_sheet(chosen, COLUMNS[name])))


def sums(folder, files):
    lines = []
    for file_name in sorted(files):
        sha256 = hashlib.sha256((folder / file_name).read_bytes()).hexdigest()
        lines.append(f"{sha256}  {file_name}\n")
    return "".join(lines)


def sheet_names(suffix):
    for name, source in DATASETS.items():
        for split in SPLITS:
            for class_name in source.class_names:
                yield f"{name}/{split}/{class_name}{suffix[name]}"


def main():
    for name in DATASETS:
        for split in SPLITS:
            write_sheets(name, split)
            print(f"{name} {split}: written")
    files = [*sheet_names({"mnist": ".png", "cifar10": ".png"})]
    files += [f"photos/{name}.png" for name in PHOTOS]
    listed = sums(DATA, files)
    (DATA / "SHA256SUMS").write_text(listed, encoding="utf-8", newline="\n")

    datasheet = DATA / "README.md"
    text, replaced = re.subn(
        r"(<summary>[^\n]*</summary>\n\n```text\n).*?(```\n\n</details>)",
        lambda match: match[1] + listed + match[2],
        datasheet.read_text(encoding="utf-8"),
        flags=re.DOTALL,
    )
    if replaced != 1:
        sys.exit(f"{datasheet}: no <details> block to put the checksums in")
    datasheet.write_text(text, encoding="utf-8", newline="\n")
    size = sum((DATA / file_name).stat().st_size for file_name in files)
    print(f"{len(files)} files, {size / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
