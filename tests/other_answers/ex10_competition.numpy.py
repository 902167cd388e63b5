"""Right answers to exercise 10 in other words than the source's: `# %%` and the id of each cell."""

# %% by-hand
side = len(range(0, own.side, 2))
filter_numbers = own.channels * 3 * 3
p = own.right * own.pictures / 100
by_hand = dict(
    numbers=own.filters * (filter_numbers + len(("scale", "shift", "mean", "variance"))),
    work=sum(side * filter_numbers for _ in range(own.filters * side)),
    shifts=max(count for count in range(1, 26) if count * own.million <= 25),
    spread=f"{100 * np.sqrt(p * (own.pictures - p)) / own.pictures**1.5:.2f}",
)
by_hand["spread"] = float(by_hand["spread"])

# %% views
def views(images, shifts):
    count, height, width, channels = images.shape
    result = np.zeros((2 * len(shifts), *images.shape))
    for number, (down, right) in enumerate(shifts):
        for row in range(height):
            for column in range(width):
                above = min(max(row - down, 0), height - 1)
                before = min(max(column - right, 0), width - 1)
                result[2 * number, :, row, column] = images[:, above, before]
                result[2 * number + 1, :, row, width - 1 - column] = images[:, above, before]
    return result

# %% front
def front(costs, errors):
    best, places = float("inf"), []
    order = np.lexsort((np.arange(len(costs)), errors, costs))
    for place in order:
        twin = places and (costs[places[-1]], errors[places[-1]]) == (costs[place], errors[place])
        if errors[place] < best or twin:
            places.append(int(place))
            best = errors[place]
    return np.array(places)
