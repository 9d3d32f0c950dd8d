from typing import Protocol

class _Buffer(Protocol):
    def __buffer__(self, flags: int, /) -> memoryview: ...

ROWS: int
SOURCE: str

def learn(
    matrix: _Buffer,
    white_fm: float,
    fixed_share: float,
    memory_by_count: float,
    memory_s: float,
    elapsed_s: float,
    value_ns: float,
    excess_ns: float,
    variance: float,
    /,
) -> tuple[int, float]: ...
def mix(
    matrix: _Buffer, least_heard: float, /
) -> tuple[float, float, float, float, float, float]: ...
