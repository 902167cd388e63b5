"""Right answers to exercise 5 in other words than the source's: `# %%` and the id of each cell."""

# %% by-hand
by_hand = {"versions": 9.0 * 7 * 2, "paper": np.int64(33 * 33 * 2), "corner": 25,
           "groups": 4 * 24 * (16 * 25 + 1), "dropout": np.float32(1.25)}

# %% crop
def crop(images, rows, columns, size):
    height, width = size
    cut = np.empty((len(images), height, width, images.shape[-1]), "float32")
    for number in range(len(images)):
        below = images[number, rows[number] :][:height]
        cut[number] = below[:, columns[number] :][:, :width]
    return cut

# %% flip
def flip(images, which):
    flipped = images.copy()
    flipped[which] = images[which][:, :, ::-1]
    return list(flipped)

# %% augment
def augment(images, pixels, epochs, seed, fill=0):
    count, height, width, channels = images.shape
    generator = np.random.default_rng(seed)
    shown = np.full((epochs, *images.shape), float(fill))
    for epoch in range(epochs):
        down = generator.integers(2 * pixels, size=count, endpoint=True) - pixels
        right = generator.integers(2 * pixels, size=count, endpoint=True) - pixels
        mirror = generator.random(count) < 0.5
        for number in range(count):
            image = images[number, :, ::-1] if mirror[number] else images[number]
            for row in range(height):
                for column in range(width):
                    place = row + down[number], column + right[number]
                    if 0 <= place[0] < height and 0 <= place[1] < width:
                        shown[epoch, number, row, column] = image[place]
    return shown

# %% standardise
def standardise(images, training_images):
    pixels = training_images.reshape(-1, training_images.shape[-1]).astype("float32")
    return (images - pixels.mean(axis=0)) / pixels.std(axis=0)
