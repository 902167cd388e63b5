"""Notebook 10 ends in a result or a sentence, whatever folder it is given."""

import functools
import os
import re
import struct
import warnings
import zlib

import numpy as np
import pytest
from own_images import CELLS, READING, run
from PIL import Image

SHORT = [
    ("SIZE = 32 if FOLDER is None else 64", "SIZE = 32"),
    ("SEEDS = (0, 1, 2)", "SEEDS = (0,)"),
    ("np.clip(9000 / len(labels), 10, 60)", "np.clip(9000 / len(labels), 1, 3)"),
    ("int(batches.cardinality())), 4, 90", "int(batches.cardinality())), 1, 8"),
]


def textured(number, bright=128, shape=(40, 50, 3)):
    """A picture of its own, about as bright as asked for."""
    noise = np.random.default_rng(number).integers(-60, 60, shape)
    return np.clip(bright + noise, 0, 255).astype(np.uint8)


def fill(folder, count, first=0, bright=128, name="p{}.png"):
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(first, first + count):
        Image.fromarray(textured(number, bright)).save(folder / name.format(number))


# ---- Folders -----------------------------------------------------------------------------------


def two(folder, **options):
    fill(folder / "cups", 12, **options)
    fill(folder / "plates", 12, first=100, **options)


def flat(folder):
    fill(folder, 6, name="cat.{}.png")
    fill(folder, 6, name="dog.{}.png")


def splits(folder):
    two(folder / "train")
    two(folder / "test")


def splits_without_classes(folder):
    fill(folder / "train", 12)
    fill(folder / "Test", 12, first=50)


def one_class(folder):
    fill(folder / "cups", 12)


def a_file(folder):
    folder.write_bytes(b"PK")


def copies(folder):
    two(folder)
    for number in range(20):
        fill(folder / "mugs", 1, first=200, name=f"{number}.png")


def in_two_classes(folder):
    two(folder)
    fill(folder / "mugs", 12)  # those of the cups


def few(folder):
    two(folder)
    fill(folder / "mugs", 9, first=300)


def unreadable(folder):
    for name in ("cups", "plates"):
        (folder / name).mkdir(parents=True)
        for number in range(12):
            (folder / name / f"{number}.jpg").write_text("no picture")


def empty_class(folder):
    two(folder)
    (folder / "mugs").mkdir()


def two_spellings(folder):
    two(folder)
    fill(folder / "Cups ", 12, first=300)


def two_kinds_of_fractions(folder):
    for most, name in ((1, "dim"), (100, "bright")):
        (folder / name).mkdir(parents=True)
        for number in range(12):
            values = most * np.random.default_rng(number).random((40, 40))
            Image.fromarray(values.astype(np.float32)).save(folder / name / f"{number}.tif")


CANNOT = {
    "misspelt": (lambda folder: None, "there is no folder"),
    "a file": (a_file, "is a file: unpack it"),
    "empty": (lambda folder: folder.mkdir(), "0 sub-folders and 0 files in it: make a sub-folder"),
    "flat": (flat, "0 sub-folders and 12 files.*begin with cat, dog: are these the classes"),
    "split outside": (splits, "train holds folders, no pictures: name that one"),
    "split without classes": (splits_without_classes, "Test is no class"),
    "one class": (one_class, "1 sub-folder and 0 files"),
    "copies alone": (copies, "class mugs has 20 usable pictures, 1 of them different"),
    "the same in two classes": (in_two_classes, "class cups has 0 usable pictures"),
    "a class of nine": (few, "class mugs has 9 usable pictures.*at least 10"),
    "no picture at all": (unreadable, "class cups has 0 usable pictures"),
    "one name in two spellings": (two_spellings, "class 'cups' is there twice"),
    "fractions of two kinds": (two_kinds_of_fractions, "has grey pictures of two kinds"),
    "an empty class": (empty_class, "class mugs has 0 usable pictures"),
}


