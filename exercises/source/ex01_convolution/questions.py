"""Exercise 1, convolution: the cases, and the mistakes that it knows."""

import numpy as np

from grading.questions import COURSE_SUMS, Part, Question, by_hand, numbers, one_of, whole

SECONDS = 30
MEMORY = 2000
FORBIDDEN = (*COURSE_SUMS, "scipy", "tensorflow.nn")

# Each student's own numbers: those of variant 0, and how others are drawn.
FIRST = {
    "window": [[1, 2, 0], [0, 1, 3], [4, 1, 0]],
    "filters": 20,
    "kernel_size": 5,
    "middle": 2,
}


def own_numbers(rng):
    return {
        "window": rng.integers(0, 6, size=(3, 3)).tolist(),
        "filters": whole(rng, 8, 40),
        "kernel_size": one_of(rng, 5, 7, 9),
        "middle": whole(rng, 1, 5),
    }


# --- 2 By loops -----------------------------------------------------------------------------------


def one_image(rng, channels, bias=0.0):
    height, width = whole(rng, 5, 7), whole(rng, 8, 9)
    kernel = numbers(rng, whole(rng, 2, 3), whole(rng, 4, 5), channels)
    return {"image": numbers(rng, height, width, channels), "kernel": kernel, "bias": bias}


def one_channel(rng):
    return [one_image(rng, 1) for _ in range(2)]


def several_channels(rng):
    return [one_image(rng, channels) for channels in (2, 3)]


def with_bias(rng):
    return [one_image(rng, channels, round(float(rng.uniform(1, 5)), 2)) for channels in (1, 3)]


# --- 3 Without loops ------------------------------------------------------------------------------


def many(rng, images, channels, filters):
    shape = whole(rng, 2, 3), whole(rng, 4, 5), channels, filters
    return {
        "images": numbers(rng, images, whole(rng, 5, 6), whole(rng, 7, 8), channels),
        "kernels": numbers(rng, *shape),
        "biases": np.round(rng.uniform(1, 3, size=filters), 2),
    }


def one_filter(rng):
    return [many(rng, 1, channels, 1) for channels in (1, 3)]


def many_filters(rng):
    return [many(rng, 1, 3, 4), many(rng, 1, 4, 4)]


def several_images(rng):
    return [many(rng, 3, 2, 2), many(rng, 2, 3, 5)]


# --- 4 Backwards ----------------------------------------------------------------------------------


def backwards(rng):
    cases = []
    for images in (1, 3):
        case = many(rng, images, 2, 3)
        case.pop("biases")
        rows = case["images"].shape[1] - case["kernels"].shape[0] + 1
        columns = case["images"].shape[2] - case["kernels"].shape[1] + 1
        case["output_gradient"] = numbers(rng, images, rows, columns, 3)
        cases.append(case)
    return cases


# --- 5 Which edges? -------------------------------------------------------------------------------


def upright_kernels(rng):
    column = np.round(rng.uniform(0.5, 2, size=(3, 1)), 2)
    return [{"kernel": column * np.array([[-1, 0, 1]]), "angles": some_angles(rng)}]


def any_kernel(rng):
    return [{"kernel": numbers(rng, 3, 3), "angles": some_angles(rng)} for _ in range(2)]


def some_angles(rng):
    return [whole(rng, 0, 60), whole(rng, 100, 170), whole(rng, 190, 260), whole(rng, 280, 350)]


