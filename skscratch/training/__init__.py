"""How a network is trained: optimizers, schedules, batches, the loop."""

__all__: list[str] = []
