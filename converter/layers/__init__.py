"""PSS, SS, RationalSS and PolynomialSS: Keras layers and functions to train with, on any Keras backend.

Importing this package registers them with Keras, so that ``keras.saving.load_model`` needs no custom objects.
"""

from converter.layers.formula import Formula as Formula  # the converter's reference, not one to train with
from converter.layers.polynomial_ss import PolynomialSS, polynomial_ss
from converter.layers.pss import PSS, pss
from converter.layers.rational_ss import RationalSS, rational_ss
from converter.layers.ss import SS, ss

__all__ = ["PSS", "SS", "PolynomialSS", "RationalSS", "polynomial_ss", "pss", "rational_ss", "ss"]
