"""Every explorer in JupyterLab in a browser, moved by keyboard and mouse as learners move it.

Before it is moved, axe looks at it: at our own outputs, not at JupyterLab's page.
"""

import re
from pathlib import Path

import lab as lab_tools
import numpy as np
import pytest
from accessible import findings
from drawn import pixels_at
from live import Live, filtered

from course_utils import data, explorers
from course_utils.convolution import conv2d, conv2d_gradients, conv2d_transpose

ROOT = Path(__file__).parents[1]
SCREENSHOTS = ROOT / "build" / "screenshots"
BEGIN = """import sys
sys.path.insert(0, "..")
from course_utils import explorers"""
CLEAR = "() => window.jupyterapp.commands.execute('notebook:clear-cell-output')"

# A slider is named by a script, once it is there.
ALL_NAMED = """[...document.querySelectorAll('.course-explorer [role=slider]')]
    .every(slider => slider.getAttribute('aria-label'))"""


@pytest.fixture(scope="module")
def page(lab, browser):
    """A notebook with a cell for every explorer, of which the first cell was run: the imports.

    The explorers share its kernel, so that Keras is read once.
    """
    cells = (f"explorers.{name}()" for name in explorers.__all__)
    address = lab(made={"explorers.ipynb": lab_tools.notebook_of(BEGIN, *cells)})
    with lab_tools.opening(browser) as open_page:
        page = open_page(f"{address}/lab/tree/notebooks/explorers.ipynb", height=1400)
        run(page, 0)
        yield page


def run(page, number):
    """Runs a cell and stays in it."""
    cell = page.locator(".jp-CodeCell").nth(number)
    cell.locator(".jp-InputPrompt").click()
    page.keyboard.press("Control+Enter")


@pytest.fixture
def live(request, page):
    """The explorer that a test names by its own name, alone in the notebook."""
    name = request.node.name.removeprefix("test_").partition("__")[0]
    run(page, 1 + explorers.__all__.index(name))
    page.locator(".course-explorer svg[role=img]").wait_for(timeout=120_000)
    shown = Live(page)
    shown.rest()
    page.wait_for_function(ALL_NAMED)
    found = findings(page, ".course-explorer")
    assert not found, found
    yield shown
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    shown.explorer.screenshot(path=SCREENSHOTS / f"explorer_{name}.png")
    page.evaluate(CLEAR)


def test_there_is_a_test_for_each():
    assert all(f"test_{name}" in globals() for name in explorers.__all__)


def test_convolution(live):
    patch = data.photo("photographer")[420:426, 145:151]
    sobel = np.array([[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]])
    expected = filtered(patch, sobel)

    with live.changes():
        live.press("output number", "Home", "ArrowRight", "ArrowRight")
    assert f"gives {expected[0, 2]:.0f}." in live.alt()
    assert any(text.endswith(f"=  {expected[0, 2]:.0f}") for text in live.texts())
    with live.changes():
        live.point(400 + 50 * 1.5, 44 + 50 * 2.5)  # row 2, column 1 of the output
    assert f"row 2, column 1 of the output gives {expected[2, 1]:.0f}." in live.alt()
    with live.changes():
        live.point(20 + 50 * 4.5, 44 + 50 * 4.5)  # the window round row 4, column 4 of the input
    assert f"row 3, column 3 of the output gives {expected[3, 3]:.0f}." in live.alt()

    with live.changes():
        live.press("stride", "ArrowRight")
    assert any("/ 2⌋ + 1 = 2" in text for text in live.texts())
    with live.changes():
        live.slide("stride", 0)
    with live.changes():
        live.press("padding", "ArrowDown")
    assert f"output {6}×{6}" in live.texts()
    with live.changes():
        live.control("padding").select_option("a number")
    with live.changes():
        live.type("pixels", "3")
    assert "output 10×10" in live.texts()
    with live.changes():
        live.press("dilation", "ArrowRight")
    expected = filtered(patch, sobel, padding=3, dilation_rate=2)
    assert f"output {expected.shape[0]}×{expected.shape[1]}" in live.texts()

    with live.changes():
        live.control("kernel").select_option("box blur")
    assert live.control("its numbers").input_value() == "1 1 1\n1 1 1\n1 1 1"
    with live.changes():
        live.type("its numbers", "0.5 0 1")
    assert live.control("kernel").input_value() == "your own"
    live.press("output number", "Home")
    live.rest()
    expected = filtered(patch, np.array([[0.5, 0, 1]]), padding=3, dilation_rate=2)
    live.press("output number", "End")
    live.rest()
    assert f"gives {expected[-1, -1]:.0f}" in live.alt()

    live.type("its numbers", "1 b 1")
    live.wait_until(lambda: "'b' is not a number" in live.message(), "no message")
    assert "× kernel" in live.texts(), "the last picture stays"
    live.type("its numbers", "1 1\n1 1")
    live.control("padding").select_option("same")
    live.wait_until(lambda: "has no middle" in live.message(), "no message")
    with live.changes():
        live.press("image", "ArrowDown")
    assert "input 28×28" in live.texts()
    with live.changes():
        live.slide("output number", 0.4)
    play = live.explorer.locator(".widget-play button").first
    with live.changes():
        play.click()
    play.click()  # or it would go on, and its kernel draw, while the next explorer is moved


