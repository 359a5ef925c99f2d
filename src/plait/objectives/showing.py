"""What an encoder makes of a view: the batches of the view and of its other views."""

import numpy as np

from plait.objectives.base import View
from plait.objectives.node_graphs import HIDDEN, ViewNodes


def batch_of(encoder, view: View):
    """What `encoder.prepare` makes of the view's proteins, masks and extras."""
    names = view.extras[0].keys() if view.extras else ()
    extras = {name: [extra[name] for extra in view.extras] for name in names}
    if HIDDEN["atom"] in extras:
        alone = [View([protein], [], [], {}, {}) for protein in view.proteins]
        extras[HIDDEN["atom"]] = [_rows(*pair) for pair in zip(alone, extras[HIDDEN["atom"]], strict=True)]
    return encoder.prepare(view.proteins, masked=view.masked, **extras)


def _rows(view: View, hidden: np.ndarray) -> np.ndarray:
    """Hidden edges between atoms by their numbers, of those that are there."""
    nodes = ViewNodes(view, "atom")
    ends = nodes.find(hidden[:, :2])
    there = (ends >= 0).all(1)
    return np.concatenate([nodes.row[ends[there]], hidden[there, 2:]], axis=1)