@pytest.mark.parametrize("make, words", CANNOT.values(), ids=list(CANNOT))
def test_a_folder_that_cannot_work_is_told_so_before_it_is_used(make, words, tmp_path, monkeypatch):
    make(tmp_path / "mine")
    with pytest.raises(ValueError, match=words) as raised:
        run(tmp_path / "mine", READING, monkeypatch)
    assert str(tmp_path) not in str(raised.value)


def minimum(folder):
    fill(folder / "cups", 10)
    fill(folder / "plates", 10, first=100)


def loose(folder):
    two(folder)
    fill(folder, 3, first=900)
    (folder / ".ipynb_checkpoints").mkdir()
    fill(folder / "cups" / "more", 2)
    os.symlink("/nowhere/of/mine/p.png", folder / "cups" / "link.png")
    os.mkfifo(folder / "cups" / "pipe.png")


def scans(folder):
    for bright, name in ((700, "benign"), (2600, "malign")):
        (folder / name).mkdir(parents=True)
        for number in range(12):
            noise = np.random.default_rng(number).integers(0, 400, (40, 40))
            deep = (bright + noise).astype(np.uint16)
            Image.fromarray(deep).save(folder / name / f"{number}.png")


def from_a_mac(folder):
    two(folder, name="img_{}_phone.jpg")  # as one file of the example is called
    for name in ("__MACOSX/cups", "lost+found"):
        (folder / name).mkdir(parents=True)
    (folder / "__MACOSX" / "cups" / "._p1.png").write_bytes(b"Mac")
    (folder / "__MACOSX" / "._cups").write_bytes(b"Mac")


CAN = {"ten of each": minimum, "from a Mac": from_a_mac, "loose files": loose, "deep scans": scans}


@pytest.mark.parametrize("make", CAN.values(), ids=list(CAN))
def test_a_folder_that_can_work_is_split(make, tmp_path, monkeypatch, capsys):
    make(tmp_path / "mine")
    names, _ = run(tmp_path / "mine", READING, monkeypatch)
    assert len(names["train_labels"]) >= 10 and len(names["test_labels"]) >= 10
    assert set(names["train_labels"]) == set(names["test_labels"]) == {0, 1}
    assert str(tmp_path) not in capsys.readouterr().out
    if make is loose:
        assert names["skipped"] == {
            **{f"p{number}.png": "in no class's folder" for number in (900, 901, 902)},
            ".ipynb_checkpoints": "hidden",
            "cups/more": "a folder in a class's folder",
            "cups/link.png": "a link that leads nowhere",
            "cups/pipe.png": "no ordinary file",
        }
    if make is scans:  # dark ones, that alone would be taken for 10 bits, by the same number
        assert names["WHITE"] == 4095 and set(names["whites"]) == {4095}
        means = [names["images"][names["labels"] == label].mean() for label in (0, 1)]
        np.testing.assert_allclose(means, [900 / 4095 * 255, 2800 / 4095 * 255], atol=2)


def split(labels, series):
    """Which pictures the notebook's split puts into the test."""
    names = {"np": np, "labels": labels, "hashes": series, "images": labels, "names": series}
    exec(CELLS["split"], names | {"classes": list(map(str, np.unique(labels)))}, names)
    return names["in_test"]


def test_series_that_run_through_all_classes_stay_whole_and_half_of_them_are_the_test():
    people, labels = np.tile(list("abcdefgh"), 5), np.repeat(np.arange(5), 8)
    in_test = split(labels, people)
    tested, trained = set(people[in_test]), set(people[~in_test])
    assert len(tested) == len(trained) == 4 and not tested & trained


def test_a_class_of_series_that_are_all_on_one_side_is_named():
    people, labels = np.array([*"abcdefgh", *"ab"]), np.repeat([0, 1], [8, 2])
    with pytest.raises(ValueError, match="all of 1 is on one side: draw with another seed"):
        split(labels, people)


