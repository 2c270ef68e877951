"""Tables on a terminal."""


def table(heading, rows):
    cells = [heading, *[[str(cell) for cell in row] for row in rows]]
    widths = [max(map(len, column)) for column in zip(*cells)]
    for row in cells:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip())


def megabytes(size):
    return f"{size / 1e6:.0f} MB"
