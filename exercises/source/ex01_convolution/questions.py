"""Exercise 1, convolution: the cases, and the mistakes that it knows."""

import numpy as np

from grading.questions import Part, Question, numbers, whole

SECONDS = 30
MEMORY = 2000


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


def places(image, kernel, turned=False, channels=None, more=1):
    """What a window loop gives, with one thing or another wrong in it."""
    rows, columns = (image.shape[axis] - kernel.shape[axis] + more for axis in (0, 1))
    kernel = kernel[::-1, ::-1] if turned else kernel
    found = np.zeros((rows, columns))
    for row, column in np.ndindex(rows, columns):
        window = image[row:, column:][: kernel.shape[0], : kernel.shape[1]]
        found[row, column] = np.sum((window * kernel)[..., :channels])
    return found


def loops_without_last(image, kernel, bias):
    return places(image, kernel, more=0) + bias


def loops_turned(image, kernel, bias):
    return places(image, kernel, turned=True) + bias


def loops_without_bias(image, kernel, bias):
    return places(image, kernel)


def loops_first_channel(image, kernel, bias):
    return places(image, kernel, channels=1) + bias


def loops_bias_for_each_channel(image, kernel, bias):
    return places(image, kernel) + bias * image.shape[-1]


def loops_bias_for_each_product(image, kernel, bias):
    return places(image, kernel) + bias * kernel.size


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


def maps_of(images, kernels, turned=False):
    filters = range(kernels.shape[-1])
    return np.array([[places(image, kernels[..., each], turned) for each in filters]
                     for image in images])  # fmt: skip


def fast_channels_first(images, kernels, biases):
    return maps_of(images, kernels) + biases[:, None, None]


def fast_without_biases(images, kernels, biases):
    return np.moveaxis(maps_of(images, kernels), 1, -1)


def fast_turned(images, kernels, biases):
    return np.moveaxis(maps_of(images, kernels, turned=True), 1, -1) + biases


def fast_axes_mixed_up(images, kernels, biases):
    if kernels.shape[2] != kernels.shape[3]:
        raise ValueError("channels and filters have changed places")
    return np.moveaxis(maps_of(images, kernels.swapaxes(2, 3)), 1, -1) + biases


def fast_one_map(images, kernels, biases):
    return np.moveaxis(maps_of(images, kernels), 1, -1).sum(axis=-1, keepdims=True) + biases


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


def collected(images, kernels, output_gradient, turned=False, share=1.0, overwrite=False):
    rows, columns = output_gradient.shape[1:3]
    weights, pixels = np.zeros(kernels.shape), np.zeros(images.shape)
    for row, column in np.ndindex(kernels.shape[:2]):
        read = np.s_[:, row : row + rows, column : column + columns]
        tap = (-1 - row, -1 - column) if turned else (row, column)
        weights[tap] = share * np.einsum("nijc,nijf->cf", images[read], output_gradient)
        arrives = output_gradient @ kernels[tap].T
        pixels[read] = arrives if overwrite else pixels[read] + arrives
    return {"kernels": weights, "images": pixels}


def gradient_mean(images, kernels, output_gradient):
    found = collected(images, kernels, output_gradient, share=1 / len(images))
    biases = output_gradient.sum(axis=(1, 2)).mean(axis=0)
    return {"kernels": found["kernels"], "biases": biases}


def gradient_turned(images, kernels, output_gradient):
    return collected(images, kernels, output_gradient, turned=True)


def gradient_overwritten(images, kernels, output_gradient):
    found = collected(images, kernels, output_gradient, overwrite=True)
    return {"images": found["images"]}


def gradient_by_image(images, kernels, output_gradient):
    found = collected(images[:1], kernels, output_gradient[:1])
    return {"kernels": found["kernels"], "biases": output_gradient.sum(axis=(1, 2))}


def gradient_mean_of_places(images, kernels, output_gradient):
    return {"biases": output_gradient.mean(axis=(0, 1, 2))}


# --- 5 Which edges? -------------------------------------------------------------------------------


