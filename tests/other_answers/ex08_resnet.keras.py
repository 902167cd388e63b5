"""Right answers to exercise 8 in other words than the source's: `# %%` and the id of each cell."""

# %% by-hand
narrow, wide = own.narrow, own.maps
by_hand = {"negative": float(ops.relu(float(own.number))),
           "bottleneck": wide * narrow + 9 * narrow * narrow + narrow * wide,
           "projections": len(range(1, own.stages)),
           "projection": own.outputs * (own.inputs + 2), "gradient": np.prod([1 + own.slope] * own.row)}

# %% pad-shortcut
def pad_shortcut(maps, filters, strides):
    kept = maps[:, ::strides, ::strides, :]
    new = np.zeros((*kept.shape[:3], filters - kept.shape[3]))
    return np.concatenate([kept, new], axis=3)

# %% build-block
class Shortcut(layers.Layer):
    def __init__(self, filters, strides):
        super().__init__()
        self.filters, self.strides = filters, strides

    def call(self, maps):
        new = self.filters - maps.shape[-1]
        kept = layers.AveragePooling2D(1, strides=self.strides)(maps)
        return ops.concatenate([kept, ops.zeros_like(ops.repeat(kept[..., :1], new, axis=-1))], axis=-1)

def build_block(input_shape, filters, strides, shortcut):
    image = keras.Input(tuple(input_shape))
    carried = image
    if strides != 1 or input_shape[-1] != filters:
        if shortcut == "B":
            carried = norm(layers.Conv2D(filters, (1, 1), strides=strides, use_bias=False)(image))
        elif filters > input_shape[-1]:
            carried = Shortcut(filters, strides)(image)
        else:
            carried = layers.AveragePooling2D(1, strides=strides)(image)
    branch = layers.Conv2D(filters, 3, strides=strides, padding="same", use_bias=False)(image)
    branch = layers.Activation("relu")(norm(branch))
    branch = norm(layers.Conv2D(filters, 3, padding="same", use_bias=False)(branch))
    return keras.Model(image, ops.relu(carried + branch))

# %% build-resnet
def build_resnet(blocks, filters, input_shape, classes, shortcut):
    model = keras.Sequential([keras.Input(tuple(input_shape))])
    model.add(layers.Conv2D(filters[0], 3, padding="same", use_bias=False))
    model.add(layers.BatchNormalization(momentum=0.9, epsilon=1e-5))
    model.add(layers.ReLU())
    for stage, width in enumerate(filters):
        for number in range(blocks[stage]):
            halve = 2 if number == 0 and stage else 1
            model.add(build_block(model.output_shape[1:], width, halve, shortcut))
    model.add(layers.GlobalAvgPool2D())
    model.add(layers.Dense(classes))
    return model

# %% gradient-norms
import tensorflow as tf

def gradient_norms(first, second, inputs, factor):
    with tf.GradientTape() as tape:
        entering = [tf.constant(inputs)]
        tape.watch(entering[0])
        for one, two in zip(first, second):
            x = entering[-1]
            entering.append(factor * x + tf.nn.relu(x @ one) @ two)
        loss = tf.reduce_sum(entering[-1])
    found = tape.gradient(loss, entering, unconnected_gradients="zero")
    return [float(tf.norm(each)) for each in found]