def test_the_whole_notebook_ends_well_where_no_mistake_is_made(tmp_path, monkeypatch, capsys):
    """An easy question, ten of each, in names that are no formula; saved before it is drawn."""
    monkeypatch.chdir(tmp_path)
    fill(tmp_path / "mine" / "under $5", 10, bright=50, name="bill_$1_and_$5_{}.png")
    fill(tmp_path / "mine" / "_三角形 <b>", 10, first=50, bright=200, name="p^{{2}} $x_{}$\n.png")
    names, shown = run(tmp_path / "mine", "claims", monkeypatch, SHORT)
    told = capsys.readouterr().out
    assert (names["answers"] == names["test_labels"]).all()
    assert "none of the test pictures was given a wrong class" in told
    assert "There is no mistake to look at" in told
    saved = tmp_path / "classifier of mine"
    assert sorted(path.name for path in saved.iterdir()) == ["classifier.json", "classifier.keras"]
    assert f"classifier.json classifier.keras in {saved}" in told
    # Eleven in the notebook: not that of the mistakes, nor two that `fit` draws only in a notebook.
    assert len(shown) == 8


def test_a_trunk_of_imagenet_is_built_and_saved(tmp_path, monkeypatch, capsys):
    """With random weights in place of those that Keras would download, and a third of the maps."""
    import keras

    whole = keras.applications.MobileNetV2
    narrow = functools.partial(whole, alpha=0.35)
    monkeypatch.setattr(keras.applications, "MobileNetV2", narrow)
    monkeypatch.chdir(tmp_path)
    two(tmp_path / "mine")
    settings = [
        ('TRUNK = "course"', 'TRUNK = "imagenet"'),
        ('weights="imagenet"', "weights=None"),
        ("SIZE = 32 if FOLDER is None else 64", "SIZE = 96"),
        *SHORT[1:3],
        ("int(batches.cardinality())), 4, 90", "int(batches.cardinality())), 1, 2"),
    ]
    names, _ = run(tmp_path / "mine", "load", monkeypatch, settings)
    assert names["known"].name.startswith("mobilenetv2")
    assert names["best"] in names["CUTS"]
    assert names["loaded"].input_shape == (None, 96, 96, 3)
    assert "equal: True" in capsys.readouterr().out


def test_without_a_network_the_own_trunk_takes_its_place(capsys, monkeypatch):
    import keras

    def unreachable(*arguments, **options):
        raise Exception("URL fetch failure on https://example.org: None")  # as Keras does

    monkeypatch.setattr(keras.applications, "MobileNetV2", unreachable)
    names = {"keras": keras, "SIZE": 96}
    exec(CELLS["imagenet-network"], names)
    assert names["imagenet_network"]() is None
    told = capsys.readouterr().out
    assert "URL fetch failure" in told and "the course's own trunk takes their place" in told
    names["SIZE"] = 64
    with pytest.raises(ValueError, match="SIZE = 96 or more, not 64"):
        names["imagenet_network"]()


# ---- Files -------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def read():
    """The notebook's `read_picture`, for pictures of 32 pixels."""
    names = {"np": np, "Image": Image, "re": re, "SIZE": 32}
    cells = "check-file open-picture white-of grey-middle colour-middle read-picture reason"
    for cell_id in cells.split():
        exec(CELLS[cell_id], names)

    def outcome(path):
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module="PIL")
            try:
                return names["read_picture"](path)
            except Exception as problem:
                return names["reason"](problem)

    return outcome


RAMP = np.add.outer(np.arange(48), np.arange(48)) / 94  # from 0 to 1
BYTES = np.uint8(np.round(255 * RAMP))
DEEP = {
    "16 bits": (np.uint16(65535 * RAMP), ".png", 65535),
    "16 bits in a TIFF": (np.uint16(65535 * RAMP), ".tif", 65535),
    "12 bits in 16": (np.uint16(4095 * RAMP), ".png", 4095),
    "the highest byte first": ((65535 * RAMP).astype(">u2"), ".tif", 65535),
    "10 bits in 32": (np.int32(1023 * RAMP), ".tif", 1023),
    "20 bits": (np.int32((2**20 - 1) * RAMP), ".tif", 2**20 - 1),
    "fractions": (np.float32(RAMP), ".tif", 1),
    "bytes as fractions": (np.float32(255 * RAMP), ".tif", 255),
}


