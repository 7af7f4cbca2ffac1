"""How an operation of the network is executed: buffers, BLAS calls, replayed steps."""

__all__: list[str] = []