def test_inside(live):
    import keras

    from course_utils import runs

    network = runs.recorded_network("vgg_small")
    images, _, class_names = data.load("cifar10", "test")
    horse = data.scale(images[[7]], low=-2.0, high=2.0)

    def after(layer, image=horse):
        return keras.Model(network.input, network.get_layer(layer).output)(image)[0].numpy()

    def compact(number):
        return f"{number:.2f}".replace("-", "−")

    assert "answers 'horse'" in live.alt()
    with live.changes():
        live.press("map", "Home", "ArrowRight", "ArrowRight")
    with live.changes():
        live.point(410 + 330 * 9.5 / 32, 336 + 330 * 19.5 / 32)  # the large map
    value = after("relu1_2")[19, 9, 2]
    assert f"Map 2 of relu1_2 gives {compact(value) if value else 0} at row 19" in live.alt()
    with live.changes():
        live.point(20 + 330 * 3.5 / 6, 336 + 330 * 1.5 / 6)  # a tile of the mosaic
    assert "Map 9 of relu1_2" in live.alt()
    with live.changes():
        live.slide("row", 0.0)
    with live.changes():
        live.press("column", "End")
    assert "at row 0, column 31" in live.alt()
    with live.changes():
        live.press("layer", "ArrowDown")
    assert "Map 9 of pool1" in live.alt() and "column 15 of its 16×16" in live.alt()
    with live.changes():
        live.slide("map", 0.99)
    assert "Map 31 of pool1" in live.alt()
    with live.changes():
        live.control("image").select_option("frog")
    assert "answers 'frog'" in live.alt()
    with live.changes():
        live.press("image", "ArrowDown")
    assert "for the image 'horse'" in live.alt()

    with live.changes():
        live.press("view", "ArrowDown")
    assert live.control("layer").input_value() == "conv1_2"
    with live.changes():
        live.control("layer").select_option("conv1_1")
    kernel = network.get_layer("conv1_1").kernel.numpy()[..., 31]
    share = 3 * np.sum(kernel.mean(axis=2) ** 2) / np.sum(kernel**2)
    assert f"Filter 31 of conv1_1: {100 * share:.0f} % of its sum of squares" in live.alt()

    with live.changes():
        live.control("view").select_option("Grad-CAM")
    assert live.control("layer").input_value() == "relu3_2"
    with live.changes():
        live.point(20 + 330 * 6.5 / 32, 336 + 330 * 14.5 / 32)
    assert "At row 3, column 1 the maps of relu3_2 speak for 'horse'" in live.alt()
    with live.changes():
        live.point(400, 66 + 31 + 8)  # the second bar
    second = class_names[int(np.argsort(-after("logits"))[1])]
    assert f"speak for '{second}'" in live.alt()
    with live.changes():
        live.press("class", "Home")
    assert "speak for 'horse'" in live.alt()

    with live.changes():
        live.control("view").select_option("occlusion")
    with live.changes():
        live.press("square", "ArrowRight", "ArrowRight")
    live.wait_until(lambda: "10×10 pixels of mid-grey" in live.texts(), "two keys, two pixels")
    live.rest()
    with live.changes():
        live.slide("square", 0.5)
    size = int(next(text for text in live.texts() if "of mid-grey" in text).split("×")[0])
    assert 14 <= size <= 18
    with live.changes():
        live.point(20 + 170 * 16.5 / 32, 50 + 170 * 16.5 / 32)  # the small image
    found = re.search(r"row (\d+), column (\d+), .* (falls|rises) by ([\d.]+): (.*)\.$", live.alt())
    top, left = int(found[1]) - size // 2, int(found[2]) - size // 2
    assert abs(top + (size - 1) / 2 - 16) <= 1, "centred where it was pointed at"
    covered = horse.copy()
    covered[0, top : top + size, left : left + size] = 0
    whole, rest = after("logits")[7], after("logits", covered)[7]
    assert found[5] == f"{compact(whole)} → {compact(rest)}"
    assert found[3] == ("falls" if rest < whole else "rises")


