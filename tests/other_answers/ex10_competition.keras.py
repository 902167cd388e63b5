"""Right answers to exercise 10 in other words than the source's: `# %%` and the id of each cell."""

# %% by-hand
import math

by_hand = {
    "numbers": sum([own.channels * own.filters] * 9) + sum([own.filters] * 4),
    "work": math.ceil(own.side / 2) * math.ceil(own.side / 2) * 9 * own.channels * own.filters,
    "shifts": math.floor(25 / own.million),
    "spread": np.round(np.sqrt(own.right * (100 - own.right) / own.pictures), 2),
}

# %% views
def views(images, shifts):
    from course_utils.environment import quiet_tensorflow

    quiet_tensorflow()
    from keras import layers, ops

    most = int(np.abs(shifts).max(initial=0))
    framed = np.pad(images, ((0, 0), (most, most), (most, most), (0, 0)), mode="edge")
    found = []
    for down, right in shifts:
        sides = ((most - down, most + down), (most - right, most + right))
        view = layers.Cropping2D(sides, dtype="float64")(framed)
        found += [view, ops.flip(view, axis=2)]
    return ops.stack(found)

# %% front
def front(costs, errors):
    pairs = list(zip(costs, errors))

    def beats(one, other):
        return one != other and one[0] <= other[0] and one[1] <= other[1]

    staying = [place for place, pair in enumerate(pairs) if not any(beats(other, pair) for other in pairs)]
    return tuple(place for _, place in sorted((costs[place], place) for place in staying))