@pytest.mark.parametrize("values, ending, white", DEEP.values(), ids=list(DEEP))
def test_deep_grey_is_scaled_and_not_cut_off(read, tmp_path, values, ending, white):
    path, plain = tmp_path / f"deep{ending}", tmp_path / "plain.png"
    Image.fromarray(values).save(path)
    Image.fromarray(BYTES).save(plain)
    image, told = read(path)
    assert told == white
    np.testing.assert_allclose(image.astype(int), read(plain)[0].astype(int), atol=1)


def test_a_scan_that_counts_from_white_is_turned_round(read, tmp_path):
    Image.fromarray(np.uint16(65535 * RAMP)).save(tmp_path / "xray.tif", tiffinfo={262: 0})
    image, _ = read(tmp_path / "xray.tif")
    assert image[0, 0, 0] > 250 and image[-1, -1, 0] < 5


def test_a_transparent_grey_value_is_paper(read, tmp_path):
    values = np.full((40, 40), 20000, np.uint16)
    values[:, :20] = 0
    Image.fromarray(values).save(tmp_path / "cut.png", transparency=0)
    image, white = read(tmp_path / "cut.png")
    assert (image[:, 0] == 255).all() and white == 2**16 - 1
    assert image[0, -1, 0] == round(255 * 20000 / white)


NO_NUMBERS = {
    "negative": (np.int32(1000 * RAMP - 400), "holds values from -400 to 600"),
    "NaN": (np.where(RAMP > 0.5, np.nan, RAMP).astype(np.float32), "no numbers"),
    "infinite": (np.where(RAMP > 0.9, np.inf, RAMP).astype(np.float32), "no numbers"),
}


@pytest.mark.parametrize("values, words", NO_NUMBERS.values(), ids=list(NO_NUMBERS))
def test_values_that_are_not_understood_are_refused(read, tmp_path, values, words):
    Image.fromarray(values).save(tmp_path / "x.tif")
    assert words in read(tmp_path / "x.tif")


def test_values_that_would_all_become_one_grey_are_refused(tmp_path):
    names = {"np": np, "Image": Image}
    exec(CELLS["white-of"], names)
    exec(CELLS["grey-middle"], names)
    dark = Image.fromarray(np.uint16(100 + 20 * RAMP))
    with pytest.raises(ValueError, match="100 to 120, are one grey if 65535 is white"):
        names["grey_middle"](dark, 32, white=65535)


FORMATS = {
    "png": {},
    "bmp": {},
    "tif": {},
    "webp": {},
    "lossless.webp": {"lossless": True},
    "avif": {},
    "gif": {},
    "jpg": {},
    "tga": {},
    "ppm": {},
    "jp2": {},
    "lzw.tif": {"compression": "tiff_lzw"},
}


