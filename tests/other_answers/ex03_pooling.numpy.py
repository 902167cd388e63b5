"""Right answers to exercise 3 in other words than the source's: `# %%` and the id of each cell."""

# %% by-hand
by_hand = dict(
    mean=sum(own.grid[2][:2] + own.grid[3][:2]) / 4,
    overlapping=len(range(own.side - own.window + 1)) ** 2,
    winners=own.side**2 / 4,
    parameters=0,
)

# %% max-pool
def windows_of(images, pool_size, strides):
    view = np.lib.stride_tricks.sliding_window_view(images, (pool_size, pool_size), axis=(1, 2))
    return view[:, ::strides, ::strides]

def max_pool(images, pool_size, strides):
    return windows_of(images, pool_size, strides).max(axis=(-2, -1)).astype("float32")

# %% average-pool
def average_pool(images, pool_size, strides):
    return windows_of(images, pool_size, strides).mean(axis=(4, 5)).tolist()

# %% max-pool-gradient
def max_pool_gradient(image, output_gradient, pool_size, strides):
    gradient = 0 * image
    rows, columns = output_gradient.shape
    for row in range(rows):
        for column in range(columns):
            best, winner = -np.inf, None
            for i in range(row * strides, row * strides + pool_size):
                for j in range(column * strides, column * strides + pool_size):
                    if image[i, j] > best:
                        best, winner = image[i, j], (i, j)
            gradient[winner] += output_gradient[row, column]
    return gradient

# %% change
def change(image, pixels, pool_size):
    shifted = np.hstack([image[:, -pixels:], image[:, :-pixels]]) if pixels else image
    one, other = (max_pool(each[None, :, :, None], pool_size, pool_size) for each in (image, shifted))
    return float(np.sqrt(((one - other) ** 2).sum() / (one**2).sum()))
