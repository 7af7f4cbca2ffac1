"""The network itself: layers, activations, losses and their gradients."""

__all__: list[str] = []
