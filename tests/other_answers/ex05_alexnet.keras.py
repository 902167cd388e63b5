"""Right answers to exercise 5 that ask Keras: `# %%` and the id of each cell."""

# %% by-hand
from course_utils.environment import quiet_tensorflow

quiet_tensorflow()
import keras
import tensorflow as tf

layer = keras.layers.Conv2D(96, 5, groups=4)
layer.build((None, 32, 32, 64))
dropped = np.array(keras.layers.Dropout(0.2, seed=1)(np.ones((1, 100), "float32"), training=True))
by_hand = {"versions": 9 * 7 * 2, "paper": 33**2 * 2, "corner": 25, "groups": layer.count_params(),
           "dropout": dropped.max()}

# %% standardise
def standardise(images, training_images):
    layer = keras.layers.Normalization(axis=-1)
    layer.adapt(training_images.astype("float32"))
    return layer(images.astype("float32"))

# %% crop
def crop(images, rows, columns, size):
    cut = [tf.image.crop_to_bounding_box(image, row, column, *size)
           for image, row, column in zip(images, rows.tolist(), columns.tolist())]
    return tf.stack(cut)

# %% flip
def flip(images, which):
    return keras.ops.where(which[:, None, None, None], keras.ops.flip(images, axis=2), images)

# %% augment
def augment(images, pixels, epochs, seed, fill=0):
    rng, n = np.random.default_rng(seed), len(images)
    shown = []
    for _ in range(epochs):
        rows = rng.integers(0, 2 * pixels + 1, size=n)
        columns = rng.integers(0, 2 * pixels + 1, size=n)
        moved = np.array(flip(images, rng.random(n) < 0.5))
        framed = keras.layers.ZeroPadding2D(pixels)(moved - fill) + fill
        shown.append(crop(np.array(framed), rows, columns, images.shape[1:3]))
    return keras.ops.stack(shown)