def upright_kernels(rng):
    column = np.round(rng.uniform(0.5, 2, size=(3, 1)), 2)
    return [{"kernel": column * np.array([[-1, 0, 1]]), "angles": some_angles(rng)}]


def any_kernel(rng):
    return [{"kernel": numbers(rng, 3, 3), "angles": some_angles(rng)} for _ in range(2)]


def some_angles(rng):
    return [whole(rng, 0, 60), whole(rng, 100, 170), whole(rng, 190, 260), whole(rng, 280, 350)]


def outputs_at(kernel, angle, size=9):
    rows, columns = np.mgrid[:size, :size] - size // 2
    across = columns * np.cos(angle) + rows * np.sin(angle)
    return places((1 / (1 + np.exp(-2 * across)))[..., None], kernel[..., None])


def strongest_with_sign(kernel, angles):
    return [outputs_at(kernel, np.deg2rad(angle)).max() for angle in angles]


def strongest_in_radians(kernel, angles):
    return [np.abs(outputs_at(kernel, angle)).max() for angle in angles]


def strongest_summed(kernel, angles):
    return [np.abs(outputs_at(kernel, np.deg2rad(angle))).sum() for angle in angles]


def strongest_of_all(kernel, angles):
    return max(np.abs(outputs_at(kernel, np.deg2rad(angle))).max() for angle in angles)


QUESTIONS = [
    Question(
        "by_hand",
        [Part(name, 1, of=name) for name in ("network", "textbook", "weights", "maps")],
        probe="values",
        mistakes={
            "That is the kernel turned round: a layer does not turn it.": {"network": 1},
            "That is without turning the kernel.": {"textbook": -1},
            "Each filter is as deep as the image.": {"weights": 520},
            "Each filter has a bias of its own.": {"weights": 1500},
            "One bias for each filter, not one for all.": {"weights": 1501},
            "A filter is as deep as the image, and gives one map, not three.": {"maps": 60},
        },
    ),
    Question(
        "conv2d_loops",
        [
            Part("one channel", 1, one_channel),
            Part("several channels", 1, several_channels),
            Part("bias", 1, with_bias),
        ],
        mistakes={
            "The kernel fits once more in each direction.": loops_without_last,
            "Do not turn the kernel.": loops_turned,
            "Where is the bias?": loops_without_bias,
            "Add up the products of all channels.": loops_first_channel,
            "The bias is added once, not once for each channel.": loops_bias_for_each_channel,
            "The bias is added once, after the sum.": loops_bias_for_each_product,
        },
    ),
    Question(
        "conv2d_fast",
        [
            Part("one filter", 1, one_filter),
            Part("many filters", 1, many_filters),
            Part("several images", 1, several_images),
        ],
        mistakes={
            "The filters are the last axis of the output (NHWC).": fast_channels_first,
            "Where are the biases?": fast_without_biases,
            "Do not turn the kernels.": fast_turned,
            "In `kernels` the channels come before the filters.": fast_axes_mixed_up,
            "Each filter gives a map of its own: do not add them up.": fast_one_map,
        },
    ),
    Question(
        "gradients",
        [
            Part("biases", 1, backwards, of="biases"),
            Part("kernels", 2, backwards, of="kernels"),
            Part("images", 1, backwards, of="images"),
        ],
        mistakes={
            "The images' gradients are added up, not averaged.": gradient_mean,
            "The kernel is turned round: which weight reads which pixel?": gradient_turned,
            "A pixel is read by several windows: add up what arrives.": gradient_overwritten,
            "All images share the weights: add up over the images, too.": gradient_by_image,
            "Add up over the places, do not average.": gradient_mean_of_places,
        },
    ),
    Question(
        "strongest",
        [Part("upright kernels", 1, upright_kernels), Part("any kernel", 1, any_kernel)],
        mistakes={
            "A strongly negative output is a strong answer, too.": strongest_with_sign,
            "The angles are degrees, and `edge_image` takes degrees.": strongest_in_radians,
            "The strongest output, not the sum of all.": strongest_summed,
            "One number for each angle.": strongest_of_all,
        },
    ),
]
