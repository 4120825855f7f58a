"""How much a model file may hold. Every limit that the reader applies stands here."""

from dataclasses import dataclass

MIB = 2**20
GIB = 2**30


@dataclass(frozen=True)
class Budget:
    """Limits in bytes or counts, applied while a file is read.

    Attributes:
        config_bytes: Size of any JSON text.
        config_depth: Nesting of any JSON text.
        members: Entries of a zip archive, and objects of an HDF5 file.
        member_bytes: Unpacked size of one zip member.
        total_bytes: Unpacked size of all zip members, and of all weights together.
        ratio: Unpacked size over packed size of a member or a compressed dataset.
    """

    config_bytes: int = 64 * MIB
    config_depth: int = 200
    members: int = 100_000
    member_bytes: int = 16 * GIB
    total_bytes: int = 16 * GIB
    ratio: int = 1000


DEFAULT = Budget()
