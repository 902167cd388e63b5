"""Right answers to exercise 9 in other words than the source's: `# %%` and the id of each cell."""

# %% by-hand
def places(box):
    return {(row, column) for row in range(box[0], box[2]) for column in range(box[1], box[3])}

one, other = places(own.first), places(own.second)
by_hand = dict(
    size=len(range(own.inputs * own.stride)) - own.stride + own.kernel - own.padding - own.padding,
    stamps=max(sum(start <= place < start + own.wide for start in range(0, 99, own.step)) for place in range(50)),
    iou=len(one & other) / len(one | other),
    precision=1 / np.mean(np.flatnonzero(own.right)[-1:] / 3 + 1 / 3),
)

# %% conv2d-transpose
def conv2d_transpose(maps, kernels, stride, padding):
    rows, columns, filters = kernels.shape[:3]
    layer = layers.Conv2DTranspose(filters, (rows, columns), strides=stride, use_bias=False, dtype="float64")
    layer.build((1, *maps.shape))
    layer.set_weights([kernels])
    whole = np.array(layer(maps[None]))[0]
    # Keras leaves room for a whole stride where the kernel is shorter.
    long = (maps.shape[0] - 1) * stride + rows, (maps.shape[1] - 1) * stride + columns
    whole = whole[: long[0], : long[1]]
    return whole[padding : long[0] - padding, padding : long[1] - padding]

# %% box-iou
def box_iou(first, second):
    def pixels(box):
        top, left, bottom, right = (int(number) for number in box)
        return {(row, column) for row in range(top, bottom) for column in range(left, right)}

    one, other = pixels(first), pixels(second)
    return len(one & other) / len(one | other)

# %% suppress
def suppress(boxes, scores, labels, threshold):
    rest, staying = list(np.argsort(scores)[::-1]), []
    while rest:
        best = rest.pop(0)
        staying.append(int(best))
        rest = [place for place in rest
                if labels[place] != labels[best] or box_iou(boxes[place], boxes[best]) <= threshold]
    return staying

# %% build-unet
class Twice(layers.Layer):
    def __init__(self, width):
        super().__init__()
        self.first = layers.Conv2D(width, (3, 3), padding="same")
        self.second = layers.Conv2D(width, (3, 3), padding="same")

    def call(self, maps):
        return keras.ops.relu(self.second(keras.ops.relu(self.first(maps))))

def build_unet(filters, depth, input_shape, classes):
    def stage(maps, width, left):
        maps = Twice(width)(maps)
        if left == 0:
            return maps
        below = stage(layers.MaxPool2D()(maps), 2 * width, left - 1)
        below = layers.Conv2DTranspose(width, 2, 2)(below)
        return Twice(width)(keras.ops.concatenate([below, maps], axis=-1))

    image = keras.Input(tuple(input_shape))
    return keras.Model(image, layers.Conv2D(classes, 1)(stage(image, filters, depth)))
