"""Right answers to exercise 2 in other words than the source's: `# %%` and the id of each cell."""

# %% by-hand
starts = np.arange(0, own.size - own.kernel + 1, own.stride)
unread = np.ones(own.size, bool)
for start in starts:
    unread[start : start + own.kernel] = False
by_hand = {name: np.int64(number) for name, number in {
    "row": len(starts),
    "lost": unread.sum(),
    "same": len(range(0, own.size, own.stride)),
    "dilated": len(range(own.size - np.ptp(own.dilation * np.arange(own.kernel)))),
}.items()}

# %% output-size
def output_size(size, kernel, stride=1, before=0, after=0, dilation=1):
    taps = np.arange(kernel) * dilation
    starts = np.arange(0, size + before + after - taps.max(), stride)
    return starts.size

# %% same-padding
import math

def same_padding(size, kernel, stride=1):
    covered = (math.ceil(size / stride) - 1) * stride + kernel
    zeros = np.clip(covered - size, 0, None)
    return [zeros // 2, zeros - zeros // 2]

# %% pad-same
def pad_same(images, kernel_size, strides=(1, 1)):
    amounts = [same_padding(size, kernel, stride) for size, kernel, stride in
               zip(images.shape[1:3], kernel_size, strides)]
    (top, bottom), (left, right) = amounts
    count, height, width, channels = images.shape
    padded = np.zeros((count, height + top + bottom, width + left + right, channels), "float32")
    padded[:, top : top + height, left : left + width] = images
    return padded

# %% readers
def readers(size, kernel, padding=0):
    row = np.arange(padding, padding + size)
    last = size + 2 * padding - kernel
    return (np.minimum(row, last) - np.maximum(row - kernel + 1, 0) + 1).tolist()
