"""Defines every limit that is applied while a model file is read."""

from dataclasses import dataclass

MIB = 2**20
GIB = 2**30


@dataclass(frozen=True)
class Budget:
    """Limits in bytes or counts, applied while a file is read.

    Attributes:
        config_bytes: Size of any JSON text.
        config_depth: Nesting of any JSON text.
        config_values: Values in any JSON text.
        name_bytes: Length of a weight's or layer's name.
        directory_bytes: Size of a zip archive's directory.
        heap_bytes: Size of a structure in which HDF5 keeps names; many names can point to one of them.
        members: Entries of a zip archive, and objects of an HDF5 file.
        member_bytes: Unpacked size of one zip member.
        total_bytes: Unpacked size of all zip members, and of all weights together.
        ratio: Unpacked size over packed size of a member.
    """

    config_bytes: int = 16 * MIB
    config_depth: int = 200
    config_values: int = 2_000_000
    name_bytes: int = 1000
    directory_bytes: int = 16 * MIB
    heap_bytes: int = MIB // 4
    members: int = 100_000
    member_bytes: int = 16 * GIB
    total_bytes: int = 16 * GIB
    ratio: int = 1000


DEFAULT = Budget()
