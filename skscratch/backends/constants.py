"""Numbers of formulas that are written both in NumPy and as compiled loops."""

__all__ = ["FAR", "LARGEST_SHARE", "SELU_ALPHA", "SELU_SCALE"]

# Beyond ±FAR, exp(-|Z|) and the like are 0 in every precision. Their factors are
# clipped to this range, because 0 times infinity is nan.
FAR = 1e3

# The fixed point of Klambauer et al. (2017), eq. 14: a standard normal Z gives
# A of mean 0 and variance 1.
SELU_ALPHA = 1.6732632423543772
SELU_SCALE = 1.0507009873554805

# Share of the largest float that SELU, whose slope is above 1, may grow from.
LARGEST_SHARE = 0.95
