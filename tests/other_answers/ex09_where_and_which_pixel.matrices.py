"""Right answers to exercise 9 in yet other words: `# %%` and the id of each cell."""

# %% by-hand
first, second = np.array(own.first), np.array(own.second)
shared = np.prod(np.minimum(first[2:], second[2:]) - np.maximum(first[:2], second[:2]))
areas = [np.prod(box[2:] - box[:2]) for box in (first, second)]
found = np.cumsum(own.right)
by_hand = {
    "size": own.stride * own.inputs - own.stride + own.kernel - 2 * own.padding,
    "stamps": int(np.ceil(own.wide / own.step)),
    "iou": float(shared / (sum(areas) - shared)),
    "precision": float(3 / (1 + np.argmax(found == 3))),
}

# %% conv2d-transpose
def matrix(size, taps, stride):
    """What a tap does along one axis: (outputs, inputs, taps), a single 1 for each input."""
    ones = np.zeros(((size - 1) * stride + taps, size, taps))
    for place in range(size):
        for tap in range(taps):
            ones[place * stride + tap, place, tap] = 1
    return ones

def conv2d_transpose(maps, kernels, stride, padding):
    rows = matrix(maps.shape[0], kernels.shape[0], stride)
    columns = matrix(maps.shape[1], kernels.shape[1], stride)
    whole = np.einsum("yia,xjb,ijc,abfc->yxf", rows, columns, maps, kernels)
    inside = slice(padding, -padding or None)
    return whole[inside, inside].astype("float32")

# %% box-iou
def box_iou(first, second):
    first, second = np.array(first, float), np.array(second, float)
    sides = np.minimum(first[2:], second[2:]) - np.maximum(first[:2], second[:2])
    both = np.clip(sides, 0, None).prod()
    return both / sum([(first[2:] - first[:2]).prod(), (second[2:] - second[:2]).prod(), -both])

# %% suppress
def suppress(boxes, scores, labels, threshold):
    alive = np.ones(len(boxes), bool)
    order = np.argsort(-np.array(scores))
    for number, place in enumerate(order):
        if alive[place]:
            for other in order[number + 1 :]:
                same = labels[other] == labels[place]
                alive[other] &= not (same and box_iou(boxes[place], boxes[other]) > threshold)
    return [int(place) for place in order if alive[place]]

# %% build-unet
def build_unet(filters, depth, input_shape, classes):
    relu = {"kernel_size": 3, "padding": "same", "activation": "relu"}
    stack, outputs = [], keras.layers.Input(tuple(input_shape))
    image, widths = outputs, [filters * 2**stage for stage in range(depth + 1)]
    for width in widths[:-1]:
        outputs = layers.Conv2D(width, **relu)(layers.Conv2D(width, **relu)(outputs))
        stack.append(outputs)
        outputs = layers.MaxPooling2D((2, 2), strides=2)(outputs)
    outputs = layers.Conv2D(widths[-1], **relu)(layers.Conv2D(widths[-1], **relu)(outputs))
    for width in widths[-2::-1]:
        outputs = layers.Conv2DTranspose(width, (2, 2), strides=(2, 2), padding="same")(outputs)
        outputs = layers.concatenate([outputs, stack.pop()], axis=3)
        outputs = layers.Conv2D(width, **relu)(layers.Conv2D(width, **relu)(outputs))
    return keras.Model(inputs=image, outputs=layers.Conv2D(classes, kernel_size=1)(outputs))