def test_receptive_field(live):
    def sees(name, rows, columns):
        """Whether this layer's unit sees these pixels, each `(first, last)`."""
        places = "rows {} to {}, columns {} to {}".format(*rows, *columns).replace("-", "−")
        return f", {name}: " in live.alt() and f": {places}." in live.alt()

    # LeNet: 1 + 4 = 5, 5 + 1 = 6, 6 + 4·2 = 14, 14 + 1·2 = 16, and units 1, 2, 2, 4 pixels apart.
    assert sees("pool2", (8, 23), (8, 23))
    with live.changes():
        live.press("row of the unit", "Home")
    assert sees("pool2", (0, 15), (8, 23))
    with live.changes():
        live.slide("column of the unit", 0.98)
    assert sees("pool2", (0, 15), (16, 31))
    with live.changes():
        live.slide("row of the unit", 0.5)
    with live.changes():
        live.press("column of the unit", "ArrowLeft")
    assert sees("pool2", (8, 23), (12, 27))
    with live.changes():
        live.point(420 + 38 * 0.5, 52 + 38 * 4.5)  # row 4, column 0 of the map
    assert sees("pool2", (16, 31), (0, 15))
    with live.changes():
        live.point(20 + 10 * 19.5, 52 + 10 * 11.5)  # row 11, column 19: regions 4 to 19, 12 to 27
    assert sees("pool2", (4, 19), (12, 27))

    with live.changes():
        live.press("layer", "ArrowUp")
    assert ", conv2: " in live.alt() and "sees 14×14 pixels" in live.alt()
    with live.changes():
        live.point(100, 52 + 320 + 88)  # the table's first line
    assert ", conv1: " in live.alt() and "sees 5×5 pixels" in live.alt()
    with live.changes():
        live.control("layer").select_option("conv3, 1×1")
    assert sees("conv3", (0, 31), (0, 31))
    assert "14 + (2 − 1)·2 =" in live.texts() and "16 + (5 − 1)·4 =" in live.texts()
    with live.changes():
        live.control("layer").select_option("conv1, 28×28")
    live.press("row of the unit", *["ArrowRight"] * 13)  # from 14; End knows the first range only
    live.rest()
    assert "in row 27, column" in live.alt() and "rows 27 to 31" in live.alt()

    with live.changes():  # Keras is read for the first time
        live.press("network", "ArrowDown")
        live.wait_until(lambda: live.alt().startswith("LeNet-5, S4"), "no LeNet-5", seconds=90)
    with live.changes():
        live.control("network").select_option("vgg_small")
    with live.changes():
        live.control("layer").select_option("pool3, 4×4")
    live.press("row of the unit", "Home")
    live.rest()
    live.slide("column of the unit", 0.98)
    live.rest()
    # Two convolutions pad 1 each, where pixels are 1, 2 and 4 apart: 2·(1 + 2 + 4) = 14 before.
    assert sees("pool3", (-14, 21), (10, 45))
    assert "A region of 36×36 is larger than the image." in live.message()
    assert "32 + (2 − 1)·4 =" in live.texts()