@pytest.mark.parametrize("ending", FORMATS)
@pytest.mark.parametrize("damage", ["half zeros", "cut at half"])
def test_half_a_picture_is_left_out_with_a_reason(read, tmp_path, ending, damage):
    picture, path = Image.fromarray(textured(1, shape=(80, 100, 3))), tmp_path / f"p.{ending}"
    try:
        picture.save(path, **FORMATS[ending])
    except (OSError, KeyError, ValueError):
        pytest.skip(f"this Pillow cannot write {ending}")
    image, white = read(path)
    assert image.shape == (32, 32, 3) and white == 0
    content = path.read_bytes()
    half = content[: len(content) // 2]
    whole = bytes(len(content) - len(half)) if damage == "half zeros" else b""
    path.write_bytes(half + whole)
    assert isinstance(read(path), str) and str(tmp_path) not in read(path)


@pytest.mark.parametrize("share", [0.1, 0.5])
def test_a_fine_jpeg_that_ends_in_zeros_is_left_out(read, tmp_path, share):
    """Where a block takes enough bytes the decoder reads zeros without a word, as grey."""
    path = tmp_path / "p.jpg"
    Image.fromarray(textured(1, shape=(300, 400, 3))).save(path, quality=100, subsampling=0)
    content = path.read_bytes()
    path.write_bytes(content + bytes(5000))  # a camera that fills up behind the end mark
    assert not isinstance(read(path), str)
    lost = int(share * len(content))
    path.write_bytes(content[:-lost] + bytes(lost))
    assert "bytes are zeros" in read(path)


@pytest.mark.parametrize("mode", ["RGB", "LA"])
def test_colours_that_use_few_of_their_sixteen_bits_are_refused(read, tmp_path, mode):
    """Pillow keeps the upper eight: of 12 bits nearly nothing would be left."""
    channels, kind = len(mode), {"RGB": 2, "LA": 4}[mode]
    for bits, refused in ((16, False), (12, True)):
        values = (2**bits - 1) * RAMP[..., None].repeat(channels, axis=-1)
        if mode == "LA":
            values[..., 1] = 2**16 - 1
        rows = [b"\0" + row.tobytes() for row in values.astype(">u2")]
        head = struct.pack(">IIBBBBB", 48, 48, 16, kind, 0, 0, 0)
        chunks = (b"IHDR", head), (b"IDAT", zlib.compress(b"".join(rows))), (b"IEND", b"")
        (tmp_path / "p.png").write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(map(chunk, chunks)))
        found = read(tmp_path / "p.png")
        assert isinstance(found, str) == refused
        assert not refused or "16 bits a colour, and at most 15 of 255 used" in found


def test_where_all_is_transparent_the_colours_count(read, tmp_path):
    picture = Image.fromarray(textured(6))
    picture.putalpha(0)
    picture.save(tmp_path / "p.png")
    image, _ = read(tmp_path / "p.png")
    assert image.std() > 10


@pytest.mark.parametrize("size", [(40, 40), (1, 1), (1, 5000)])
def test_a_picture_of_one_colour_is_left_out(read, tmp_path, size):
    Image.new("RGB", size, "beige").save(tmp_path / "p.png")
    assert read(tmp_path / "p.png") == "the same colour everywhere: is it blank?"


def test_black_at_the_edge_is_no_damage(read, tmp_path):
    pixels = textured(2, shape=(80, 100, 3))
    pixels[:8] = 0  # a BMP ends with its upper rows
    Image.fromarray(pixels).save(tmp_path / "p.bmp")
    assert not isinstance(read(tmp_path / "p.bmp"), str)


def chunk(part):
    """A part of a PNG, (kind, content), as it stands in the file."""
    kind, content = part
    parts = struct.pack(">I", len(content)), kind, content
    return b"".join((*parts, struct.pack(">I", zlib.crc32(kind + content))))


def png(path, width, height):
    """A PNG that says so much of itself, and holds next to nothing."""
    head = struct.pack(">IIBBBBB", width, height, 8, 6, 0, 0, 0)
    chunks = (b"IHDR", head), (b"IDAT", zlib.compress(bytes(1000))), (b"IEND", b"")
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(map(chunk, chunks)))


@pytest.mark.parametrize(
    "side, words",
    [
        (13_000, "13000×13000 pixels, more than 40 million: save it smaller, or as JPEG"),
        (20_000, r"Image size \(400000000 pixels\) exceeds limit of .*pixels"),
    ],
)
def test_a_huge_picture_is_refused_before_it_is_unpacked(read, tmp_path, side, words):
    png(tmp_path / "huge.png", side, side)
    assert re.fullmatch(words + ".*", read(tmp_path / "huge.png"))


