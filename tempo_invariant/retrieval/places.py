"""Where a vector of an index comes from: the types of its rows."""

import numpy as np

SHEET = np.dtype(
    [("document", "<i4"), ("page", "<i2"), ("system", "<i2"), ("x", "<f4"), ("box", "<i4", (4,))]
)
"""A snippet: number of the score, page and system from 1, column of its centre in page pixels, and
the system's box (top, left, bottom, right) on the page."""

AUDIO = np.dtype([("document", "<i4"), ("seconds", "<f4")])
"""A window: number of the recording, and where the middle of the window is in it."""

KINDS = {"sheets": SHEET, "recordings": AUDIO}
"""What an index can hold."""