# fmt: off
QUESTIONS = [
    by_hand("network", "textbook", "weights", "maps", mistakes={
        "That is the kernel turned round: a layer does not turn it.":
            ("* kernel))", "* kernel[::-1, ::-1]))"),
        "That is without turning the kernel.": ("kernel[::-1, ::-1]", "kernel"),
        "Turned, not mirrored: the rows change places, too.":
            ("kernel[::-1, ::-1]", "kernel[:, ::-1]"),
        "Turning a kernel does not change its signs.": ("* kernel[::-1, ::-1]", "* -kernel"),
        "Each filter is as deep as the image.": ("**2 * 3 + 1", "**2 + 1"),
        "Each filter has a bias of its own.": ("* 3 + 1)", "* 3)"),
        "One bias for each filter, not one for all.":
            ("(own.kernel_size**2 * 3 + 1)", "own.kernel_size**2 * 3 + 1"),
        "A kernel of size 3 has 3 · 3 places.": ("own.kernel_size**2", "own.kernel_size"),
        "A filter is as deep as the image, and gives one map, not three.":
            ('"maps": own', '"maps": 3 * own'),
    }),
    Question("conv2d_loops", [
        Part("one channel", 1, one_channel), Part("several channels", 1, several_channels),
        Part("bias", 1, with_bias),
    ], mistakes={
        "The kernel fits once more in each direction.":
            [("kernel.shape[0] + 1", "kernel.shape[0]"),
             ("kernel.shape[1] + 1", "kernel.shape[1]")],
        "Do not turn the kernel.": ("* kernel)", "* kernel[::-1, ::-1])"),
        "Do not turn the kernel, not even along one axis.": ("* kernel)", "* kernel[:, ::-1])"),
        "Where is the bias?": (" + bias", ""),
        "Add up the products of all channels.":
            ("(window * kernel)", "((window * kernel)[..., 0])"),
        "The bias is added once, not once for each channel.": ("+ bias", "+ bias * image.shape[2]"),
        "The bias is added once, after the sum.": ("+ bias", "+ bias * kernel.size"),
        "The products are added up, not averaged.": ("np.sum(", "np.mean("),
        "All products are added up; the largest alone is no convolution.": ("np.sum(", "np.max("),
        "Height comes before width, in the output as well.": ("return output", "return output.T"),
        "Begin each sum at 0: the window before has nothing to do with it.":
            ("output[row, column] = ", "output[row, column] = output[row, column - 1] + "),
    }),
    Question("conv2d_fast", [
        Part("one filter", 1, one_filter), Part("many filters", 1, many_filters),
        Part("several images", 1, several_images),
    ], mistakes={
        "The filters are the last axis of the output (NHWC).":
            [("->nijf", "->nfij"), ("+ biases", "+ biases[:, None, None]")],
        "Where are the biases?": (" + biases", ""),
        "Do not turn the kernels.": ("windows, kernels)", "windows, kernels[::-1, ::-1])"),
        "In `kernels` the channels come before the filters.": ("abcf->", "abfc->"),
        "Each filter gives a map of its own: do not add them up.":
            ("windows, kernels)", "windows, kernels).sum(axis=-1, keepdims=True)"),
        "Each image has maps of its own: do not add them up.": ("->nijf", "->ijf"),
        "Each filter has a bias of its own: do not add them up.": ("+ biases", "+ biases.sum()"),
        "Add up the products of all channels.":
            ("windows, kernels)", "windows[:, :, :, :1], kernels[:, :, :1])"),
    }),
    Question("gradients", [
        Part("biases", 1, backwards, of="biases"), Part("kernels", 2, backwards, of="kernels"),
        Part("images", 1, backwards, of="images"),
    ], mistakes={
        "The images' gradients are added up, not averaged.":
            [("output_gradient)\n", "output_gradient) / len(images)\n"),
             ("sum(axis=(0, 1, 2))", "sum(axis=(1, 2)).mean(axis=0)")],
        "The kernel is turned round: which weight reads which pixel?":
            [("to_kernels[u, v]", "to_kernels[-1 - u, -1 - v]"),
             ("kernels[u, v].T", "kernels[-1 - u, -1 - v].T")],
        "A pixel is read by several windows: add up what arrives.": ("+= output", "= output"),
        "All images share the weights: add up over the images, too.":
            [("images[read], output_gradient)", "images[read][:1], output_gradient[:1])"),
             ("sum(axis=(0, 1, 2))", "sum(axis=(1, 2))")],
        "Add up over the places, do not average.": ("sum(axis=(0, 1, 2))", "mean(axis=(0, 1, 2))"),
        "A bias collects `output_gradient`, not a 1 from each place.":
            ("output_gradient.sum(axis=(0, 1, 2))",
             "np.full(kernels.shape[3], len(images) * rows * columns)"),
        "A pixel is read by every filter: add up over the filters, too.":
            ("output_gradient @ kernels[u, v].T",
             "output_gradient[..., :1] @ kernels[u, v, :, :1].T"),
    }),
    Question("strongest", [
        Part("upright kernels", 1, upright_kernels), Part("any kernel", 1, any_kernel),
    ], mistakes={
        "A strongly negative output is a strong answer, too.": ("np.abs(output).max", "output.max"),
        "First without its sign, then the largest.": ("np.abs(output).max()", "abs(output.max())"),
        "The angles are degrees, and `edge_image` takes degrees.":
            ("edge_image(angle)", "edge_image(np.rad2deg(angle))"),
        "`edge_image` takes degrees: there is nothing to convert.":
            ("edge_image(angle)", "edge_image(np.deg2rad(angle))"),
        "The strongest output, not the sum of all.": (".max()", ".sum()"),
        "The strongest output, not the mean of all.": (".max()", ".mean()"),
        "One number for each angle.": ("for output in outputs])", "for output in outputs]).max()"),
    }),
]