def test_a_huge_jpeg_is_unpacked_small(read, tmp_path):
    pixels = np.kron(textured(3, shape=(70, 100, 3)), np.ones((100, 100, 1), np.uint8))
    Image.fromarray(pixels).save(tmp_path / "p.jpg")  # 70 million pixels
    Image.fromarray(pixels[::10, ::10]).save(tmp_path / "small.png")
    image, _ = read(tmp_path / "p.jpg")
    small, _ = read(tmp_path / "small.png")
    assert np.abs(image.astype(int) - small).mean() < 8


def test_of_a_tiff_the_largest_page_is_taken(read, tmp_path):
    picture = Image.fromarray(textured(4, shape=(60, 60, 3)))
    thumbnail = Image.new("RGB", (20, 20), "red")
    pages = {"save_all": True, "append_images": [picture, thumbnail]}
    thumbnail.save(tmp_path / "pages.tif", **pages)
    picture.save(tmp_path / "one.tif")
    np.testing.assert_array_equal(read(tmp_path / "pages.tif")[0], read(tmp_path / "one.tif")[0])


def test_pages_of_one_size_are_refused_and_a_mask_is_no_page(read, tmp_path):
    first, second = (Image.fromarray(textured(number, shape=(60, 60, 3))) for number in (4, 5))
    first.save(tmp_path / "stack.tif", save_all=True, append_images=[second])
    assert "several pages of one size" in read(tmp_path / "stack.tif")
    mask = Image.new("L", first.size)
    mask.encoderinfo = {"tiffinfo": {254: 4}}
    first.save(tmp_path / "p.tif", save_all=True, append_images=[mask])
    assert not isinstance(read(tmp_path / "p.tif"), str)


def test_a_picture_of_another_kind_than_those_of_the_training_is_refused(tmp_path, monkeypatch):
    read_picture = run(None, "read-picture", monkeypatch)[0]["read_picture"]
    deep = np.linspace(0, 3000, 6400).reshape(80, 80).astype(np.uint16)
    for spots, name in ((0, "a.tif"), (1, "b.tif")):
        deep[0, :spots] = 60_000
        Image.fromarray(deep).save(tmp_path / name)
    plain, spotted = (read_picture(tmp_path / name, 64, 4095)[0] for name in ("a.tif", "b.tif"))
    assert np.abs(plain.mean() - spotted.mean()) < 2
    with pytest.raises(ValueError, match="another kind of file"):
        read_picture(tmp_path / "a.tif", 64, 255)


def test_a_palette_is_read_by_its_colours_and_a_phone_upright(read, tmp_path):
    palette = Image.new("P", (40, 40), 1)
    palette.putpalette([0, 0, 0, 200, 10, 30])
    palette.paste(0, (0, 0, 40, 20))
    palette.save(tmp_path / "p.png")
    assert (read(tmp_path / "p.png")[0][-1] == [200, 10, 30]).all()
    turned, upright = Image.Exif(), textured(5, shape=(40, 40, 3))
    upright[:20] = 0
    turned[0x0112] = 6
    Image.fromarray(np.rot90(upright)).save(tmp_path / "p.jpg", exif=turned, quality=95)
    image, _ = read(tmp_path / "p.jpg")
    assert image[:14].mean() < 20 < 90 < image[18:].mean()


def test_reasons_name_no_folder_of_somebodys_machine(read, tmp_path):
    os.symlink(tmp_path / "nowhere", tmp_path / "link.jpg")
    assert read(tmp_path / "link.jpg") == "a link that leads nowhere"
    (tmp_path / "text.jpg").write_text("no picture")
    assert str(tmp_path) not in read(tmp_path / "text.jpg")
    (tmp_path / "none.jpg").touch()
    assert read(tmp_path / "none.jpg") == "empty, 0 bytes"
    assert read(tmp_path / "missing.jpg") == "there is no file missing.jpg"