def test_gradient_flow(live):
    from course_utils.explorers._gradient_flow import Setting, photographs, weights

    def share(*setting):
        """The first layer's gradient over the last one's, back through the stack by hand."""
        setting = Setting(*setting)
        (maps, _), (kernels, to_scores) = photographs(), weights(setting)
        outputs = []
        for layer, kernel in enumerate(kernels):
            maps = conv2d(maps, kernel, padding="same")
            if setting.carried(layer) is not None:
                maps = maps + outputs[setting.carried(layer)]
            maps = np.maximum(maps, 0) if setting.activation == "ReLU" else np.tanh(maps)
            outputs.append(maps)
        grown = np.exp(maps.mean(axis=(1, 2)) @ to_scores)
        wrong = grown / grown.sum(axis=1, keepdims=True) - np.eye(10)[photographs()[1]]
        arriving = [0] * len(kernels)
        arriving[-1] = np.broadcast_to((wrong @ to_scores.T)[:, None, None] / 512, maps.shape)
        for layer in range(len(kernels) - 1, 0, -1):
            slope = outputs[layer] > 0 if setting.activation == "ReLU" else 1 - outputs[layer] ** 2
            back = arriving[layer] * slope
            carried = setting.carried(layer)
            if carried is not None:
                arriving[carried] = arriving[carried] + back
            before, kernel = outputs[layer - 1], kernels[layer]
            arriving[layer - 1] = (
                arriving[layer - 1] + conv2d_gradients(before, kernel, back, padding="same").images
            )
        norms = [np.linalg.norm(each) for each in (arriving[0], arriving[-1])]
        return norms[0] / norms[1]

    def shown():
        """The same from the words of the picture."""
        mantissa, _, exponent = live.alt().split(" gets ")[1].split(" times")[0].partition("·10")
        exponent = exponent.translate(str.maketrans("⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "-0123456789")) or "0"
        return float(mantissa.replace(",", "")) * 10 ** float(exponent)

    assert "30 layers, sigmoid, Glorot. The gradient vanishes" in live.alt()
    with live.changes():
        live.press("activation", "ArrowDown")
    assert shown() == pytest.approx(share(30, "tanh", "Glorot", False, False), rel=0.05)
    assert "30 layers, sigmoid, Glorot" in live.texts(), "the setting before"
    with live.changes():
        live.control("activation").select_option("ReLU")
    assert shown() == pytest.approx(share(30, "ReLU", "Glorot", False, False), rel=0.05)
    with live.changes():
        live.explorer.get_by_role("button", name="keep this curve").click()
    with live.changes():
        live.press("first weights", "ArrowDown")
    assert shown() == pytest.approx(share(30, "ReLU", "He", False, False), rel=0.05)
    assert live.texts().count("kept") == 1

    with live.changes():
        live.slide("depth", 0.2)
    depth = int(live.alt().split(" layers")[0].split()[-1])
    assert 9 <= depth <= 14
    with live.changes():
        live.press("depth", "ArrowRight")
    assert f"{depth + 1} layers, ReLU, He" in live.texts()
    with live.changes():
        live.press("first weights", "End")
    with live.changes():
        live.explorer.get_by_label("shortcuts").click()
    expected = share(depth + 1, "ReLU", "normal 0.01", False, True)
    assert shown() == pytest.approx(expected, rel=0.05)
    with live.changes():
        live.explorer.get_by_label("batch norm").focus()
        live.page.keyboard.press("Space")
    assert f"{depth + 1} layers, ReLU, normal 0.01, batch norm, shortcuts" in live.texts()

    with live.changes():
        live.press("layer", "ArrowRight")
    assert "at layer 2" in live.texts()
    with live.changes():
        live.point(736, 200)
    last = next(text for text in live.texts() if text.startswith("at layer"))
    assert last == "at layer 30", "the kept curve has thirty layers"
    with live.changes():
        live.slide("layer", 0.0)
    with live.changes():
        live.explorer.get_by_role("button", name="forget kept curves").click()
    assert "kept" not in live.texts()
    with live.changes():
        live.explorer.get_by_role("button", name="keep this curve").focus()
        live.page.keyboard.press("Enter")
    with live.changes():
        live.control("depth").focus()
        live.page.keyboard.press("End")
    assert "50 layers, ReLU, normal 0.01, batch norm, shortcuts" in live.texts()


def test_channels(live):
    car = data.load("cifar10", "test").images[91].astype(float)
    edge = np.repeat(np.array([[1.0, 0, -1]]), 3, axis=0)
    nothing = np.zeros((3, 3))
    weights = {
        1: np.stack([edge, -edge, nothing], axis=2),  # from red to green
        2: np.stack([-edge] * 3, axis=2),  # from dark to bright
    }

    def number():
        texts = live.texts()
        return texts[texts.index("one number") + 1].replace("−", "-")

    def expected(shown, row, column, bias=0):
        """The number as the course's convolution gives it."""
        answers = conv2d(car[None], weights[shown][..., None])[0, ..., 0]
        return f"{answers[row, column] + bias:.0f}"

    # The window, by keyboard, by the sliders and by pointing.
    with live.changes():
        live.press("row", "Home", "ArrowRight", "ArrowRight")
    with live.changes():
        live.press("column", "End")
    assert "row 2, column 29:" in live.alt() and number() == expected(1, 2, 29)
    with live.changes():
        live.slide("row", 0.5)
    row = int(re.search(r"row (\d+)", live.alt())[1])
    assert 13 <= row <= 16 and number() == expected(1, row, 29)
    with live.changes():
        live.slide("column", 0)
    assert number() == expected(1, row, 0)
    with live.changes():
        live.point(20 + 84 / 32 * 20.5, 84 + 108 + 84 / 32 * 10.5)  # the green channel
    assert "row 9, column 19:" in live.alt() and number() == expected(1, 9, 19)
    with live.changes():
        live.point(510 + 190 / 32 * 4.5, 232 + 190 / 32 * 17.5)  # the map
    assert "row 17, column 4:" in live.alt() and number() == expected(1, 17, 4)

    # The number of filters is the number of maps.
    with live.changes():
        live.press("number of filters", "ArrowRight")
    assert "(30, 30, 4)" in live.texts() and "(3·3·3 + 1)·4 = 112" in live.texts()
    with live.changes():
        live.slide("number of filters", 1 / 3)
    assert "2 filters give 2 maps" in live.texts() and live.texts().count("no filter") == 2
    with live.changes():
        live.point(172 + 144 + 120 / 32 * 6.5, 478 + 120 / 32 * 3.5)  # the second map
    assert "Filter 2 of 2, row 3, column 6:" in live.alt() and number() == expected(2, 3, 6)
    assert live.control("red slice").input_value() == "-1 0 1\n-1 0 1\n-1 0 1"
    with live.changes():
        live.press("bias", "ArrowRight", "ArrowRight", "ArrowRight")
    assert number() == expected(2, 3, 6, bias=3)
    with live.changes():
        live.slide("bias", 0.8)
    bias = int(re.search(r"the bias (\d+)", live.alt())[1])
    assert 270 < bias < 330 and number() == expected(2, 3, 6, bias)
    with live.changes():
        live.press("filter shown", "ArrowLeft")
    assert "Filter 1 of 2" in live.alt() and number() == expected(1, 3, 6)

    # The numbers of the filter: typed, chosen, random.
    with live.changes():
        live.type("blue slice", "0 0 0\n0 4 0\n0 0 0")
    weights[1][1, 1, 2] = 4
    assert number() == expected(1, 3, 6)
    assert live.control("filter").input_value() == "your own"
    live.type("green slice", "1 2\n3")
    live.wait_until(lambda: "green slice: row 2 of it" in live.message(), "no message")
    assert number() == expected(1, 3, 6), "the last picture stays"
    with live.changes():
        live.control("filter").select_option("dark to bright edges")
    assert live.message() == "" and number() == expected(2, 3, 6)
    with live.changes():
        live.press("filter", "ArrowDown")
    assert live.control("green slice").input_value() == "-1 -1 -1\n-1 -1 -1\n-1 -1 -1"
    live.type("seed", "7")
    live.wait_until(lambda: live.control("filter").input_value() == "random", "no seed")
    with live.changes():
        live.press("image", "ArrowDown")
    with live.changes():
        live.control("image").select_option("grey ship")
    assert "channels are equal" in live.message()
    play = live.explorer.locator(".widget-play button").first
    with live.changes():
        play.click()
    play.click()  # or it would go on, and its kernel draw, while the next explorer is moved
    with live.changes():
        live.control("image").select_option("red car")
    with live.changes():
        live.control("filter").select_option("red to green edges")
    with live.changes():
        live.press("number of filters", "End")


def test_architecture(live):
    # A block of two 3×3 convolutions on 64 maps, and two batch norms.
    assert "Chosen: stage1_block2 of ResNet-18, output 56×56×64, 73,984 parameters" in live.alt()
    with live.changes():
        live.press("number", "ArrowRight")
    cost = 64 * 128 * 9 + 128 * 128 * 9 + 64 * 128 + 3 * 2 * 128
    assert f"Chosen: stage2_block1 of ResNet-18, output 28×28×128, {cost:,}" in live.alt()
    with live.changes():
        live.slide("number", 0.98)
    assert f"Chosen: logits of ResNet-18, output 1000, {513 * 1000:,} parameters" in live.alt()
    with live.changes():
        live.press("part", "ArrowUp")
    assert "Chosen: pool of ResNet-18" in live.alt()
    with live.changes():
        live.control("part").select_option("1: conv1")
    assert f"Chosen: conv1 of ResNet-18, output 112×112×64, {3 * 64 * 49 + 128:,}" in live.alt()

    with live.changes():
        live.press("beside it", "ArrowDown", "ArrowDown")
        live.wait_until(lambda: "beside LeNet, modern: 7 blocks" in live.alt(), "no LeNet")
    with live.changes():
        live.control("beside it").select_option("VGG-16")
    assert "138,357,544 parameters" in live.alt()
    with live.changes():
        live.control("look at").select_option("the right one")
    with live.changes():
        live.press("look at", "ArrowUp")
    assert "of ResNet-18, output" in live.alt()
    with live.changes():
        live.control("network").select_option("ResNet-50")
    with live.changes():
        live.press("network", "ArrowUp")
    assert live.alt().startswith("ResNet-34: 20 blocks, 21,797,672 parameters")
    with live.changes():
        live.press("bars", "ArrowDown")
    assert "multiply-adds of each block" in live.texts()
    with live.changes():
        live.control("bars").select_option("activation memory")
    assert "activation memory of each block" in live.texts()
    with live.changes():
        live.press("detail", "ArrowUp")
    assert "ResNet-34: 6 stages" in live.alt()
    with live.changes():
        live.point(395 + 57 * 1.5, 62 + 100)  # the right one's second stage
    assert "Chosen: conv2_1 … pool2 of VGG-16, output 56×56×128" in live.alt()
    assert "sees 16×16 pixels" in live.alt()  # 6 + 2·2 + 2·2 + 2
    with live.changes():
        live.control("detail").select_option("layers")
    assert "Chosen: pool2 of VGG-16" in live.alt()
    with live.changes():
        live.press("number", "Home")
    assert "Chosen: conv1_1 of VGG-16" in live.alt()
    with live.changes():
        live.point(25, 62 + 20)  # the left one's first layer
    assert "Chosen: conv1_pad of ResNet-34, output 230×230×3" in live.alt()


def test_pooling(live):
    grid = np.array([[0, 1, 0, 0, 2, 1], [1, 8, 3, 0, 1, 2], [0, 2, 0, 0, 6, 0]], float)
    grid = np.vstack([grid, [[1, 0, 0, 1, 2, 0], [5, 0, 4, 0, 0, 3], [0, 1, 7, 2, 0, 1]]])

    def pooled(image, kind, size, stride):
        windows = np.lib.stride_tricks.sliding_window_view(image, (size, size))
        windows = windows[::stride, ::stride]
        return windows.max(axis=(2, 3)) if "max" in kind else windows.mean(axis=(2, 3))

    def agrees(kind, size, stride, shift, position, image=grid):
        """The picture shows what NumPy gives."""
        moved = np.roll(image, shift, axis=1)
        before, after = (pooled(each, kind, size, stride) for each in (image, moved))
        changes = [
            f"{np.linalg.norm(now - then) / np.linalg.norm(then):.2f}"
            for now, then in ((moved, image), (after, before))
        ]
        texts = live.texts()
        assert f"{kind}: {after.shape[0]}×{after.shape[1]}" in texts
        assert texts[texts.index("input") + 1] == changes[0]
        assert texts[texts.index("pooled map") + 1] == changes[1]
        number = f"{after.flat[position]:.2f}".removesuffix(".00")
        assert any(text.endswith(f" = {number}") for text in texts), number

    agrees("max", 2, 2, 1, 1)
    with live.changes():
        live.press("shift, pixels", "Home")
    assert "not moved" in live.texts() and "0 of 9 places of the pooled map changed" in live.texts()
    with live.changes():
        live.slide("shift, pixels", 0.5)
    agrees("max", 2, 2, 2, 1)
    with live.changes():
        live.press("window number", "ArrowRight", "ArrowRight")
    agrees("max", 2, 2, 2, 3)
    with live.changes():
        live.slide("window number", 0.99)
    agrees("max", 2, 2, 2, 8)
    with live.changes():
        live.point(400 + 60 * 1.5, 62 + 60 * 0.5)  # row 0, column 1 of the pooled map
    agrees("max", 2, 2, 2, 1)
    with live.changes():
        live.point(20 + 50 * 0.5, 62 + 50 * 3.5)  # row 3, column 0 of the input
    agrees("max", 2, 2, 2, 3)

    with live.changes():
        live.press("pooling", "ArrowDown")
    agrees("average", 2, 2, 2, 3)
    with live.changes():
        live.press("window size", "ArrowRight")
    agrees("average", 3, 2, 2, 3)
    assert "No window reads 1 of the 6 rows" in live.message()
    with live.changes():
        live.control("pooling").select_option("max")
    with live.changes():
        live.press("stride", "ArrowLeft")
    agrees("max", 3, 1, 2, 3)
    with live.changes():
        live.slide("window size", 0.6)
    with live.changes():
        live.slide("stride", 3 / 7)
    agrees("max", 4, 4, 2, 0)
    with live.changes():
        live.control("pooling").select_option("global average")
    agrees("global average", 6, 1, 2, 0)
    assert live.control("window size", "[disabled]").count() == 1

    digit = data.scale(data.load("mnist", "test").images[7:8], border=2)[0, ..., 0]
    sobel = np.array([[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]])
    edges = np.maximum(filtered(digit, sobel, padding="same"), 0)
    with live.changes():
        live.press("image", "ArrowDown")
    agrees("global average", 32, 1, 2, 0, edges)
    with live.changes():
        live.control("pooling").select_option("max")
    agrees("max", 4, 4, 2, 0, edges)
    with live.changes():
        live.point(20 + 300 / 32 * 17, 62 + 300 / 32 * 9)  # in the fifth window of the third row
    agrees("max", 4, 4, 2, 2 * 8 + 4, edges)
    with live.changes():
        live.control("image").select_option("a map of 6×6")
    with live.changes():
        live.press("window size", "Home", "ArrowRight")
    with live.changes():
        live.press("stride", "Home", "ArrowRight")
    agrees("max", 2, 2, 2, 0)
    with live.changes():
        live.press("shift, pixels", "ArrowLeft")
    agrees("max", 2, 2, 1, 0)
    with live.changes():  # the button that goes by itself
        live.explorer.locator(".widget-play button").first.click()


def test_augmentation(live):
    car = data.load("cifar10", "train").images[41]
    shown = shown_images(live)
    assert len(shown) == 18
    assert {"162", "= (2·4 + 1)² · 2"} <= set(live.texts())

    def moved(shift, flip, seed):
        """What the course's own augmentation makes of sixteen copies."""
        copies = np.stack([car] * 16).astype("float32")
        return np.array(data.shift_and_flip(shift, flip, 128)(copies, np.array([0, seed])))

    np.testing.assert_array_equal(shown[2:], moved(4, True, 1))
    with live.changes():
        live.press("shift, pixels", "ArrowRight", "ArrowRight")
    np.testing.assert_array_equal(shown_images(live)[2:], moved(6, True, 1))
    with live.changes():
        live.explorer.get_by_label("flip").click()
    np.testing.assert_array_equal(shown_images(live)[2:], moved(6, False, 1))
    assert "169" in live.texts()
    again = live.explorer.get_by_role("button", name="draw again")
    with live.changes():
        again.click()
    np.testing.assert_array_equal(shown_images(live)[2:], moved(6, False, 2))
    with live.changes():
        live.press("seed", "ArrowRight")
    np.testing.assert_array_equal(shown_images(live)[2:], moved(6, False, 3))
    with live.changes():
        again.press("Enter")
    np.testing.assert_array_equal(shown_images(live)[2:], moved(6, False, 4))
    with live.changes():
        live.slide("seed", 0.5)
    seed = round(float(live.control("seed").get_attribute("aria-valuenow")))
    assert 40 < seed < 60
    np.testing.assert_array_equal(shown_images(live)[2:], moved(6, False, seed))

    with live.changes():
        live.point(20 + 91 * 5 + 40, 340 + 122 + 40)  # the sixth of the second row
    assert "Draw 14 of 16" in live.texts()
    np.testing.assert_array_equal(shown_images(live)[1], moved(6, False, seed)[13])
    with live.changes():
        live.press("draw", "ArrowLeft")
    np.testing.assert_array_equal(shown_images(live)[1], moved(6, False, seed)[12])
    with live.changes():
        live.slide("draw", 0)
    assert "Draw 1 of 16" in live.texts()

    with live.changes():
        live.slide("shift, pixels", 0)
    assert "Sixteen draws, all alike" in live.texts()
    for label, said in (
        ("rotation, degrees", "turned"),
        ("zoom, %", "zoomed"),
        ("brightness, %", "by"),
        ("contrast, %", "contrast"),
        ("colour, %", "red"),
    ):
        for move, how in ((live.press, "ArrowRight"), (live.slide, 0.9)):
            with live.changes():
                move(label, how)
            assert "countless" in live.texts()
            assert any(said in text.split() for text in live.texts())
        with live.changes():
            live.press(label, "Home")
        assert "countless" not in live.texts()
    with live.changes():
        live.press("erased, pixels", "ArrowRight", "ArrowRight")
    assert f"{31 * 31:,}" in live.texts()
    with live.changes():
        live.slide("erased, pixels", 0.5)
    assert "a square of 8×8 erased" in live.texts()
    for draw in shown_images(live)[2:]:
        differ = (draw != car).any(axis=2)
        assert differ.sum() <= 64 and (draw[differ] == 128).all()

    with live.changes():
        live.press("image", "ArrowDown", "ArrowDown")
    assert "Original: digit 2, 28×28" in live.texts()
    live.control("image").select_option("digit 6")
    live.explorer.get_by_label("flip").press("Space")
    live.wait_until(lambda: "A mirrored 6 is no 6" in live.message(), "no message")
    live.slide("rotation, degrees", 0.95)
    live.wait_until(lambda: "is a 9" in live.message(), "no message")


def shown_images(live):
    """The images that an explorer has drawn into its picture."""
    addresses = live.svg.locator("image").evaluate_all("all => all.map(each => each.href.baseVal)")
    return [pixels_at(address) for address in addresses]


def test_training(live):
    def step():
        """How many steps were trained, from the words of the picture."""
        found = re.search(r"After (\d+) steps", live.alt())
        return int(found[1]) if found else 0

    def error():
        return float(re.search(r"training error ([\d.]+) per cent", live.alt())[1])

    assert step() == 0 and "Not trained yet: press 'train'." in live.texts()
    with live.changes():
        live.press("epochs", "ArrowRight")
    assert f"{4 * 78}" in live.texts(), "the axis ends where four epochs of 10,000 images end"
    with live.changes():
        live.slide("epochs", 0.99)
    assert f"{20 * 78}" in live.texts()
    live.press("learning rate", "ArrowUp")
    assert live.control("learning rate").input_value() == "0.0002"
    live.control("learning rate").select_option("0.002")

    # It trains while the page answers, and ends where it is told to.
    live.explorer.get_by_role("button", name="train").click()
    live.wait_until(lambda: step() > 5, "it does not train", seconds=60)
    seen = step()
    live.wait_until(lambda: step() > seen, "the picture does not follow", seconds=60)
    live.explorer.get_by_role("button", name="stop").focus()
    live.page.keyboard.press("Enter")
    live.wait_until(lambda: "keeps what it has learned" in live.alt(), "it does not stop", 60)
    live.rest()
    stopped, learned = step(), error()
    assert 5 < stopped < 20 * 78
    live.page.wait_for_timeout(500)
    assert step() == stopped, "it went on after it was stopped"

    # It goes on from there: the error begins where it ended, far below a guess.
    live.slide("epochs", 0)
    live.explorer.get_by_role("button", name="train").click()
    live.wait_until(lambda: step() == stopped + 78, "it does not go on", seconds=60)
    live.wait_until(lambda: "keeps what it has learned" in live.alt(), "it does not end", 60)
    assert error() < learned < 90 and "The test error is" in live.alt()

    live.explorer.get_by_role("button", name="start over").click()
    live.explorer.get_by_role("button", name="press again to forget all").click()
    live.wait_until(lambda: step() == 0, "it does not start over")
    live.explorer.get_by_role("button", name="train").focus()
    live.page.keyboard.press("Enter")
    live.wait_until(lambda: step() == 78, "the keyboard does not train", seconds=60)
    live.wait_until(lambda: "Trained 1 epoch;" in live.alt(), "it does not end", 60)


def test_upsampling(live):
    def counts(size, stride):
        ones, kernel = np.ones((1, 4, 4, 1)), np.ones((size, size, 1, 1))
        return conv2d_transpose(ones, kernel, strides=stride)[0, ..., 0]

    assert "output 9×9" in live.texts()
    with live.changes():
        live.press("number of the input", "Home", "ArrowRight", "ArrowRight")
    assert "The number 2 at row 0, column 2" in live.alt()
    with live.changes():
        live.point(20 + 37.5 * 0.5, 62 + 37.5 * 2.5)  # row 2, column 0 of the input
    assert "The number 2 at row 2, column 0" in live.alt()
    with live.changes():
        live.point(214 + 320 / 9 * 4.5, 62 + 320 / 9 * 8.5)  # row 8, column 4 of the output
    assert "at row 3, column 2 lays" in live.alt() or "at row 3, column 1 lays" in live.alt()
    with live.changes():
        live.press("kernel size", "ArrowRight")
    assert "but for the border." in live.texts()
    assert f"From 1 to {counts(4, 2).max():.0f} stamps on an output." in live.texts()
    with live.changes():
        live.slide("stride", 0.67)  # 3
    assert "4 is no multiple of 3:" in live.texts()
    assert "height: (4 − 1) · 3 + 4 − 2 · 0 = 13" in live.texts()
    with live.changes():
        live.press("padding", "ArrowRight")
    assert "output 11×11" in live.texts()
    with live.changes():
        live.control("kernel").select_option("rising")
    live.press("stride", "Home")
    live.press("kernel size", "Home")
    live.press("padding", "End")
    live.wait_until(lambda: "leaves nothing" in live.message(), "no message")
    assert any(text.startswith("framed:") for text in live.texts()), "the last picture stays"
