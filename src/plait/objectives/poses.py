"""Poses that published programs draw."""

import numpy as np


def euler_rotation(theta: float, phi: float, gamma: float) -> np.ndarray:
    """Rz(gamma) Ry(phi) Rx(theta), for row vectors on its left. Not uniform over rotations."""
    (ct, cp, cg), (st, sp, sg) = np.cos([theta, phi, gamma]), np.sin([theta, phi, gamma])
    about_x = np.array([[1, 0, 0], [0, ct, -st], [0, st, ct]])
    about_y = np.array([[cp, 0, sp], [0, 1, 0], [-sp, 0, cp]])
    about_z = np.array([[cg, -sg, 0], [sg, cg, 0], [0, 0, 1]])
    return about_z @ about_y @ about_x
